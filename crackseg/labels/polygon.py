"""Trace masks as polygons and fill polygons, without loss, by the three rules of label tools.

Coordinates are continuous: pixel ``(r, c)`` covers ``[r, r + 1) x [c, c + 1)``, so its centre is ``(r + .5, c + .5)``.

- ``centre``, the rule of COCO and CVAT: a pixel belongs to a polygon if its centre does. Outlines follow pixel edges.
- ``touch``, the rule of YOLO and Label Studio: points are truncated to whole pixels and filled with ``cv2.fillPoly``,
  which includes the outline. Outlines run through the centres of the outermost pixels.
- ``pillow``, the rule of LabelMe: points are truncated to whole pixels and filled with Pillow's ``ImageDraw.polygon``,
  which takes fewer pixels along slopes than ``touch``.

Filling an outline by the other rule grows or shrinks a crack by half a pixel or more on each side. That is most of a
crack two pixels wide. A hole is connected to the outline by a cut of zero width, so that one ring holds all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError

Rule = Literal["centre", "touch", "pillow"]

Ring = NDArray[np.float64]
"""``(N, 2)`` float64 points ``(row, col)``, in pixels; the last point connects to the first."""

_Ints = NDArray[np.int64]

_STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)], dtype=np.int64)
"""Directions of pixel edges, with the pixel on their right: right, down, left, up."""
_STARTS = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], dtype=np.int64)
"""Start corner of an edge of each direction, relative to its pixel."""
_CUT_CORNERS = np.array([(0, 0), (0, 1), (0, 0)], dtype=np.int64)
"""Corners of the cut to a hole and back, relative to their pixels."""
_SUBPIXELS = 5
_MAX_CROSSINGS = 20_000_000


def trace_rings(mask: NDArray[np.bool_], rule: Rule, *, simplify_px: float = 0.0) -> list[Ring]:
    """Trace each 8-connected component of a mask as one ring, holes included.

    Args:
        mask: ``(H, W)`` bool mask.
        rule: Rule by which the rings will be filled.
        simplify_px: Largest deviation of a ring when points are removed, in pixels; 0 keeps every corner.

    Returns:
        Rings ``(N, 2)`` float64 ``(row, col)`` in pixels, sorted by their topmost, leftmost pixels. Unless they are
        simplified, `fill_rings` restores the mask exactly.

    Example:
        >>> [ring] = trace_rings(np.ones((1, 2), np.bool_), "centre")
        >>> ring.tolist()
        [[0.0, 0.0], [0.0, 2.0], [1.0, 2.0], [1.0, 0.0]]
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
    return [_simplify(_drop_idle_points(points[cycle]), simplify_px) for cycle in _cycles(links, keys.size)]


def fill_rings(
    rings: Sequence[Ring], shape: tuple[int, int], rule: Rule, *, name: str = "polygon"
) -> NDArray[np.bool_]:
    """Fill rings as a mask.

    The rule ``centre`` gives the pixels of pycocotools' ``frPyObjects``. The rule ``touch`` gives those of
    ``cv2.fillPoly``, and ``pillow`` those of Pillow's ``ImageDraw.polygon`` with an outline.

    Args:
        rings: Rings, each ``(N, 2)`` float64 points ``(row, col)``, in pixels.
        shape: Height and width ``(H, W)`` of the mask, in pixels.
        rule: Rule by which to fill.
        name: Name of the polygon in error messages.

    Returns:
        ``(H, W)`` bool mask of the pixels in any ring.

    Raises:
        LabelError: If a point is NaN or lies more than one image size outside the image, or a ring is too long.

    Example:
        >>> triangle = np.array([[0.0, 0.0], [0.0, 3.0], [3.0, 0.0]])
        >>> fill_rings([triangle], (3, 3), "centre").sum(axis=1).tolist()
        [2, 1, 0]
    """
    for ring in rings:
        _check_ring(ring, shape, name)
    if rule == "touch":
        pixels = np.zeros(shape, np.uint8)
        for ring in rings:
            cv2.fillPoly(pixels, [np.floor(ring[:, ::-1]).astype(np.int32)], 1)
        return pixels.view(np.bool_)
    if rule == "pillow":
        return _fill_pillow(rings, shape)
    columns = np.zeros((shape[1], shape[0]), np.bool_)
    for ring in rings:
        _fill_centre(columns, ring, name)
    return np.ascontiguousarray(columns.T)


def _fill_pillow(rings: Sequence[Ring], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill rings as LabelMe does; return the ``(H, W)`` bool mask.

    Source:
        LabelMe, labelme/utils/shape.py, shape_to_mask.
    """
    from PIL import Image, ImageDraw

    image = Image.new("L", (shape[1], shape[0]))
    for ring in rings:
        points = [(col, row) for row, col in as_triangle(np.trunc(ring)).tolist()]
        ImageDraw.Draw(image).polygon(points, fill=1, outline=1)
    return np.asarray(image) > 0


def as_triangle(ring: Ring) -> Ring:
    """Repeat the last point of a ring until it has three points.

    Readers drop shorter rings or read them as boxes. The outline of a single pixel has one point.

    Args:
        ring: ``(N, 2)`` float64 points ``(row, col)``, in pixels, N >= 1.

    Returns:
        ``(max(N, 3), 2)`` float64 points, in pixels.
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

    The key of an edge is ``4 * (row * W + col) + direction`` of its crack pixel. Where two crack pixels meet only at a
    corner, the boundary continues at the other pixel, so that an 8-connected component has one outline.

    Returns:
        ``(E,)`` int64 keys, ascending, and ``(E,)`` int64 index of the edge that follows each.
    """
    height, width = mask.shape
    padded = np.pad(mask, 1)
    keys = []
    for side in range(4):
        # The background lies to the left of an edge: above, to the right, below, to the left.
        drow, dcol = _STEPS[side - 1]
        neighbour = padded[1 + drow : 1 + drow + height, 1 + dcol : 1 + dcol + width]
        keys.append(4 * np.flatnonzero(mask & ~neighbour) + side)
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
    """Connect each hole to the ring on its left by a cut.

    To the left of a hole's leftmost pixel, the next boundary belongs to another ring: the outline or a hole farther
    left. The cuts therefore form a tree, whatever their order.

    Returns:
        Index of the next point for each edge and then for three points per hole, and the pixels ``(3 N, 2)`` int64
        ``(row, col)`` of those points.
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
    """Return the cycles of a permutation as ``(N,)`` int64 indices."""
    unseen = bytearray(b"\1") * len(links)
    cycles = []
    for start in range(edges):
        if not unseen[start]:
            continue
        cycle, at = [], start
        while unseen[at]:
            unseen[at] = 0
            cycle.append(at)
            at = links[at]
        cycles.append(np.array(cycle))
    return cycles


def _drop_idle_points(ring: Ring) -> Ring:
    """Drop repeated points and points where the direction does not change."""
    ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)] if (ring != ring[0]).any() else ring[:1]
    came, goes = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    cross = came[:, 0] * goes[:, 1] - came[:, 1] * goes[:, 0]
    return np.asarray(ring[(cross != 0) | ((came * goes).sum(axis=1) <= 0)])


def _simplify(ring: Ring, tolerance_px: float) -> Ring:
    """Remove points from a ring without moving it by more than ``tolerance_px``.

    Source:
        Douglas, Peucker, "Algorithms for the reduction of the number of points", 1973, as cv2.approxPolyDP.
    """
    if tolerance_px <= 0 or len(ring) < 4:
        return ring
    # Doubled coordinates are whole numbers, which OpenCV keeps exactly.
    fewer = cv2.approxPolyDP((2 * ring).astype(np.int32)[:, None], 2 * tolerance_px, closed=True)
    return fewer[:, 0].astype(np.float64) / 2


def _fill_centre(columns: NDArray[np.bool_], ring: Ring, name: str) -> None:
    """Add the pixels with centres in a ring to a transposed mask.

    pycocotools draws the ring on a grid five times as fine and records where it crosses from one column of centres to
    the next. This function computes the crossings of each side directly, with the same arithmetic.

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
        raise LabelError(
            f"the outline crosses more than {_MAX_CROSSINGS:,} pixel columns, which is too long",
            where=name,
            hint="divide the polygon",
        )
    side = np.repeat(np.arange(len(ring)), count)
    col = first[side] + np.arange(side.size) - np.repeat(np.cumsum(count) - count, count)
    crossing = _crossing_rows(start[side], end[side], _SUBPIXELS * col + 2)
    row = np.clip((crossing + 2) // _SUBPIXELS, 0, height)
    if not col.size:
        return
    left, right = int(col.min()), int(col.max()) + 1
    changes = np.sort((col - left) * height + row)
    counts = np.diff(changes, prepend=0, append=(right - left) * height)
    inside = (np.arange(counts.size) & 1).astype(np.bool_)
    columns[left:right] |= np.repeat(inside, counts).reshape(right - left, height)


def _crossing_rows(start: _Ints, end: _Ints, col: _Ints) -> _Ints:
    """Return the fine rows at which sides cross into the next column.

    Args:
        start: ``(N, 2)`` int64 start points ``(row, col)``, in fine pixels.
        end: ``(N, 2)`` int64 end points ``(row, col)``, in fine pixels.
        col: ``(N,)`` int64 fine columns, each between those of its side.

    Returns:
        ``(N,)`` int64 fine rows: the lower of the digital line's rows in ``col`` and ``col + 1``.
    """
    drow, dcol = np.abs(end - start).T
    flat = dcol >= drow
    reverse = np.where(flat, start[:, 1] > end[:, 1], start[:, 0] > end[:, 0])[:, None]
    begin, stop = np.where(reverse, end, start), np.where(reverse, start, end)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(flat, (stop[:, 0] - begin[:, 0]) / dcol, (stop[:, 1] - begin[:, 1]) / drow)
        steps = np.nan_to_num(np.ceil((col + 0.5 - begin[:, 1]) / slope)).astype(np.int64)
    along = col - begin[:, 1]
    rows = [np.trunc(begin[:, 0] + slope * (along + more) + 0.5) for more in (0, 1)]
    by_column = np.minimum(rows[0], rows[1]).astype(np.int64)
    # First step at which the digital line is past the crossing; rounding may shift it by one from the estimate.
    first = np.full(steps.shape, -1, np.int64)
    for guess in (steps + 1, steps, steps - 1):
        at = np.trunc(begin[:, 1] + slope * guess + 0.5)
        first = np.where(np.where(slope > 0, at > col, at <= col), guess, first)
    return np.where(flat, by_column, begin[:, 0] + first - 1)
