"""Telling pictures apart, or not: a perceptual hash to find candidates, pixels to decide."""

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
"""Pictures with detail on a smaller share of their pixels, such as a few specks on white, fit each other by chance."""
_DETAIL_LEVELS = 2

TURNS = ("", "turned by 90°", "turned by 180°", "turned by 270°")
"""What was done to the second picture, counter-clockwise; with the same four mirrored before, eight in all."""


def make_thumbnail(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what is kept of an ``(H, W)`` grey picture in order to find its like: ``(64, 64)`` pixels."""
    return np.asarray(cv2.resize(grey, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def hash_thumbnails(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return perceptual hashes: the signs of the 64 lowest frequencies, the mean brightness left out.

    Args:
        thumbnails: ``(N, 64, 64)`` grey pictures.

    Returns:
        ``(N, 8)`` hashes of 64 bits, of each picture itself and of its turns, in the order of `turn_image`.

    Source:
        Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2. By their
        signs, since turning and mirroring a picture permutes and flips those: eight hashes cost little more than one.
    """
    half = THUMBNAIL_PX // 2
    places = np.arange(half) + 0.5
    waves = np.cos(np.pi / half * np.arange(_BITS)[:, None] * places).astype(np.float32)
    pairs = thumbnails.reshape(-1, half, 2, half, 2).mean(axis=(2, 4), dtype=np.float32)
    signs = np.sign(np.round(waves @ pairs @ waves.T, 2)).astype(np.int8)
    signs[:, 0, 0] = 0
    odd = np.where(np.arange(_BITS) % 2, -1, 1).astype(np.int8)
    found = []
    for side in (signs, signs * odd):
        for _ in range(4):
            found.append(np.packbits(side.reshape(-1, _BITS**2) > 0, axis=1).view(">u8")[:, 0].astype(np.uint64))
            # A quarter turn counter-clockwise is a transposition, then a mirror of the rows.
            side = side.transpose(0, 2, 1) * odd[:, None]  # noqa: PLW2901
    return np.stack(found, axis=1)


def turn_image(picture: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Return a picture turned counter-clockwise by ``turn % 4`` quarters, from 4 on mirrored left to right before."""
    start = picture[:, ::-1] if turn >= 4 else picture
    return np.ascontiguousarray(np.rot90(start, turn % 4))


def describe_turn(turn: int) -> str:
    """Say what was done to a picture; empty for nothing."""
    return " and ".join(part for part in ("mirrored" if turn >= 4 else "", TURNS[turn % 4]) if part)


@dataclass(frozen=True, slots=True)
class Match:
    """How alike two pictures are.

    Attributes:
        correlation: Of their detail, once laid over each other, -1 to 1.
        shift: How far the second had to be moved (rows, cols), in pixels of the first.
        same: Whether every pixel is equal.
    """

    correlation: float
    shift: tuple[float, float]
    same: bool = False


def compare_images(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Match:
    """Lay one picture over another and correlate their detail, so that light, shade and vignette do not count.

    Args:
        first: ``(H, W, 3)`` RGB or ``(H, W)`` grey pixels.
        second: Pixels of the same kind, of any size; it is brought to that of the first.

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
    one, other = (_detail(picture, size) for picture in (first, second))
    if min(np.count_nonzero(np.abs(plane) > _DETAIL_LEVELS) for plane in (one, other)) < _LEAST_DETAIL * one.size:
        return Match(0.0, (0.0, 0.0))
    (right, down), _ = cv2.phaseCorrelate(one, other, cv2.createHanningWindow(size, cv2.CV_32F))
    # Without fractions, so that nothing is smoothed on one side only.
    cols, rows = round(right), round(down)
    height, width = one.shape[:2]
    if max(height - abs(rows), 0) * max(width - abs(cols), 0) < _LEAST_OVERLAP * one.size:
        return Match(0.0, (0.0, 0.0))
    return Match(_correlation(*crop_overlap(one, other, (-rows, -cols))), (-rows / factor, -cols / factor))


def crop_overlap(one: NDArray[_Pixel], other: NDArray[_Pixel], shift: tuple[int, int]) -> tuple[NDArray[_Pixel], ...]:
    """Return what two ``(H, W)`` arrays of one shape have in common once the second is moved by (rows, cols)."""
    (rows, cols), (height, width) = shift, one.shape[:2]
    return (
        one[max(rows, 0) : height + min(rows, 0), max(cols, 0) : width + min(cols, 0)],
        other[max(-rows, 0) : height + min(-rows, 0), max(-cols, 0) : width + min(-cols, 0)],
    )


def _detail(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the fine structure of a picture at a size (width, height): its grey less its surroundings' mean."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    shrunk = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(shrunk - cv2.GaussianBlur(shrunk, (0, 0), _BLUR_PX), dtype=np.float32)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    first, second = one - one.mean(), other - other.mean()
    power = math.sqrt(float((first * first).sum()) * float((second * second).sum()))
    return float((first * second).sum()) / power if power > 0 else 0.0
