"""A stroke: one branch of a crack, as a line with a width at every point."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Stroke:
    """One unbranched line of a crack.

    Attributes:
        points: ``(n, 2)`` float64 (row, col) in pixels, pixel centres at whole numbers; n >= 2.
        left_px: ``(n,)`` float64, distance from the line to its left edge (seen along the line), >= 0.
        right_px: ``(n,)`` float64, distance to the right edge, >= 0.
    """

    points: Points
    left_px: Values
    right_px: Values

    @property
    def width_px(self) -> Values:
        """``(n,)`` float64, full width at every point, in pixels."""
        return np.asarray(self.left_px + self.right_px)

    @property
    def length_px(self) -> float:
        """Length along the line, in pixels."""
        return polyline_length(self.points)


@dataclass(frozen=True)
class Joined:
    """Strokes laid end to end in one set of arrays, so that a network costs little more than a line.

    Attributes:
        points: ``(n, 2)`` float64 (row, col), in pixels, of all strokes.
        left_px: ``(n,)`` float64, as in a stroke.
        right_px: ``(n,)`` float64, as in a stroke.
        first: ``(s + 1,)`` int64, where each stroke begins, and ``n``.
    """

    points: Points
    left_px: Values
    right_px: Values
    first: NDArray[np.int64]

    @property
    def inner(self) -> NDArray[np.bool_]:
        """``(n - 1,)`` bool, True where a point and the next belong to one stroke."""
        inner = np.ones(max(len(self.points) - 1, 0), np.bool_)
        inner[self.first[1:-1] - 1] = False
        return inner

    @property
    def tangents(self) -> Points:
        """``(n, 2)`` float64, unit direction of its stroke at every point."""
        here = np.arange(len(self.points))
        before, after = np.maximum(here - 1, 0), np.minimum(here + 1, len(here) - 1)
        before[self.first[:-1]] = self.first[:-1]
        after[self.first[1:] - 1] = self.first[1:] - 1
        slope = self.points[after] - self.points[before]
        return np.asarray(slope / np.maximum(np.hypot(slope[:, 0], slope[:, 1]), 1e-9)[:, None])

    def parted(self) -> tuple[Stroke, ...]:
        """Return the strokes one by one."""
        ends = self.first.tolist()
        return tuple(
            Stroke(self.points[low:high], self.left_px[low:high], self.right_px[low:high])
            for low, high in pairwise(ends)
        )


def join(strokes: Sequence[Stroke]) -> Joined:
    """Lay strokes end to end; at least one."""
    return Joined(
        np.concatenate([stroke.points for stroke in strokes]),
        np.concatenate([stroke.left_px for stroke in strokes]),
        np.concatenate([stroke.right_px for stroke in strokes]),
        starts([len(stroke.points) for stroke in strokes]),
    )


def starts(counts: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of several runs of the given lengths begins when they are laid end to end, and the total."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def polyline_length(points: Points) -> float:
    """Return the length of a polyline ``(n, 2)``, in the unit of its points."""
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def resample(points: Points, step_px: float) -> Points:
    """Place points at even distances along a polyline, keeping both ends.

    Args:
        points: ``(n, 2)`` float64, n >= 2.
        step_px: Wished distance between points, in pixels.

    Returns:
        ``(m, 2)`` float64, m >= 2.
    """
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    count = max(2, round(arc[-1] / step_px) + 1)
    where = np.linspace(0.0, arc[-1], count)
    return np.column_stack([np.interp(where, arc, points[:, 0]), np.interp(where, arc, points[:, 1])])


def bounds(strokes: Sequence[Stroke]) -> tuple[float, float, float, float]:
    """Return ``(row0, col0, row1, col1)`` that holds every stroke with its width, in pixels."""
    whole = join(strokes)
    reach = max(float(whole.left_px.max()), float(whole.right_px.max()))
    low, high = whole.points.min(axis=0) - reach, whole.points.max(axis=0) + reach
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
