"""Augment training patches."""

from __future__ import annotations

import os
import random
import warnings
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.training.config import AugmentConfig

# Importing albumentations queries a package index for its newest version unless this is set.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_SQUARE = np.ones((3, 3), np.uint8)


class Augmentation:
    """Random changes of an image and its mask, reproducible by the random generator.

    Args:
        config: Probabilities of the changes.
    """

    def __init__(self, config: AugmentConfig) -> None:
        self._confounders = config.confounders
        self._label_width = config.label_width
        self._transform = _compose(config)

    def __call__(
        self,
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        rng: np.random.Generator,
        *,
        border: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32] | None]:
        """Augment an image and its mask, and keep their size.

        Args:
            image: ``(H, W, 3)`` uint8 RGB pixels.
            mask: ``(H, W)`` uint8 class numbers, 0 for the background.
            rng: Source of all random numbers.
            border: ``(H, W)`` float32 border weights, which move with the mask.

        Returns:
            Image, mask and border weights, of the shapes and types of the arguments.
        """
        if rng.random() < self._confounders:
            from data_gen import draw_confounders

            image = draw_confounders(image, mask > 0, rng)
        # With set_random_seed every change would start with the same random number. A rare change would then only occur
        # together with all more frequent ones, and the same patches would never change.
        self._transform.set_random_state(rng, random.Random(int(rng.integers(2**32))))
        extra = {} if border is None else {"border": border}
        changed = self._transform(image=image, mask=mask, **extra)
        mask = changed["mask"]
        if self._label_width and rng.random() < self._label_width:
            mask = _change_width(mask, wider=bool(rng.integers(2)))
        return np.ascontiguousarray(changed["image"]), np.ascontiguousarray(mask), changed.get("border")


def _compose(config: AugmentConfig) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import albumentations as album
    reflect = cv2.BORDER_REFLECT_101
    return album.Compose(
        [
            album.D4(p=config.turns),
            album.Affine(rotate=(-25, 25), shear=(-8, 8), border_mode=reflect, p=config.rotate),
            album.ElasticTransform(alpha=40, sigma=8, border_mode=reflect, p=config.elastic),
            *_rare_shapes(album, config),
            album.OneOf(
                [
                    album.RandomBrightnessContrast(brightness_limit=0.35, contrast_limit=0.4),
                    album.RandomGamma(gamma_limit=(55, 170)),
                ],
                p=config.light,
            ),
            album.OneOf(
                [
                    album.HueSaturationValue(hue_shift_limit=15, sat_shift_limit=35, val_shift_limit=0),
                    album.ToGray(),
                    album.RGBShift(r_shift_limit=20, g_shift_limit=20, b_shift_limit=20),
                ],
                p=config.colour,
            ),
            album.RandomShadow(num_shadows_limit=(1, 2), shadow_intensity_range=(0.3, 0.6), p=config.shadow),
            album.OneOf(
                [
                    album.GaussianBlur(blur_limit=(3, 5), sigma_limit=(0.4, 1.4)),
                    album.MotionBlur(blur_limit=(3, 5)),
                    album.Downscale(scale_range=(0.5, 0.8)),
                ],
                p=config.blur,
            ),
            album.GaussNoise(std_range=(0.01, 0.06), p=config.noise),
            album.ImageCompression(quality_range=(40, 90), p=config.jpeg),
        ],
        additional_targets={"border": "mask"},
    )


def _change_width(mask: NDArray[np.uint8], *, wider: bool) -> NDArray[np.uint8]:
    """Widen or narrow a mask by one pixel on each side.

    Parts that would vanish stay as they are.

    Args:
        mask: ``(H, W)`` uint8 class numbers.
        wider: True to widen, False to narrow.
    """
    if wider:
        return np.asarray(cv2.dilate(mask, _CROSS), dtype=np.uint8)
    core = cv2.erode(mask, _CROSS)
    reached = cv2.dilate(core, _SQUARE) > 0
    return np.where(reached, core, mask).astype(np.uint8)


def _rare_shapes(album: Any, config: AugmentConfig) -> list[Any]:
    """Return the distortions that are off by default, if they are on."""
    reflect = cv2.BORDER_REFLECT_101
    shapes = []
    if config.grid:
        shapes.append(album.GridDistortion(num_steps=5, distort_limit=0.2, border_mode=reflect, p=config.grid))
    if config.perspective:
        shapes.append(album.Perspective(scale=(0.03, 0.1), border_mode=reflect, p=config.perspective))
    return shapes
