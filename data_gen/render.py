"""Render strokes as anti-aliased coverage, exact mask and depth.

The coverage of a pixel is the share of its square inside the crack, exact for straight edges. Its sum equals width
times length at any angle, also for hairlines below one pixel.

The mask holds the pixels whose centres lie inside the crack, after parts narrower than 1 px are widened to 1 px. For
widths of 1 px or more that is coverage >= 0.5. A hairline becomes a connected line about one pixel wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data_gen.stroke import Joined, Stroke, join

_BATCH_PX = 400_000
_GROUP_COST = 25_000
"""Cost of a group of segments, in evaluated pixels."""
_NEVER = np.float32(-1e3)
_RADII = np.array([3, 6, 11, 20, 40, 80, 160, 400, 2000])
_BREADTHS = np.array([4, 6, 14, 40, 120, 400, 2000, 20_000])
"""Sizes to which the surroundings of a segment are rounded up, in pixels; each pair of sizes forms a group."""


@dataclass(frozen=True)
class Raster:
    """Strokes rendered on a pixel grid.

    Attributes:
        coverage: ``(h, w)`` float32 share of each pixel inside the crack, in [0, 1].
        depth_px: ``(h, w)`` float32 distance of the pixel centre from the nearer edge of the crack widened to 1 px, in
            pixels; negative outside, at least -1000.
    """

    coverage: NDArray[np.float32]
    depth_px: NDArray[np.float32]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Exact mask, ``(h, w)`` bool."""
        return np.asarray(self.depth_px >= -1e-3)


def render(strokes: Sequence[Stroke], shape: tuple[int, int], origin: tuple[int, int] = (0, 0)) -> Raster:
    """Render strokes with sub-pixel accuracy.

    Args:
        strokes: Strokes to render; parts outside the grid are cut off.
        shape: Height and width ``(h, w)`` of the grid, in pixels.
        origin: (row, col) of the grid's first pixel.

    Returns:
        Coverage and depth of the union of the strokes.

    Example:
        >>> points, half = np.array([[5.0, -10.0], [5.0, 30.0]]), np.full(2, 1.25)
        >>> raster = render([Stroke(points, half, half)], (11, 20))
        >>> round(float(raster.coverage.sum()) / 20, 3), int(raster.mask.sum())
        (2.5, 60)
    """
    coverage = np.zeros(shape[0] * shape[1], np.float32)
    depth = np.full(shape[0] * shape[1], _NEVER, np.float32)
    for segments in _group(strokes, shape, origin):
        per_batch = max(1, _BATCH_PX // ((2 * segments.radius + 1) * segments.breadth))
        for start in range(0, len(segments.start), per_batch):
            _stamp(segments.part(slice(start, start + per_batch)), shape, coverage, depth)
    return Raster(coverage.reshape(shape), depth.reshape(shape))


@dataclass(frozen=True)
class _Segments:
    """Straight segments that fit into parallelograms of pixels of one size.

    Attributes:
        start: ``(n, 2)`` float64 start points (row, col), in pixels.
        end: ``(n, 2)`` float64 end points (row, col), in pixels.
        sides: ``(n, 4)`` float64 left and right half width at the start, then at the end, in pixels.
        margin: ``(n, 2)`` float64 extension beyond the start and the end, in pixels. It fills the outer side of bends
            and rounds the ends of strokes.
        radius: Number of evaluated lines of pixels on each side of a segment, along its major axis.
        breadth: Number of evaluated pixels in each line.
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    sides: NDArray[np.float64]
    margin: NDArray[np.float64]
    radius: int = 0
    breadth: int = 0

    def part(self, which: slice | NDArray[np.bool_]) -> "_Segments":
        return replace(
            self, start=self.start[which], end=self.end[which], sides=self.sides[which], margin=self.margin[which]
        )


def _margins(whole: Joined) -> NDArray[np.float64]:
    """Return the ``(n - 1, 2)`` extension of segments beyond their ends, in pixels."""
    reach = np.maximum(np.maximum(whole.left_px, whole.right_px), 0.5) + 1.0
    way = np.diff(whole.points, axis=0)
    ahead, behind = way[1:], way[:-1]
    turn = np.arctan2(behind[:, 0] * ahead[:, 1] - behind[:, 1] * ahead[:, 0], (behind * ahead).sum(axis=1))
    bend = np.full(len(reach), np.pi)
    bend[1:-1] = np.abs(turn)
    bend[whole.first[1:] - 1] = np.pi
    bend[whole.first[:-1]] = np.pi
    each = np.minimum(reach * np.sin(bend / 2) + 0.25, reach)
    return np.column_stack([each[:-1], each[1:]])


def _group(strokes: Sequence[Stroke], shape: tuple[int, int], origin: tuple[int, int]) -> list[_Segments]:
    if not strokes:
        return []
    whole = join(strokes)
    points, inner = whole.points - origin, whole.inner
    sides = np.column_stack([whole.left_px, whole.right_px])
    everything = _Segments(
        points[:-1][inner], points[1:][inner], np.hstack([sides[:-1], sides[1:]])[inner], _margins(whole)[inner]
    )
    span = np.abs(everything.end - everything.start)
    reach = np.maximum(everything.sides.max(axis=1), 0.5) + span.max(axis=1) / 2 + 1.0
    middle = (everything.start + everything.end) / 2
    near = np.all((middle > -reach[:, None] - 1) & (middle < np.array(shape) + reach[:, None]), axis=1)
    length = np.hypot(span[:, 0], span[:, 1])
    slant = length / np.maximum(span.max(axis=1), 1e-9)
    radius = _round_up(reach, _RADII)
    breadth = _round_up((length + everything.margin.sum(axis=1)) * slant + 1, _BREADTHS)
    keys = np.where(near, radius * 100_000 + breadth, -1)
    unique, counts = np.unique(keys[near], return_counts=True)
    for key, host in _hosts(unique.tolist(), counts.tolist()).items():
        keys[keys == key] = host
    return [
        replace(everything.part(keys == key), radius=int(key) // 100_000, breadth=int(key) % 100_000)
        for key in np.unique(keys[near])
    ]


def _hosts(keys: list[int], counts: list[int]) -> dict[int, int]:
    """Map small groups of segments to larger groups that cost less.

    Args:
        keys: Radius times 100 000 plus breadth of each group, ascending.
        counts: Number of segments in each group.
    """
    sizes = {key: divmod(key, 100_000) for key in keys}
    number = dict(zip(keys, counts, strict=True))
    hosts: dict[int, int] = {}
    for key in keys:
        radius, breadth = sizes[key]
        extra = {
            (2 * sizes[other][0] + 1) * sizes[other][1] - (2 * radius + 1) * breadth: other
            for other in keys
            if other != key and other not in hosts and sizes[other][0] >= radius and sizes[other][1] >= breadth
        }
        if extra and min(extra) * number[key] < _GROUP_COST:
            host = extra[min(extra)]
            number[host] += number[key]
            hosts[key] = host
    return hosts


def _round_up(values: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(sizes[np.searchsorted(sizes, np.minimum(values, sizes[-1]))])


def _stamp(
    segments: _Segments, shape: tuple[int, int], coverage: NDArray[np.float32], depth: NDArray[np.float32]
) -> None:
    """Evaluate a parallelogram of pixels around each segment and keep the maximum.

    Args:
        segments: Segments of one group.
        shape: Height and width ``(h, w)`` of the grid, in pixels.
        coverage: ``(h w,)`` float32 coverage; changed in place.
        depth: ``(h w,)`` float32 depth, in pixels; changed in place.
    """
    way = segments.end - segments.start
    length = np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-6)
    steep = np.abs(way[:, 0]) > np.abs(way[:, 1])
    # The lines of pixels run along the major axis: along columns, or along rows if the segment is steep.
    minor, major = np.where(steep, 1, 0), np.where(steep, 0, 1)
    each = np.arange(len(steep))
    unit_minor, unit_major = way[each, minor] / length, way[each, major] / length
    start_minor, start_major = segments.start[each, minor], segments.start[each, major]
    first = np.rint(start_minor + way[each, minor] / 2).astype(np.int64)
    line = first[:, None] + np.arange(-segments.radius, segments.radius + 1)
    off_line = line - start_minor[:, None]
    begin = np.where(unit_major > 0, -segments.margin[:, 0], length + segments.margin[:, 1])
    begin = (begin[:, None] - off_line * unit_minor[:, None]) / _not_zero(unit_major)[:, None]
    from_pixel = np.ceil(begin + start_major[:, None]).astype(np.int64)
    off_pixel = (from_pixel - start_major[:, None]).astype(np.float32)[:, :, None] + np.arange(
        segments.breadth, dtype=np.float32
    )
    off_axis = off_line.astype(np.float32)[:, :, None]
    along = _deep(unit_minor) * off_axis + _deep(unit_major) * off_pixel
    across = _deep(np.where(steep, -1.0, 1.0)) * (_deep(unit_major) * off_axis - _deep(unit_minor) * off_pixel)
    grid = _Grid(np.asarray(along, np.float32), np.asarray(across, np.float32))
    covered, inside = _evaluate(grid, segments, _deep(length), (_deep(np.abs(unit_minor)), _deep(np.abs(unit_major))))
    limit = np.array(shape)
    pixel = from_pixel[:, :, None] + np.arange(segments.breadth)
    near = (grid.along < _deep(length + segments.margin[:, 1])) & (grid.along > _deep(-segments.margin[:, 0]))
    near &= (pixel >= 0) & (pixel < limit[major][:, None, None]) & (inside > -2)
    near &= ((line >= 0) & (line < limit[minor][:, None]))[:, :, None]
    stride = np.array([shape[1], 1])
    index = (line * stride[minor][:, None])[:, :, None] + pixel * stride[major][:, None, None]
    these = np.flatnonzero(near)
    index = index.ravel()[these]
    np.maximum.at(coverage, index, covered.ravel()[these])
    np.maximum.at(depth, index, inside.ravel()[these])


@dataclass(frozen=True)
class _Grid:
    """Positions of pixels along and across each segment, ``(n, l, p)`` float32, in pixels."""

    along: NDArray[np.float32]
    across: NDArray[np.float32]


def _deep(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return one value per segment as ``(n, 1, 1)`` float32."""
    return values.astype(np.float32)[:, None, None]


def _not_zero(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.abs(values) < 1e-6, 1e-6, values)


def _evaluate(
    grid: _Grid, segments: _Segments, length: NDArray[np.float32], unit: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return coverage and depth of the pixels of a grid.

    Args:
        grid: Positions of the pixels.
        segments: The segments.
        length: ``(n, 1, 1)`` float32 lengths of the segments, in pixels.
        unit: ``(n, 1, 1)`` float32 absolute direction along the minor and the major axis.

    Returns:
        ``(n, l, p)`` float32 coverage in [0, 1] and ``(n, l, p)`` float32 depth, in pixels.
    """
    clamped = np.minimum(np.maximum(grid.along, np.float32(0)), length)
    beyond = grid.along - clamped
    away = np.copysign(np.sqrt(grid.across * grid.across + beyond * beyond), grid.across)
    share = clamped / length
    left0, right0, left1, right1 = (_deep(side) for side in segments.sides.T)
    from_left = away + (left0 + share * (left1 - left0))
    to_right = (right0 + share * (right1 - right0)) - away
    covered = _beyond(from_left, unit) - _beyond(-to_right, unit)
    extra = np.maximum(np.float32(1.0) - from_left - to_right, 0) * np.float32(0.5)
    return covered, np.minimum(from_left, to_right) + extra


def _beyond(
    distance: NDArray[np.float32], unit: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the share of a square on one side of an edge.

    Args:
        distance: ``(n, l, p)`` float32 signed distance of the square's centre from the edge, in pixels; positive on the
            near side.
        unit: ``(n, 1, 1)`` float32 absolute direction of the edge along its minor and its major axis.

    Returns:
        ``(n, l, p)`` float32 share in [0, 1]; 1/2 at distance 0.
    """
    short, long = np.maximum(unit[0], np.float32(1e-2)), unit[1]
    reach, flat = (long + short) / 2, (long - short) / 2
    place = np.minimum(np.maximum(distance, -reach), reach)
    total = np.zeros_like(place)
    # The second derivative of the projected square consists of four steps.
    for step, sign in ((reach, 1), (flat, -1), (-flat, -1)):
        rise = np.maximum(place + step, np.float32(0))
        rise *= rise
        total += rise if sign > 0 else -rise
    return np.asarray(total / (2 * long * short))
