"""Compare images: a perceptual hash for candidates, then correlation of the pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

_Pixel = TypeVar("_Pixel", bound=np.generic)

THUMBNAIL_PX = 64
_BITS = 8
_VERIFY_PX = 320
_BLUR_PX = 4.0
_LEAST_OVERLAP = 0.3
_LEAST_DETAIL = 0.02
"""Least share of pixels with detail. Images with less, such as a few specks on white, match by chance."""
_DETAIL_LEVELS = 2

TURNS = ("", "turned by 90°", "turned by 180°", "turned by 270°")
"""Descriptions of counter-clockwise turns. With the same four after mirroring, there are eight."""


def make_thumbnail(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink an ``(H, W)`` uint8 grey image to a ``(64, 64)`` thumbnail."""
    return np.asarray(cv2.resize(grey, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def hash_thumbnails(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash thumbnails by the signs of their 64 lowest frequencies.

    The mean brightness is left out. Turning and mirroring permutes and flips the signs, so that eight hashes cost
    little more than one.

    Args:
        thumbnails: ``(N, 64, 64)`` uint8 grey thumbnails.

    Returns:
        ``(N, 8)`` uint64 hashes of each image in its eight turns, in the order of `turn_image`.

    Source:
        Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2.
    """
    half = THUMBNAIL_PX // 2
    places = np.arange(half) + 0.5
    waves = np.cos(np.pi / half * np.arange(_BITS)[:, None] * places).astype(np.float32)
    pairs = thumbnails.reshape(-1, half, 2, half, 2).mean(axis=(2, 4), dtype=np.float32)
    signs = np.sign(np.round(waves @ pairs @ waves.T, 2)).astype(np.int8)
    signs[:, 0, 0] = 0
    odd = np.where(np.arange(_BITS) % 2, -1, 1).astype(np.int8)
    hashes = []
    for side in (signs, signs * odd):
        for _ in range(4):
            hashes.append(np.packbits(side.reshape(-1, _BITS**2) > 0, axis=1).view(">u8")[:, 0].astype(np.uint64))
            # A quarter turn counter-clockwise is a transposition, then a mirror of the rows.
            side = side.transpose(0, 2, 1) * odd[:, None]  # noqa: PLW2901
    return np.stack(hashes, axis=1)


def turn_image(image: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Turn an image counter-clockwise by ``turn % 4`` quarters.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` uint8 image.
        turn: Turn, 0 to 7; from 4 on, the image is mirrored left to right first.

    Example:
        >>> turn_image(np.array([[1, 2]], np.uint8), 1).tolist()
        [[2], [1]]
    """
    start = image[:, ::-1] if turn >= 4 else image
    return np.ascontiguousarray(np.rot90(start, turn % 4))


def describe_turn(turn: int) -> str:
    """Describe a turn; empty for turn 0.

    Example:
        >>> describe_turn(6)
        'mirrored and turned by 180°'
    """
    return " and ".join(part for part in ("mirrored" if turn >= 4 else "", TURNS[turn % 4]) if part)


@dataclass(frozen=True, slots=True)
class Match:
    """Similarity of two images.

    Attributes:
        correlation: Correlation of the details of the aligned images, in [-1, 1].
        shift: Shift of the second image (rows, cols) that aligns it, in pixels of the first.
        same: True if every pixel is equal.
    """

    correlation: float
    shift: tuple[float, float]
    same: bool = False


def compare_images(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Match:
    """Align two images and correlate their details.

    Details exclude differences of brightness, shade and vignette.

    Args:
        first: ``(H, W, 3)`` RGB or ``(H, W)`` grey uint8 image.
        second: ``(h, w, 3)`` or ``(h, w)`` uint8 image; it is resized to the first.

    Source:
        Shift by phase correlation: Kuglin, Hines, "The phase correlation image alignment method", 1975, as
        cv2.phaseCorrelate.
    """
    if first.shape == second.shape and np.array_equal(first, second):
        return Match(1.0, (0.0, 0.0), same=True)
    factor = min(1.0, _VERIFY_PX / max(first.shape[:2]))
    size = (max(1, round(first.shape[1] * factor)), max(1, round(first.shape[0] * factor)))
    if min(size) < 16:
        return Match(0.0, (0.0, 0.0))
    one, other = (_detail(image, size) for image in (first, second))
    if min(np.count_nonzero(np.abs(plane) > _DETAIL_LEVELS) for plane in (one, other)) < _LEAST_DETAIL * one.size:
        return Match(0.0, (0.0, 0.0))
    (right, down), _ = cv2.phaseCorrelate(one, other, cv2.createHanningWindow(size, cv2.CV_32F))
    # Whole pixels, because a fraction would smooth one side only.
    cols, rows = round(right), round(down)
    height, width = one.shape[:2]
    if max(height - abs(rows), 0) * max(width - abs(cols), 0) < _LEAST_OVERLAP * one.size:
        return Match(0.0, (0.0, 0.0))
    return Match(_correlation(*crop_overlap(one, other, (-rows, -cols))), (-rows / factor, -cols / factor))


def crop_overlap(one: NDArray[_Pixel], other: NDArray[_Pixel], shift: tuple[int, int]) -> tuple[NDArray[_Pixel], ...]:
    """Crop two arrays of one ``(H, W)`` shape to their overlap.

    Args:
        one: ``(H, W)`` or ``(H, W, C)`` array.
        other: Array of the same shape.
        shift: Shift of ``other`` (rows, cols), in pixels.

    Returns:
        ``(h, w)`` or ``(h, w, C)`` views of both.
    """
    (rows, cols), (height, width) = shift, one.shape[:2]
    return (
        one[max(rows, 0) : height + min(rows, 0), max(cols, 0) : width + min(cols, 0)],
        other[max(-rows, 0) : height + min(-rows, 0), max(-cols, 0) : width + min(-cols, 0)],
    )


def _detail(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the ``(h, w)`` float32 detail of an image: grey minus blurred grey.

    Args:
        image: ``(H, W, 3)`` RGB or ``(H, W)`` grey uint8 image.
        size: Width and height of the result, in pixels.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    shrunk = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(shrunk - cv2.GaussianBlur(shrunk, (0, 0), _BLUR_PX), dtype=np.float32)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    first, second = one - one.mean(), other - other.mean()
    power = math.sqrt(float((first * first).sum()) * float((second * second).sum()))
    return float((first * second).sum()) / power if power > 0 else 0.0
