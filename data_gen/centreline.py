"""Draw centrelines of cracks: random walks and rough lines between fixed points."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_gen.field import octaves_1d
from data_gen.stroke import Points, Values, starts

STEP_PX = 1.5
"""Distance between the points of a drawn centreline, in pixels."""


@dataclass(frozen=True)
class Wander:
    """Shape of a random line.

    Attributes:
        roughness: Strength of the bends; 0 is straight, 1 is a usual crack.
        angularity: Share of kinks; 0 bends smoothly, 1 turns in kinks.
        finest_px: Length below which bends are damped, as in wide cracks, in pixels.
    """

    roughness: float
    angularity: float
    finest_px: float = 0.0

    def share(self, period_px: float) -> float:
        """Return the remaining strength of bends of a length, in [0, 1]."""
        return 1 / (1 + (self.finest_px / period_px) ** 2)


def walk(
    rng: np.random.Generator, start: tuple[float, float], heading_rad: float, length_px: float, wander: Wander
) -> Points:
    """Draw a random walk that keeps returning to its main direction.

    Args:
        rng: Source of randomness.
        start: First point (row, col), in pixels.
        heading_rad: Main direction, in radians; 0 points along a row, pi/2 down the columns.
        length_px: Length of the walk, in pixels.
        wander: Shape of the line.

    Returns:
        ``(n, 2)`` float64 points (row, col), in pixels, about ``STEP_PX`` apart, n >= 3; the first is ``start``.

    Example:
        >>> line = walk(np.random.default_rng(0), (5.0, 2.0), 0.0, 30.0, Wander(0.0, 0.0))
        >>> line.shape, line[-1].tolist()
        ((21, 2), [5.0, 32.0])
    """
    count = max(3, round(length_px / STEP_PX) + 1)
    heading = heading_rad + _heading_noise(rng, count - 1, wander)
    steps = STEP_PX * np.column_stack([np.sin(heading), np.cos(heading)])
    return np.concatenate([[start], np.asarray(start) + np.cumsum(steps, axis=0)])


def _heading_noise(rng: np.random.Generator, count: int, wander: Wander) -> Values:
    """Return the ``(count,)`` deviation of the heading at each step, in radians."""
    bends = ((220.0, 0.16), (80.0, 0.22), (28.0, 0.28), (9.0, 0.34), (4.0, 0.30))
    total = octaves_1d(rng, count, [(period / STEP_PX, wander.share(period) * share) for period, share in bends])
    kinks = np.zeros(count)
    for period_px, share in ((60.0, 0.40), (18.0, 0.40), (6.0, 0.36)):
        kinks += wander.share(period_px) * share * _steps(rng, count, period_px / STEP_PX)
    mixed = (1 - wander.angularity) * total + wander.angularity * kinks
    return np.asarray(wander.roughness * mixed)


def _steps(rng: np.random.Generator, count: int, period: float) -> Values:
    """Return ``(count,)`` piecewise constant noise with random piece lengths."""
    changes = rng.random(count) < 1 / max(period, 1.0)
    values = rng.standard_normal(int(changes.sum()) + 1)
    return np.asarray(values[np.cumsum(changes)])


def join_walks(first: Points, second: Points) -> Points:
    """Join two ``(n, 2)`` walks from the same point into one line."""
    return np.concatenate([first[:0:-1], second])


def draw_bridges(rng: np.random.Generator, ends: NDArray[np.float64], wander: Wander) -> tuple[Points, ...]:
    """Draw rough lines, each between two fixed points.

    Args:
        rng: Source of randomness.
        ends: ``(m, 2, 2)`` float64, first and last point (row, col) of each line, in pixels.
        wander: Shape of the lines.

    Returns:
        ``m`` lines, each ``(n, 2)`` float64 points (row, col), in pixels, about ``STEP_PX`` apart, n >= 3.
    """
    span = ends[:, 1] - ends[:, 0]
    steps = np.maximum(np.rint(np.hypot(span[:, 0], span[:, 1]) / STEP_PX).astype(np.int64), 2)
    heading = np.repeat(np.arctan2(span[:, 0], span[:, 1]), steps) + _heading_noise(rng, int(steps.sum()), wander)
    path = np.concatenate(
        [[[0.0, 0.0]], np.cumsum(STEP_PX * np.column_stack([np.sin(heading), np.cos(heading)]), axis=0)]
    )
    first = starts(steps)
    lines = []
    for begin, count, start, way in zip(first.tolist(), steps.tolist(), ends[:, 0], span, strict=False):
        line = path[begin : begin + count + 1] - path[begin]
        lines.append(start + line - np.linspace(0.0, 1.0, count + 1)[:, None] * (line[-1] - way))
    return tuple(lines)
