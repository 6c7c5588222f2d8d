"""Strokes: branches of cracks as lines with a width at each point."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""``(n, 2)`` float64 points (row, col), in pixels."""

Values = NDArray[np.float64]
"""``(n,)`` float64, one value per point."""


@dataclass(frozen=True)
class Stroke:
    """One unbranched line of a crack.

    Attributes:
        points: ``(n, 2)`` float64 points (row, col), in pixels, pixel centres at whole numbers; n >= 2.
        left_px: ``(n,)`` float64 distance from the line to its left edge, seen along the line, in pixels, >= 0.
        right_px: ``(n,)`` float64 distance to the right edge, in pixels, >= 0.

    Example:
        >>> stroke = Stroke(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([1.0, 1.0]), np.array([0.5, 1.0]))
        >>> stroke.length_px, stroke.width_px.tolist()
        (5.0, [1.5, 2.0])
    """

    points: Points
    left_px: Values
    right_px: Values

    @property
    def width_px(self) -> Values:
        """Full width at each point, ``(n,)`` float64, in pixels."""
        return np.asarray(self.left_px + self.right_px)

    @property
    def length_px(self) -> float:
        """Length along the line, in pixels."""
        return polyline_length(self.points)


@dataclass(frozen=True)
class Joined:
    """Strokes concatenated in one set of arrays, so that a network costs little more than a line.

    Attributes:
        points: ``(n, 2)`` float64 points (row, col) of all strokes, in pixels.
        left_px: ``(n,)`` float64 distances to the left edge, in pixels.
        right_px: ``(n,)`` float64 distances to the right edge, in pixels.
        first: ``(s + 1,)`` int64 index of the first point of each stroke, and ``n``.
    """

    points: Points
    left_px: Values
    right_px: Values
    first: NDArray[np.int64]

    @property
    def inner(self) -> NDArray[np.bool_]:
        """Flag of points followed by another of the same stroke, ``(n - 1,)`` bool."""
        inner = np.ones(max(len(self.points) - 1, 0), np.bool_)
        inner[self.first[1:-1] - 1] = False
        return inner

    @property
    def tangents(self) -> Points:
        """Unit direction of the stroke at each point, ``(n, 2)`` float64 (row, col)."""
        here = np.arange(len(self.points))
        before, after = np.maximum(here - 1, 0), np.minimum(here + 1, len(here) - 1)
        before[self.first[:-1]] = self.first[:-1]
        after[self.first[1:] - 1] = self.first[1:] - 1
        slope = self.points[after] - self.points[before]
        return np.asarray(slope / np.maximum(np.hypot(slope[:, 0], slope[:, 1]), 1e-9)[:, None])

    def split(self) -> tuple[Stroke, ...]:
        """Return the separate strokes."""
        ends = self.first.tolist()
        return tuple(
            Stroke(self.points[low:high], self.left_px[low:high], self.right_px[low:high])
            for low, high in pairwise(ends)
        )


def join(strokes: Sequence[Stroke]) -> Joined:
    """Concatenate one or more strokes."""
    return Joined(
        np.concatenate([stroke.points for stroke in strokes]),
        np.concatenate([stroke.left_px for stroke in strokes]),
        np.concatenate([stroke.right_px for stroke in strokes]),
        starts([len(stroke.points) for stroke in strokes]),
    )


def starts(counts: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the start index of each concatenated run, and the total.

    Args:
        counts: ``(s,)`` lengths of the runs.

    Returns:
        ``(s + 1,)`` int64.

    Example:
        >>> starts([2, 3]).tolist()
        [0, 2, 5]
    """
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def polyline_length(points: Points) -> float:
    """Return the length of a polyline.

    Args:
        points: ``(n, 2)`` float64 points (row, col), in pixels.

    Returns:
        Length, in pixels.

    Example:
        >>> polyline_length(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 6.0]]))
        7.0
    """
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def resample(points: Points, step_px: float) -> Points:
    """Place points at even distances along a polyline, keeping both ends.

    Args:
        points: ``(n, 2)`` float64 points (row, col), in pixels, n >= 2.
        step_px: Approximate distance between points, in pixels.

    Returns:
        ``(m, 2)`` float64 points (row, col), in pixels, m >= 2.

    Example:
        >>> resample(np.array([[0.0, 0.0], [0.0, 4.0]]), 2.0).tolist()
        [[0.0, 0.0], [0.0, 2.0], [0.0, 4.0]]
    """
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    count = max(2, round(arc[-1] / step_px) + 1)
    where = np.linspace(0.0, arc[-1], count)
    return np.column_stack([np.interp(where, arc, points[:, 0]), np.interp(where, arc, points[:, 1])])


def bounds(strokes: Sequence[Stroke]) -> tuple[float, float, float, float]:
    """Return the box ``(row0, col0, row1, col1)`` around strokes, in pixels."""
    whole = join(strokes)
    reach = max(float(whole.left_px.max()), float(whole.right_px.max()))
    low, high = whole.points.min(axis=0) - reach, whole.points.max(axis=0) + reach
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
