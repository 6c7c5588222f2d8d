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
    """Straight pieces that fit into stamps of one size; ``sides`` holds left and right at start and end: ``(n, 4)``."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    sides: NDArray[np.float64]
    radius: int

    def part(self, which: slice | NDArray[np.bool_]) -> "_Segments":
        return _Segments(self.start[which], self.end[which], self.sides[which], self.radius)


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
    everything = _Segments(start, end, sides, 0)
    groups = []
    for value in np.unique(classes[near]):
        part = everything.part(near & (classes == value))
        groups.append(_Segments(part.start, part.end, part.sides, int(value)))
    return groups


def _stamp(
    segments: _Segments, shape: tuple[int, int], coverage: NDArray[np.float32], depth: NDArray[np.float32]
) -> None:
    """Evaluate a square of pixels round every segment and keep the maximum at each pixel."""
    reach = np.arange(-segments.radius, segments.radius + 1, dtype=np.int32)
    middle = np.rint((segments.start + segments.end) / 2).astype(np.int32)
    row = (middle[:, :1] + reach)[:, :, None]
    col = (middle[:, 1:] + reach)[:, None, :]
    along = (segments.end - segments.start).astype(np.float32)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), np.float32(1e-6))
    unit_row, unit_col = (along.T / length)[:, :, None, None]
    row_off = (row - segments.start[:, 0, None, None]).astype(np.float32)
    col_off = (col - segments.start[:, 1, None, None]).astype(np.float32)
    forward = row_off * unit_row + col_off * unit_col
    across = row_off * unit_col - col_off * unit_row
    clamped = np.clip(forward, 0, length[:, None, None])
    beyond = forward - clamped
    away = np.copysign(np.sqrt(across * across + beyond * beyond), across)
    share = clamped / length[:, None, None]
    left0, right0, left1, right1 = segments.sides.astype(np.float32).T[:, :, None, None]
    left = left0 + share * (left1 - left0)
    right = right0 + share * (right1 - right0)
    covered = _beyond(away + left, unit_row, unit_col) - _beyond(away - right, unit_row, unit_col)
    extra = np.maximum(np.float32(1.0) - left - right, 0) * np.float32(0.5)
    inside = np.minimum(away + left, right - away) + extra
    keep = (inside > -2) & (row >= 0) & (row < shape[0]) & (col >= 0) & (col < shape[1])
    index = (row * shape[1] + col)[keep]
    np.maximum.at(coverage, index, np.maximum(covered[keep], 0))
    np.maximum.at(depth, index, inside[keep])


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
