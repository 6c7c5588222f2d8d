"""Thinning of a mask to lines one pixel wide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.components import Components, find_components
from crackseg.measurement.distance import distances_to_background

# The eight neighbours, clockwise from the one above: bit k of a pixel's code is neighbour k.
_NEIGHBOURS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """The skeletons of all components.

    Attributes:
        pixels: ``(n,) int64`` flat indices, component by component.
        labels: ``(n,) int64`` component of each.
        radii_px: ``(n,)`` distance of each from the nearest background pixel, centre to centre.
    """

    pixels: NDArray[np.int64]
    labels: NDArray[np.int64]
    radii_px: NDArray[np.float64]


def find_skeleton(components: Components) -> Skeleton:
    """Thin components and measure how far their skeletons are from the edge."""
    kept = thin(components)
    pixels = components.pixels[kept]
    return Skeleton(pixels, components.labels()[kept], distances_to_background(components, pixels))


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
    around = steps(components.stride)
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
        near = doomed[:, None] + around
        for bit in range(8):
            codes[near[:, bit]] &= np.uint8(255 - (1 << (bit + 4) % 8))
        codes[doomed] = 0
        changed = near.ravel()[either[codes[near.ravel()]]]
        todo = [np.concatenate([pixels, changed]) for pixels in todo]
        idle, turn = (0 if doomed.size else idle + 1), 1 - turn
    return on[components.pixels].view(np.bool_)


def steps(stride: int) -> NDArray[np.int64]:
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
    for bit, step in enumerate(steps(stride)):
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
