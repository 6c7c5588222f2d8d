"""Thinning of a mask to lines one pixel wide, and their length."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.components import Components, find_components

# The eight neighbours, clockwise from the one above: bit k of a pixel's code is neighbour k.
_NEIGHBOURS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def skeletonise(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin a mask to lines one pixel wide that keep its topology; see `thin`.

    Args:
        mask: ``(H, W)`` mask.

    Returns:
        ``(H, W)`` mask of the skeleton, a subset of ``mask``.
    """
    components = find_components(mask)
    skeleton = np.zeros(mask.shape, dtype=np.bool_)
    skeleton[components.positions(components.pixels[thin(components)])] = True
    return skeleton


def thin(components: Components) -> NDArray[np.bool_]:
    """Tell which crack pixels are left when all components are thinned to lines one pixel wide.

    Only pixels whose neighbours changed are looked at again, so the cost grows with the crack pixels, not with the
    image times the width of the widest crack.

    Returns:
        ``(n,)``, True for each of ``components.pixels`` that is part of the skeleton.

    Source:
        Guo, Hall, "Parallel thinning with two-subiteration algorithms", Commun. ACM 32 (1989) 359-373, algorithm A1.
        It keeps diagonals two pixels wide and squares of 2x2, which the better known one of Zhang and Suen wipes out.
    """
    steps = _steps(components.stride)
    on, codes = components.grid.ravel().copy(), np.zeros(components.grid.size, dtype=np.uint8)
    codes[components.pixels] = neighbour_codes(on, components.pixels, components.stride)
    tables, stamps = _removable(), np.empty(codes.size, dtype=np.int32)
    either = tables[0] | tables[1]
    # What each of the two tables has still to look at: whatever changed since it last looked.
    todo = [components.pixels[either[codes[components.pixels]]]] * 2
    idle, turn = 0, 0
    while idle < 2:
        candidates, todo[turn] = todo[turn], todo[turn][:0]
        doomed = _unique(candidates[tables[turn][codes[candidates]]], stamps)
        on[doomed] = 0
        near = doomed[:, None] + steps
        for bit in range(8):
            codes[near[:, bit]] &= np.uint8(255 - (1 << (bit + 4) % 8))
        codes[doomed] = 0
        changed = near.ravel()[either[codes[near.ravel()]]]
        todo = [np.concatenate([pixels, changed]) for pixels in todo]
        idle, turn = (0 if doomed.size else idle + 1), 1 - turn
    return on[components.pixels].view(np.bool_)


def _steps(stride: int) -> NDArray[np.int64]:
    """Return the step in flat index to each of the eight neighbours."""
    return np.array([row * stride + col for row, col in _NEIGHBOURS])


def neighbour_codes(on: NDArray[np.uint8], pixels: NDArray[np.int64], stride: int) -> NDArray[np.uint8]:
    """Return which neighbours of pixels are on: bit k is neighbour k, clockwise from the one above.

    Args:
        on: ``(n,)`` 0 or 1 by flat index.
        pixels: ``(m,)`` flat indices of pixels that are not on the rim.
        stride: Step from a pixel to the one below it.

    Returns:
        ``(m,)`` codes.
    """
    codes = np.zeros(pixels.size, dtype=np.uint8)
    for bit, step in enumerate(_steps(stride)):
        codes |= on[pixels + step] << np.uint8(bit)
    return codes


def _unique(values: NDArray[np.int64], stamps: NDArray[np.int32]) -> NDArray[np.int64]:
    """Drop what occurs twice. ``stamps`` is scratch space with a place for every value."""
    order = np.arange(values.size, dtype=np.int32)
    stamps[values] = order
    return np.asarray(values[stamps[values] == order])


def _code_bits() -> NDArray[np.bool_]:
    """Return the eight neighbours of all 256 codes, ``(8, 256)``."""
    return ((np.arange(256) >> np.arange(8)[:, None]) & 1).astype(np.bool_)


@cache
def _removable() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the two tables of Guo and Hall: True where a pixel with that code of neighbours is taken away."""
    up, up_right, right, down_right, down, down_left, left, up_left = _code_bits()
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
    return first, second


def skeleton_lengths(codes: NDArray[np.uint8], labels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Return the length of the skeleton inside each component.

    Straight steps, diagonal steps and the corners between the two are counted and weighted so that a straight line
    drawn at any angle has its true length with the least mean square error. The two half pixels at the ends add one.

    Args:
        codes: ``(n,)`` neighbours in the skeleton of each of its pixels; see `neighbour_codes`.
        labels: ``(n,)`` component of each.
        count: Components.

    Returns:
        ``(count,)`` lengths in pixels.

    Source:
        Vossepoel, Smeulders, "Vector code probability and metrication error in the representation of straight lines of
        finite length", Computer Graphics and Image Processing 20 (1982) 347-364.
    """
    present = np.bincount(labels, minlength=count) > 0
    return np.asarray(np.bincount(labels, _step_weights()[codes], minlength=count) + present, dtype=np.float64)


@cache
def _step_weights() -> NDArray[np.float64]:
    """Return, by code, a pixel's share of the length: half of each step that touches it."""
    up, up_right, right, down_right, down, down_left, left, up_left = _code_bits()
    # A diagonal step is one only where no straight way round it exists.
    diagonals = [
        up_right & ~up & ~right,
        down_right & ~down & ~right,
        down_left & ~down & ~left,
        up_left & ~up & ~left,
    ]
    straights = [up, right, down, left]
    corner = np.any(straights, axis=0) & np.any(diagonals, axis=0)
    total = 0.980 / 2 * np.sum(straights, axis=0) + 1.406 / 2 * np.sum(diagonals, axis=0) - 0.091 * corner
    return np.asarray(total)
