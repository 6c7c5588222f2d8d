"""Thin masks to centrelines and trace them as lines without a loop over pixels."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.stroke import Points

_NEIGHBOURS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
_MIN_POINTS = 3


def thin(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin a mask to lines one pixel wide.

    Args:
        mask: ``(h, w)`` bool mask.

    Returns:
        ``(h, w)`` bool lines, one connected component for each component of ``mask``.

    Example:
        >>> thin(np.ones((3, 7), np.bool_)).sum(axis=1).tolist()
        [0, 5, 0]

    Source:
        Guo, Hall, "Parallel Thinning with Two-Subiteration Algorithms", CACM 1989, algorithm A1.
    """
    shape = np.pad(mask, 1).astype(np.uint8)
    changed = True
    while changed:
        changed = False
        for table in _tables():
            drop = shape.view(np.bool_) & table[_codes(shape)]
            changed |= bool(drop.any())
            shape[drop] = 0
    for row, col in ((1, 1), (1, 2), (2, 1), (2, 2)):
        corner = shape.view(np.bool_) & _corners()[_codes(shape)]
        shape[row::2, col::2][corner[row::2, col::2]] = 0
    return shape[1:-1, 1:-1].view(np.bool_)


def _codes(shape: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the eight neighbours of each pixel as bits, clockwise from above."""
    kernel = np.zeros((3, 3), np.float32)
    for bit, (row, col) in enumerate(_NEIGHBOURS):
        kernel[1 + row, 1 + col] = 1 << bit
    codes = cv2.filter2D(shape, cv2.CV_8U, kernel, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(codes, dtype=np.uint8)


@cache
def _tables() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return two ``(256,)`` bool tables of neighbourhoods that remove a pixel."""
    ring = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(np.bool_)
    after, before = np.roll(ring, -1, axis=1), np.roll(ring, 1, axis=1)
    straight = slice(0, 8, 2)
    ends = (~ring & (after | np.roll(ring, -2, axis=1)))[:, straight].sum(axis=1)
    sides = np.minimum((ring | before)[:, straight].sum(axis=1), (ring | after)[:, straight].sum(axis=1))
    may = (ends == 1) & (sides >= 2) & (sides <= 3)
    first = may & ~((ring[:, 4] | ring[:, 5] | ~ring[:, 7]) & ring[:, 6])
    second = may & ~((ring[:, 0] | ring[:, 1] | ~ring[:, 3]) & ring[:, 2])
    first.flags.writeable = second.flags.writeable = False
    return first, second


@cache
def _corners() -> NDArray[np.bool_]:
    """Return the ``(256,)`` bool table of superfluous corners of thin lines.

    Source:
        Hilditch, "Linear Skeletons from Square Cupboards", Machine Intelligence 4, 1969 (crossing number).
    """
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    crossings = sum((bits[:, k] == 0) & ((bits[:, k + 1] == 1) | (bits[:, (k + 2) % 8] == 1)) for k in (0, 2, 4, 6))
    table = np.asarray((crossings == 1) & (bits.sum(axis=1) >= 2))
    table.flags.writeable = False
    return table


def trace(lines: NDArray[np.bool_]) -> tuple[Points, ...]:
    """Trace the branches of thinned lines.

    Args:
        lines: ``(h, w)`` bool lines from `thin`.

    Returns:
        Slightly smoothed lines ``(n, 2)`` float64 (row, col), in pixels, between ends and junctions, n >= 3.
    """
    rows, cols = np.nonzero(lines)
    number = np.full((lines.shape[0] + 2, lines.shape[1] + 2), -1, np.int64)
    number[rows + 1, cols + 1] = np.arange(len(rows))
    near = np.stack([number[rows + 1 + row, cols + 1 + col] for row, col in _NEIGHBOURS], axis=1)
    plain = (near >= 0).sum(axis=1) <= 2
    hub = np.where((near >= 0) & ~plain[near], near, -1).max(axis=1, initial=-1)
    near = np.where((near >= 0) & plain[near] & plain[:, None], near, -1)
    near = _open_loops(near, plain)
    order = [_extend_to_hubs(part, hub) for part in _order_pixels(near)]
    spots = np.column_stack([rows, cols]).astype(np.float64)
    return tuple(_smooth(spots[part]) for part in order if len(part) >= _MIN_POINTS)


def _extend_to_hubs(part: NDArray[np.int64], hub: NDArray[np.int64]) -> NDArray[np.int64]:
    """Extend ``(n,)`` pixel numbers to the junctions at their ends."""
    ends = [hub[part[:1]], hub[part[-1:]]]
    return np.concatenate([ends[0][ends[0] >= 0], part, ends[1][ends[1] >= 0]])


def _open_loops(near: NDArray[np.int64], plain: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Open each closed ring by removing one pixel.

    Args:
        near: ``(n, 8)`` int64 numbers of the neighbours of each pixel; -1 for none.
        plain: ``(n,)`` bool, True for pixels that are not junctions.

    Returns:
        ``(n, 8)`` int64 neighbours without closed rings.
    """
    root = _roots(near)
    ends = plain & ((near >= 0).sum(axis=1) < 2)
    closed = np.setdiff1d(np.unique(root[plain]), np.unique(root[ends]))
    if not len(closed):
        return near
    removed = np.isin(np.arange(len(near)), closed)
    return np.where((near >= 0) & ~removed[near] & ~removed[:, None], near, -1)


def _roots(near: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the ``(n,)`` smallest pixel number in the component of each pixel."""
    root = np.arange(len(near))
    while True:
        around = np.where(near >= 0, root[near], len(near)).min(axis=1, initial=len(near))
        lower = np.minimum(root, around)
        lower = lower[lower]
        if (lower == root).all():
            return root
        root = lower


def _order_pixels(near: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Sort the pixels of each open line by pointer doubling.

    Each link between two pixels exists in both directions. ``ahead`` is the next link in the same direction. After the
    doubling it is the last link, and ``steps`` is the number of links to it.

    Args:
        near: ``(n, 8)`` int64 numbers of the neighbours of each pixel; -1 for none.

    Source:
        Wyllie, "The Complexity of Parallel Computations", Cornell 1979 (list ranking).
    """
    start, slot = np.nonzero(near >= 0)
    goal = near[start, slot]
    link = np.full(near.shape, -1, np.int64)
    link[start, slot] = np.arange(len(start))
    options = link[goal]
    onward = np.where((options >= 0) & (near[goal] != start[:, None]), options, -1).max(axis=1, initial=-1)
    ahead = np.where(onward >= 0, onward, np.arange(len(start)))
    steps = (onward >= 0).astype(np.int64)
    while (ahead != ahead[ahead]).any():
        steps, ahead = steps + steps[ahead], ahead[ahead]
    degree = (near >= 0).sum(axis=1)
    first = np.flatnonzero((degree[start] == 1) & (start < goal[ahead]))
    lines = []
    finish = {int(ahead[i]): i for i in first}
    by_end = np.argsort(ahead, kind="stable")
    edges = np.searchsorted(ahead[by_end], np.array(sorted(finish)))
    for end, low in zip(sorted(finish), edges, strict=True):
        high = int(np.searchsorted(ahead[by_end], end, side="right"))
        links = by_end[low:high]
        links = links[np.argsort(-steps[links], kind="stable")]
        lines.append(np.concatenate([start[links], goal[links[-1:]]]))
    return lines


def _smooth(points: Points) -> Points:
    """Smooth a ``(n, 2)`` line of pixels and keep its ends."""
    if len(points) < 5:
        return points
    padded = np.concatenate([2 * points[:1] - points[2:0:-1], points, 2 * points[-1:] - points[-2:-4:-1]])
    kernel = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
    return np.column_stack([np.convolve(padded[:, k], kernel, mode="valid") for k in range(2)])
