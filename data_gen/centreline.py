"""Centrelines of cracks: correlated random walks and rough bridges between fixed points."""

from dataclasses import dataclass

import numpy as np

from data_gen.field import noise_1d
from data_gen.stroke import Points, Values

STEP_PX = 1.5
"""Distance between the points of a drawn centreline, in pixels."""


@dataclass(frozen=True)
class Wander:
    """How much a line strays.

    Attributes:
        roughness: 0 is straight, 1 is a usual crack.
        angularity: 0 bends smoothly, 1 turns in kinks.
        finest_px: Bends shorter than this are damped, as in wide cracks; in pixels.
    """

    roughness: float
    angularity: float
    finest_px: float = 0.0

    def share(self, period_px: float) -> float:
        """Return how much of a bend of the given length is left, in [0, 1]."""
        return 1 / (1 + (self.finest_px / period_px) ** 2)


def walk(
    rng: np.random.Generator, start: tuple[float, float], heading_rad: float, length_px: float, wander: Wander
) -> Points:
    """Walk with a correlated random heading that keeps returning to its main direction.

    Args:
        rng: Source of randomness.
        start: First point (row, col), in pixels.
        heading_rad: Main direction; 0 points along columns, pi/2 down the rows.
        length_px: Length of the walk, in pixels.
        wander: How it strays.

    Returns:
        ``(n, 2)`` float64 (row, col), about ``STEP_PX`` apart, n >= 3; the first point is ``start``.
    """
    count = max(3, round(length_px / STEP_PX) + 1)
    heading = heading_rad + _heading_noise(rng, count - 1, wander)
    steps = STEP_PX * np.column_stack([np.sin(heading), np.cos(heading)])
    return np.concatenate([[start], np.asarray(start) + np.cumsum(steps, axis=0)])


def _heading_noise(rng: np.random.Generator, count: int, wander: Wander) -> Values:
    """Turn angle at every step: slow bends, kinks and jitter, about equally strong at every scale."""
    total = np.zeros(count)
    for period_px, share in ((220.0, 0.16), (80.0, 0.22), (28.0, 0.28), (9.0, 0.34), (4.0, 0.30)):
        total += wander.share(period_px) * share * noise_1d(rng, count, period_px / STEP_PX)
    kinks = np.zeros(count)
    for period_px, share in ((60.0, 0.40), (18.0, 0.40), (6.0, 0.36)):
        kinks += wander.share(period_px) * share * _steps(rng, count, period_px / STEP_PX)
    mixed = (1 - wander.angularity) * total + wander.angularity * kinks
    return np.asarray(wander.roughness * mixed)


def _steps(rng: np.random.Generator, count: int, period: float) -> Values:
    """Piecewise constant noise with random lengths of pieces."""
    changes = rng.random(count) < 1 / max(period, 1.0)
    values = rng.standard_normal(int(changes.sum()) + 1)
    return np.asarray(values[np.cumsum(changes)])


def both_ways(first: Points, second: Points) -> Points:
    """Join two walks that leave the same point into one line through it."""
    return np.concatenate([first[:0:-1], second])


def bridge(rng: np.random.Generator, start: Points, end: Points, wander: Wander) -> Points:
    """Draw a rough line between two fixed points.

    Args:
        rng: Source of randomness.
        start: ``(2,)`` float64 first point.
        end: ``(2,)`` float64 last point.
        wander: How it strays in between.

    Returns:
        ``(n, 2)`` float64 (row, col), about ``STEP_PX`` apart, n >= 3.
    """
    span = end - start
    length = float(np.hypot(*span))
    path = walk(rng, (0.0, 0.0), float(np.arctan2(span[0], span[1])), max(length, 2 * STEP_PX), wander)
    share = np.linspace(0.0, 1.0, len(path))[:, None]
    return np.asarray(start + path - share * (path[-1] - span))


def tangents(points: Points) -> Points:
    """Return the unit direction ``(n, 2)`` at every point of a polyline."""
    slope = np.gradient(points, axis=0)
    return np.asarray(slope / np.maximum(np.hypot(slope[:, 0], slope[:, 1]), 1e-9)[:, None])
