"""What a patch goes through before the network sees it."""

from __future__ import annotations

import os
import warnings
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.nn.train_config import AugmentConfig

# albumentations asks a package index for its version when it is imported, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


class Augmentation:
    """Random changes of image and mask, the same for the same random generator.

    Args:
        config: Which, and how often.
    """

    def __init__(self, config: AugmentConfig) -> None:
        self._confounders = config.confounders
        self._transform = _compose(config)

    def __call__(
        self, image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return a changed ``(H, W, 3)`` image and its ``(H, W)`` mask, of the size they came in."""
        if rng.random() < self._confounders:
            from data_gen import draw_confounders

            image = draw_confounders(image, mask, rng)
        self._transform.set_random_seed(int(rng.integers(2**32)))
        changed = self._transform(image=image, mask=mask.astype(np.uint8))
        return np.ascontiguousarray(changed["image"]), changed["mask"].astype(np.bool_)


def _compose(config: AugmentConfig) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import albumentations as album
    reflect = cv2.BORDER_REFLECT_101
    return album.Compose(
        [
            album.D4(p=1),
            album.Affine(rotate=(-25, 25), shear=(-8, 8), border_mode=reflect, p=config.rotate),
            album.ElasticTransform(alpha=40, sigma=8, border_mode=reflect, p=config.elastic),
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
        ]
    )
