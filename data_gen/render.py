"""Strokes to pixels: anti-aliased coverage, exact mask and depth.

A pixel's coverage is the share of its square inside the crack, exact where the edges are straight. Summed over
the pixels it gives width times length at any angle, for hairlines below one pixel too.

The mask holds the pixels whose centre lies inside the crack, after widening places narrower than 1 px to 1 px. For
widths of 1 px and more that is coverage >= 0.5; a hairline gets a connected line about one pixel wide.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_gen.stroke import Stroke

_CHUNK = 400_000
_NEVER = np.float32(-1e3)


@dataclass(frozen=True)
class Raster:
    """Strokes drawn on a pixel grid.

    Attributes:
        coverage: ``(h, w)`` float32, share of each pixel inside the crack, in [0, 1].
        depth_px: ``(h, w)`` float32, distance of the pixel centre from the nearer edge of the crack widened to 1 px, in
            pixels; negative outside, at least -1000.
    """

    coverage: NDArray[np.float32]
    depth_px: NDArray[np.float32]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """``(h, w)`` bool, the exact mask."""
        return np.asarray(self.depth_px >= -1e-3)


def render(strokes: tuple[Stroke, ...], shape: tuple[int, int], origin: tuple[int, int] = (0, 0)) -> Raster:
    """Draw strokes with sub-pixel accuracy.

    Args:
        strokes: What to draw. Parts outside the grid are cut off.
        shape: ``(h, w)`` of the grid, in pixels.
        origin: (row, col) of the grid's first pixel.

    Returns:
        Coverage and depth of the union of the strokes.
    """
    coverage = np.zeros(shape[0] * shape[1], np.float32)
    depth = np.full(shape[0] * shape[1], _NEVER, np.float32)
    for segments in _grouped(strokes, shape, origin):
        size = 2 * segments.radius + 1
        per_chunk = max(1, _CHUNK // (size * size))
        for start in range(0, len(segments.start), per_chunk):
            _stamp(segments.part(slice(start, start + per_chunk)), shape, coverage, depth)
    return Raster(coverage.reshape(shape), depth.reshape(shape))


@dataclass(frozen=True)
class _Segments:
    """Straight pieces that fit into stamps of one size.

    ``sides`` ``(n, 4)`` holds left and right at the start, then at the end; ``margin`` ``(n, 2)`` how far a piece looks
    beyond its start and its end, to fill the outer side of a bend and to round off the ends of a stroke.
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    sides: NDArray[np.float64]
    margin: NDArray[np.float64]
    radius: int

    def part(self, which: slice | NDArray[np.bool_], radius: int | None = None) -> "_Segments":
        size = self.radius if radius is None else radius
        return _Segments(self.start[which], self.end[which], self.sides[which], self.margin[which], size)


def _margins(stroke: Stroke) -> NDArray[np.float64]:
    """Return how far each piece of a stroke looks beyond its ends, ``(n - 1, 2)``, in pixels."""
    reach = np.maximum(np.maximum(stroke.left_px, stroke.right_px), 0.5) + 1.0
    way = np.diff(stroke.points, axis=0)
    turn = np.diff(np.unwrap(np.arctan2(way[:, 0], way[:, 1])))
    bend = np.concatenate([[np.pi], np.abs(turn), [np.pi]])
    each = np.minimum(reach * np.sin(np.minimum(bend, np.pi) / 2) + 1.0, reach)
    return np.column_stack([each[:-1], each[1:]])


def _grouped(strokes: tuple[Stroke, ...], shape: tuple[int, int], origin: tuple[int, int]) -> list[_Segments]:
    if not strokes:
        return []
    start = np.concatenate([s.points[:-1] for s in strokes]) - origin
    end = np.concatenate([s.points[1:] for s in strokes]) - origin
    sides = np.concatenate(
        [np.column_stack([s.left_px[:-1], s.right_px[:-1], s.left_px[1:], s.right_px[1:]]) for s in strokes]
    )
    half = np.abs(end - start).max(axis=1) / 2
    radius = np.ceil(np.maximum(sides.max(axis=1), 0.5) + half + 1.0).astype(np.int64)
    middle = (start + end) / 2
    near = np.all((middle > -radius[:, None] - 1) & (middle < np.array(shape) + radius[:, None]), axis=1)
    classes = np.where(radius <= 4, radius, np.ceil(radius / 3) * 3).astype(np.int64)
    everything = _Segments(start, end, sides, np.concatenate([_margins(stroke) for stroke in strokes]), 0)
    return [everything.part(near & (classes == value), int(value)) for value in np.unique(classes[near])]


def _stamp(
    segments: _Segments, shape: tuple[int, int], coverage: NDArray[np.float32], depth: NDArray[np.float32]
) -> None:
    """Evaluate a square of pixels round every segment and keep the maximum at each pixel."""
    reach = np.arange(-segments.radius, segments.radius + 1, dtype=np.int32)
    middle = np.rint((segments.start + segments.end) / 2).astype(np.int32)
    along = (segments.end - segments.start).astype(np.float32)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), np.float32(1e-6))
    unit_row, unit_col = along.T / length
    sides = segments.sides.astype(np.float32).T
    row_off = reach.astype(np.float32) + (middle[:, 0] - segments.start[:, 0]).astype(np.float32)[:, None]
    col_off = reach.astype(np.float32) + (middle[:, 1] - segments.start[:, 1]).astype(np.float32)[:, None]
    across = (row_off * unit_col[:, None])[:, :, None] - (col_off * unit_row[:, None])[:, None, :]
    row, col = middle[:, :1] + reach, middle[:, 1:] + reach
    forward = (row_off * unit_row[:, None])[:, :, None] + (col_off * unit_col[:, None])[:, None, :]
    margin = segments.margin.astype(np.float32)
    near = np.abs(across) < (np.maximum(sides.max(axis=0), np.float32(0.5)) + 2)[:, None, None]
    near &= (forward > -margin[:, :1, None]) & (forward < (length + margin[:, 1])[:, None, None])
    near &= ((row >= 0) & (row < shape[0]))[:, :, None] & ((col >= 0) & (col < shape[1]))[:, None, :]
    which, row_at, col_at = np.nonzero(near)
    across, forward, length = across[near], forward[near], length[which]
    unit_row, unit_col = unit_row[which], unit_col[which]
    clamped = np.clip(forward, 0, length)
    away = np.copysign(np.hypot(across, forward - clamped), across)
    left0, right0, left1, right1 = sides[:, which]
    share = clamped / length
    left = left0 + share * (left1 - left0)
    right = right0 + share * (right1 - right0)
    covered = _beyond(away + left, unit_row, unit_col) - _beyond(away - right, unit_row, unit_col)
    extra = np.maximum(np.float32(1.0) - left - right, 0) * np.float32(0.5)
    inside = np.minimum(away + left, right - away) + extra
    index = row[which, row_at] * shape[1] + col[which, col_at]
    np.maximum.at(coverage, index, covered)
    np.maximum.at(depth, index, inside)


def _beyond(
    distance: NDArray[np.float32], unit_row: NDArray[np.float32], unit_col: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the share of a unit square on the near side of a straight edge.

    Args:
        distance: Signed distance of the square's centre from the edge, in pixels; positive on the near side.
        unit_row: Direction of the edge along rows.
        unit_col: Direction of the edge along columns.

    Returns:
        Share in [0, 1]: 1/2 at distance 0.
    """
    long = np.maximum(np.abs(unit_row), np.abs(unit_col))
    short = np.maximum(np.minimum(np.abs(unit_row), np.abs(unit_col)), np.float32(1e-3))
    reach, flat = (long + short) / 2, (long - short) / 2
    size = np.minimum(np.abs(distance), reach)
    ramp = np.float32(0.5) - (reach - size) ** 2 / (2 * long * short)
    return np.float32(0.5) + np.copysign(np.where(size > flat, ramp, size / long), distance)
