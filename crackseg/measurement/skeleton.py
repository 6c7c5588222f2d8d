"""Thin masks to lines one pixel wide."""

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
    """Skeletons of all components.

    Attributes:
        pixels: ``(n,)`` int64 flat indices of the skeleton pixels, component by component.
        labels: ``(n,)`` int64 component of each pixel.
        radii_px: ``(n,)`` float64 distance of each pixel from the nearest background pixel, centre to centre, in
            pixels.
    """

    pixels: NDArray[np.int64]
    labels: NDArray[np.int64]
    radii_px: NDArray[np.float64]


def find_skeleton(components: Components) -> Skeleton:
    """Return the skeletons of components, with distances to the background."""
    kept = thin(components)
    pixels = components.pixels[kept]
    return Skeleton(pixels, components.labels()[kept], distances_to_background(components, pixels))


def skeletonise(mask: NDArray[np.bool_], *, east_first: bool = False) -> NDArray[np.bool_]:
    """Thin a mask to lines one pixel wide with the same topology.

    See `thin` for the method.

    Args:
        mask: ``(H, W)`` bool mask.
        east_first: Start with the second subiteration, as ``thin`` of scikit-image does.

    Returns:
        ``(H, W)`` bool mask of the skeleton, a subset of ``mask``.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((5, 9), dtype=bool)
        >>> mask[1:4, 1:8] = True
        >>> skeletonise(mask).astype(int)[2].tolist()
        [0, 0, 1, 1, 1, 1, 1, 0, 0]
    """
    components = find_components(mask)
    skeleton = np.zeros(mask.shape, dtype=np.bool_)
    skeleton[components.positions(components.pixels[thin(components, east_first=east_first)])] = True
    return skeleton


def thin(components: Components, *, east_first: bool = False) -> NDArray[np.bool_]:
    """Return which crack pixels remain after thinning to lines one pixel wide.

    Only pixels whose neighbours changed are visited again. The cost therefore grows with the crack pixels, not with
    the size of the image times the greatest width.

    Args:
        components: Components of a mask.
        east_first: Start with the second subiteration. The line then lies up to a pixel elsewhere, and equals that of
            ``thin`` of scikit-image.

    Returns:
        ``(n,)`` bool, True for each of ``components.pixels`` in the skeleton.

    Source:
        Guo, Hall, "Parallel thinning with two-subiteration algorithms", Commun. ACM 32 (1989) 359-373, algorithm A1.
        It keeps diagonals two pixels wide and squares of 2x2, which the better known one of Zhang and Suen removes.
    """
    around = steps(components.stride)
    on, codes = components.grid.ravel().copy(), np.zeros(components.grid.size, dtype=np.uint8)
    codes[components.pixels] = neighbour_codes(on, components.pixels, components.stride)
    tables, stamps = _removable(), np.empty(codes.size, dtype=np.int32)
    either = tables[0] | tables[1]
    # Pixels that changed since each of the two tables was last applied.
    todo = [components.pixels[either[codes[components.pixels]]]] * 2
    idle, turn = 0, int(east_first)
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
    """Return the ``(8,)`` int64 steps in flat index to the eight neighbours."""
    return np.array([row * stride + col for row, col in _NEIGHBOURS])


def neighbour_codes(on: NDArray[np.uint8], pixels: NDArray[np.int64], stride: int) -> NDArray[np.uint8]:
    """Return the codes of the neighbours of pixels.

    Args:
        on: ``(n,)`` uint8 0 or 1 by flat index.
        pixels: ``(m,)`` int64 flat indices of pixels outside the rim.
        stride: Step from a pixel to the one below it.

    Returns:
        ``(m,)`` uint8 codes: bit k is neighbour k, clockwise from the one above.
    """
    codes = np.zeros(pixels.size, dtype=np.uint8)
    for bit, step in enumerate(steps(stride)):
        codes |= on[pixels + step] << np.uint8(bit)
    return codes


def _unique(values: NDArray[np.int64], stamps: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return values without repetitions; ``stamps`` is scratch space for every value."""
    order = np.arange(values.size, dtype=np.int32)
    stamps[values] = order
    return np.asarray(values[stamps[values] == order])


def _code_bits() -> NDArray[np.bool_]:
    """Return the eight neighbours of all 256 codes, ``(8, 256)`` bool."""
    return ((np.arange(256) >> np.arange(8)[:, None]) & 1).astype(np.bool_)


@cache
def _removable() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return Guo and Hall's two tables of removable codes, ``(256,)`` each."""
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
