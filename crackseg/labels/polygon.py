"""Polygons and masks: two rules by which tools fill a polygon, and outlines that lose nothing under either.

Coordinates are continuous: pixel ``(r, c)`` covers ``[r, r + 1) x [c, c + 1)``, so its centre is ``(r + .5, c + .5)``.

- ``centre``, the rule of COCO and CVAT: a pixel is in where its centre is. Outlines run along the edges of pixels.
- ``touch``, the rule of YOLO, LabelMe and Label Studio: points are cut to whole pixels, and the pixels that the outline
  runs through are in, as ``cv2.fillPoly`` has it. Outlines run through the centres of the outermost pixels.

Reading one kind by the other rule grows or shrinks a crack by half a pixel or more on each side, which for a crack two
pixels wide is most of it. A hole is joined to the outline by a cut of no width, so that one ring holds all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError

Rule = Literal["centre", "touch"]

Ring = NDArray[np.float64]
"""``(N, 2)`` points ``(row, col)``, in pixels; the last is joined to the first."""

_Ints = NDArray[np.int64]

_STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)], dtype=np.int64)
"""Directions in which edges run, their pixel at the right hand: right, down, left, up."""
_STARTS = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], dtype=np.int64)
"""The corner of its pixel at which an edge of each direction starts."""
_CUT_CORNERS = np.array([(0, 0), (0, 1), (0, 0)], dtype=np.int64)
"""The corners of their pixels through which the cut to a hole runs, there and back."""
_SUBPIXELS = 5
_MAX_CROSSINGS = 20_000_000


def trace_rings(mask: NDArray[np.bool_], rule: Rule, *, simplify_px: float = 0.0) -> list[Ring]:
    """Return one ring for each 8-connected part of a mask, its holes joined in.

    Args:
        mask: ``(H, W)`` mask.
        rule: By which the rings will be filled.
        simplify_px: How far a ring may stray to save points, in pixels; 0 keeps every corner.

    Returns:
        Rings, by their topmost, leftmost pixels. Unless simplified, `fill_rings` gives the mask back to the pixel.
    """
    keys, following = _boundary(mask)
    if not keys.size:
        return []
    pixel, direction = np.divmod(keys, 4)
    places = np.stack(np.divmod(pixel, mask.shape[1]), axis=1)
    links, extra = _join_holes(mask, places, direction, following)
    points = places + _STARTS[direction] if rule == "centre" else places + 0.5
    added = extra + np.tile(_CUT_CORNERS, (len(extra) // 3, 1)) if rule == "centre" else extra + 0.5
    points = np.concatenate((points, added)).astype(np.float64)
    return [_simplified(_without_idle_points(points[cycle]), simplify_px) for cycle in _cycles(links, keys.size)]


def fill_rings(
    rings: Sequence[Ring], shape: tuple[int, int], rule: Rule, *, name: str = "polygon"
) -> NDArray[np.bool_]:
    """Return the mask of the pixels that lie in any of the rings.

    By ``centre``, they are those of pycocotools' ``frPyObjects``, to the pixel; by ``touch``, those of
    ``cv2.fillPoly``.

    Args:
        rings: Each ``(N, 2)`` points ``(row, col)``, in pixels.
        shape: Height and width of the mask, in pixels.
        rule: By which to fill.
        name: What to call it in an error.

    Returns:
        ``(H, W)`` mask.

    Raises:
        LabelError: If a point is no number or lies farther than one image size outside the image, or a ring is too
            long.
    """
    for ring in rings:
        _check_ring(ring, shape, name)
    if rule == "touch":
        pixels = np.zeros(shape, np.uint8)
        for ring in rings:
            cv2.fillPoly(pixels, [np.floor(ring[:, ::-1]).astype(np.int32)], 1)
        return pixels.view(np.bool_)
    columns = np.zeros((shape[1], shape[0]), np.bool_)
    for ring in rings:
        _fill_centre(columns, ring, name)
    return np.ascontiguousarray(columns.T)


def as_triangle(ring: Ring) -> Ring:
    """Return a ring of at least three points; the outline of a single pixel has one, which is repeated.

    Readers drop shorter ones, or take them for boxes.
    """
    return np.concatenate((ring, np.repeat(ring[-1:], max(0, 3 - len(ring)), axis=0)))


def _check_ring(ring: Ring, shape: tuple[int, int], name: str) -> None:
    size = np.array(shape, dtype=np.float64)
    wrong = np.flatnonzero(~((ring >= -size) & (ring <= 2 * size)).all(axis=1))
    if wrong.size:
        at = int(wrong[0])
        row, col = (float(value) for value in ring[at])
        raise LabelError(
            f"point {at + 1} (row {row:g}, column {col:g}) lies far outside the image of {shape[0]}x{shape[1]} pixels",
            where=name,
            hint="check height and width, and the unit of the points",
        )


def _boundary(mask: NDArray[np.bool_]) -> tuple[_Ints, _Ints]:
    """Find the pixel edges between crack and background.

    An edge is known by its key, ``4 * (row * W + col) + direction`` of its crack pixel. Where two crack pixels meet at
    a corner only, the boundary goes on to the other one, so that 8-connected parts get one outline.

    Returns:
        The keys, ascending, and for each the index of the edge that follows.
    """
    height, width = mask.shape
    padded = np.pad(mask, 1)
    keys = []
    for side in range(4):
        # The background lies at the left hand: above, to the right, below, to the left.
        drow, dcol = _STEPS[side - 1]
        beside = padded[1 + drow : 1 + drow + height, 1 + dcol : 1 + dcol + width]
        keys.append(4 * np.flatnonzero(mask & ~beside) + side)
    edges = np.sort(np.concatenate(keys))
    pixel, direction = np.divmod(edges, 4)
    row, col = np.divmod(pixel, width)
    ahead, left = _STEPS[direction], _STEPS[direction - 1]
    straight = padded[row + 1 + ahead[:, 0], col + 1 + ahead[:, 1]]
    corner = ahead + left
    turning = padded[row + 1 + corner[:, 0], col + 1 + corner[:, 1]]
    step = np.where(turning[:, None], corner, np.where(straight[:, None], ahead, 0))
    turn = np.where(turning, -1, np.where(straight, 0, 1))
    following = 4 * ((row + step[:, 0]) * width + col + step[:, 1]) + (direction + turn) % 4
    return edges, np.searchsorted(edges, following)


def _join_holes(mask: NDArray[np.bool_], places: _Ints, direction: _Ints, following: _Ints) -> tuple[list[int], _Ints]:
    """Join the ring of each hole to the ring left of it, by a cut along a row of crack pixels.

    Seen from the leftmost pixel of a hole, the next boundary to the left is another ring's: the outline's, or that of a
    hole that lies farther left. So the cuts form a tree, in whatever order they are made.

    Returns:
        For each edge, and after them for each of three points per hole, the index of what follows; and the pixels
        ``(3 N, 2)`` of these points.
    """
    links = following.tolist()
    labels = cv2.connectedComponents(np.pad(~mask, 1, constant_values=True).astype(np.uint8), connectivity=4)[1]
    rights, lefts = np.flatnonzero(direction == 1), np.flatnonzero(direction == 3)
    behind = labels[places[rights, 0] + 1, places[rights, 1] + 2]
    inner = np.flatnonzero(behind != labels[0, 0])
    by_column = inner[np.argsort(places[rights[inner], 1], kind="stable")]
    chosen = rights[by_column[np.unique(behind[by_column], return_index=True)[1]]]
    rank = places[:, 0] * mask.shape[1] + places[:, 1]
    ends = lefts[np.searchsorted(rank[lefts], rank[chosen], side="right") - 1]
    before = np.empty_like(following)
    before[following] = np.arange(following.size)
    previous = before.tolist()
    for hole, outline in zip(chosen.tolist(), ends.tolist(), strict=True):
        last, after, new = previous[hole], links[outline], len(links)
        links[outline], links[last] = new, new + 1
        links += [hole, new + 2, after]
        previous[hole], previous[after] = new, new + 2
        previous += [outline, last, new + 1]
    extra = np.stack((places[ends], places[chosen], places[ends]), axis=1)
    return links, extra.reshape(-1, 2)


def _cycles(links: list[int], edges: int) -> list[_Ints]:
    """Return the cycles of a permutation, each from its lowest number on; every cycle has one below ``edges``."""
    unseen = bytearray(b"\1") * len(links)
    found = []
    for start in range(edges):
        if not unseen[start]:
            continue
        cycle, at = [], start
        while unseen[at]:
            unseen[at] = 0
            cycle.append(at)
            at = links[at]
        found.append(np.array(cycle))
    return found


def _without_idle_points(ring: Ring) -> Ring:
    """Leave out points that repeat the one before, and those at which the direction does not change."""
    ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)] if (ring != ring[0]).any() else ring[:1]
    came, goes = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    cross = came[:, 0] * goes[:, 1] - came[:, 1] * goes[:, 0]
    return np.asarray(ring[(cross != 0) | ((came * goes).sum(axis=1) <= 0)])


def _simplified(ring: Ring, tolerance_px: float) -> Ring:
    """Return a ring with fewer points, none of them new, that strays by ``tolerance_px`` pixels at most.

    Source:
        Douglas, Peucker, "Algorithms for the reduction of the number of points", 1973, as cv2.approxPolyDP.
    """
    if tolerance_px <= 0 or len(ring) < 4:
        return ring
    # Twice the coordinates are whole numbers, which OpenCV keeps exactly.
    fewer = cv2.approxPolyDP((2 * ring).astype(np.int32)[:, None], 2 * tolerance_px, closed=True)
    return fewer[:, 0].astype(np.float64) / 2


def _fill_centre(columns: NDArray[np.bool_], ring: Ring, name: str) -> None:
    """Add the pixels whose centre lies in a ring to a ``(W, H)`` mask, the columns of the image.

    pycocotools draws the ring on a grid five times as fine and notes where it passes from one column of centres to the
    next. Here each side of the ring is asked for these places directly, with the same arithmetic.

    Source:
        Lin et al., COCO API, common/maskApi.c, rleFrPoly, 2015.
    """
    width, height = columns.shape
    fine = np.trunc(_SUBPIXELS * ring + 0.5).astype(np.int64)
    start, end = fine, np.roll(fine, -1, axis=0)
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(-((low - 2) // -_SUBPIXELS), 0, width)
    count = np.maximum(np.clip((high - 3) // _SUBPIXELS, -1, width - 1) - first + 1, 0)
    if int(count.sum()) > _MAX_CROSSINGS:
        raise LabelError("the outline is too long", where=name, hint="divide the polygon")
    side = np.repeat(np.arange(len(ring)), count)
    col = first[side] + np.arange(side.size) - np.repeat(np.cumsum(count) - count, count)
    passed = _passing_rows(start[side], end[side], _SUBPIXELS * col + 2)
    row = np.clip((passed + 2) // _SUBPIXELS, 0, height)
    if not col.size:
        return
    left, right = int(col.min()), int(col.max()) + 1
    changes = np.sort((col - left) * height + row)
    counts = np.diff(changes, prepend=0, append=(right - left) * height)
    inside = (np.arange(counts.size) & 1).astype(np.bool_)
    columns[left:right] |= np.repeat(inside, counts).reshape(right - left, height)


def _passing_rows(start: _Ints, end: _Ints, col: _Ints) -> _Ints:
    """Return the fine row at which sides from ``start`` to ``end`` pass from fine column ``col`` to the next.

    Args:
        start: ``(N, 2)`` fine points (row, col).
        end: ``(N, 2)`` fine points (row, col).
        col: ``(N,)`` fine columns, each between those of its side.

    Returns:
        ``(N,)`` fine rows: the lower of the two that the digital line has in these columns.
    """
    drow, dcol = np.abs(end - start).T
    flat = dcol >= drow
    turned = np.where(flat, start[:, 1] > end[:, 1], start[:, 0] > end[:, 0])[:, None]
    begin, stop = np.where(turned, end, start), np.where(turned, start, end)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(flat, (stop[:, 0] - begin[:, 0]) / dcol, (stop[:, 1] - begin[:, 1]) / drow)
        steps = np.nan_to_num(np.ceil((col + 0.5 - begin[:, 1]) / slope)).astype(np.int64)
    along = col - begin[:, 1]
    rows = [np.trunc(begin[:, 0] + slope * (along + more) + 0.5) for more in (0, 1)]
    by_column = np.minimum(rows[0], rows[1]).astype(np.int64)
    # The first step at which the digital line stands beyond the gap; rounding may put it one off the estimate.
    first = np.full(steps.shape, -1, np.int64)
    for guess in (steps + 1, steps, steps - 1):
        at = np.trunc(begin[:, 1] + slope * guess + 0.5)
        first = np.where(np.where(slope > 0, at > col, at <= col), guess, first)
    return np.where(flat, by_column, begin[:, 0] + first - 1)
