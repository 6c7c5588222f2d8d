"""A stroke: one branch of a crack, as a line with a width at every point."""

from dataclasses import dataclass

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


def bounds(strokes: tuple[Stroke, ...]) -> tuple[float, float, float, float]:
    """Return ``(row0, col0, row1, col1)`` that holds every stroke with its width, in pixels."""
    reach = max(float(max(s.left_px.max(), s.right_px.max())) for s in strokes)
    low = np.min([s.points.min(axis=0) for s in strokes], axis=0) - reach
    high = np.max([s.points.max(axis=0) for s in strokes], axis=0) + reach
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
