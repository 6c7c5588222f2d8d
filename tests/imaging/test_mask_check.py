"""Distinguish photos from masks by their grey levels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from crackseg.errors import ImageError
from crackseg.imaging.mask_check import looks_like_photo, refuse_photo


def drawing() -> NDArray[np.uint8]:
    """Return a ``(80, 90)`` mask of 0 and 255 with two cracks."""
    mask = np.zeros((80, 90), np.uint8)
    mask[20:26, 10:80] = mask[30:70, 40:52] = 255
    return mask


def as_jpeg(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer), np.uint8)


def textured() -> NDArray[np.uint8]:
    mask = drawing()
    mask[mask > 0] = np.random.default_rng(0).integers(60, 220, np.count_nonzero(mask))
    return mask


MASKS = {
    "binary": drawing(),
    "white on black": drawing(),
    "black on white": 255 - drawing(),
    "soft edges": np.asarray(Image.fromarray(drawing()).filter(ImageFilter.GaussianBlur(2)), np.uint8),
    "compressed": as_jpeg(drawing()),
    "texture": textured(),
    "classes": np.repeat(np.arange(12, dtype=np.uint8) * 20, 40).reshape(12, 40),
    "empty": np.zeros((8, 8), np.uint8),
    "full": np.full((8, 8), 255, np.uint8),
}


@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_every_kind_pass(kind: str) -> None:
    assert not looks_like_photo(MASKS[kind])
    refuse_photo(MASKS[kind], Path("mask.png"))


@pytest.mark.parametrize("mean", [20, 60, 128, 200, 235])
@pytest.mark.parametrize("spread", [6, 25])
def test_photos_of_every_brightness_are_refused(mean: int, spread: int) -> None:
    photo = np.random.default_rng(mean).normal(mean, spread, (80, 90)).clip(0, 255).astype(np.uint8)
    assert looks_like_photo(photo)
    with pytest.raises(ImageError, match=r"wall.png: expected a mask, got an image: \d+ grey levels"):
        refuse_photo(photo, Path("wall.png"))
