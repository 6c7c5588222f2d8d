"""Thinning of a mask to lines one pixel wide, and their length."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

# Weights of the eight neighbours, clockwise from the one above: bit k of a pixel's code is neighbour k.
_NEIGHBOURS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def skeletonise(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin a mask to lines one pixel wide that keep its topology.

    Args:
        mask: ``(H, W)`` mask.

    Returns:
        ``(H, W)`` mask of the skeleton, a subset of ``mask``.

    Source:
        Guo, Hall, "Parallel thinning with two-subiteration algorithms", Commun. ACM 32 (1989) 359-373, algorithm A1.
        It keeps diagonals two pixels wide and squares of 2x2, which the better known one of Zhang and Suen wipes out.
    """
    kernel = np.zeros((3, 3), dtype=np.float32)
    for bit, (row, col) in enumerate(_NEIGHBOURS):
        kernel[row + 1, col + 1] = 1 << bit
    thinned = mask.astype(np.uint8)
    changed = True
    while changed:
        changed = False
        for removable in _removable():
            code = cv2.filter2D(thinned, cv2.CV_8U, kernel, borderType=cv2.BORDER_CONSTANT)
            doomed = cv2.bitwise_and(cv2.LUT(code, removable), thinned)
            if cv2.countNonZero(doomed):
                thinned = np.asarray(cv2.bitwise_xor(thinned, doomed), dtype=np.uint8)
                changed = True
    return thinned.astype(np.bool_)


@cache
def _removable() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the two tables of Guo and Hall: 1 where a pixel with that code of neighbours is taken away."""
    bits = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(np.bool_)
    up, up_right, right, down_right, down, down_left, left, up_left = bits.T
    corners = (
        ~up & (up_right | right),
        ~right & (down_right | down),
        ~down & (down_left | left),
        ~left & (up_left | up),
    )
    connected = sum(corner.astype(np.int64) for corner in corners) == 1
    one = sum(pair.astype(np.int64) for pair in (up_left | up, up_right | right, down_right | down, down_left | left))
    two = sum(pair.astype(np.int64) for pair in (up | up_right, right | down_right, down | down_left, left | up_left))
    count = np.minimum(one, two)
    inner = connected & (count >= 2) & (count <= 3)
    first = inner & ~((down | down_left | ~up_left) & left)
    second = inner & ~((up | up_right | ~down_right) & right)
    return first.astype(np.uint8), second.astype(np.uint8)


def skeleton_lengths(skeleton: NDArray[np.bool_], labels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Return the length of the skeleton inside each component.

    Straight steps, diagonal steps and the corners between the two are counted and weighted so that a straight line
    drawn at any angle has its true length with the least mean square error. The two half pixels at the ends add one.

    Args:
        skeleton: ``(H, W)`` skeleton.
        labels: ``(H, W)`` component of each pixel, 0 being background.
        count: Components, the background not counted.

    Returns:
        ``(count + 1,)`` lengths in pixels, by label.

    Source:
        Vossepoel, Smeulders, "Vector code probability and metrication error in the representation of straight lines of
        finite length", Computer Graphics and Image Processing 20 (1982) 347-364.
    """
    padded = np.pad(skeleton, 1)

    def neighbour(row: int, col: int) -> NDArray[np.bool_]:
        return padded[1 + row : padded.shape[0] - 1 + row, 1 + col : padded.shape[1] - 1 + col]

    right, down = skeleton & neighbour(0, 1), skeleton & neighbour(1, 0)
    # A diagonal step is one only where no straight way round it exists.
    falling = skeleton & neighbour(1, 1) & ~neighbour(0, 1) & ~neighbour(1, 0)
    rising = skeleton & neighbour(1, -1) & ~neighbour(0, -1) & ~neighbour(1, 0)
    straight = right | down | _shift(right, 0, 1) | _shift(down, 1, 0)
    diagonal = falling | rising | _shift(falling, 1, 1) | _shift(rising, 1, -1)
    parts = (
        (right, 0.980),
        (down, 0.980),
        (falling, 1.406),
        (rising, 1.406),
        (straight & diagonal, -0.091),
    )
    total = np.zeros(count + 1)
    for pixels, weight in parts:
        total += weight * np.bincount(labels[pixels], minlength=count + 1)
    present = np.bincount(labels[skeleton], minlength=count + 1) > 0
    return np.asarray(total + present)


def _shift(pixels: NDArray[np.bool_], rows: int, cols: int) -> NDArray[np.bool_]:
    """Move pixels by (rows, cols), each -1, 0 or 1, dropping what leaves the image."""
    moved = np.zeros_like(pixels)
    height, width = pixels.shape
    moved[max(rows, 0) : height + min(rows, 0), max(cols, 0) : width + min(cols, 0)] = pixels[
        max(-rows, 0) : height + min(-rows, 0), max(-cols, 0) : width + min(-cols, 0)
    ]
    return moved
