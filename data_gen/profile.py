"""Width along a crack, and darkness across it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_gen.centreline import STEP_PX
from data_gen.field import jagged_1d, noise_1d
from data_gen.stroke import Points, Stroke, Values

_TIP_PX = 0.3
_FINE_PX = 5.0
"""Cracks wider than this have edges no rougher at short distances, in pixels, than one of this width."""


@dataclass(frozen=True)
class WidthStyle:
    """How the width of a line behaves.

    Attributes:
        width_px: Typical full width, in pixels.
        variation: Standard deviation of the logarithm of the slow change of width.
        edge_roughness: Standard deviation of each edge, as a share of the half width, at short distances.
        taper_start: True if the line thins out to a tip at its first point.
        taper_end: True if it does so at its last point.
    """

    width_px: float
    variation: float
    edge_roughness: float
    taper_start: bool = True
    taper_end: bool = True


def widened(rng: np.random.Generator, points: Points, style: WidthStyle) -> Stroke:
    """Give a centreline its two edges.

    Args:
        rng: Source of randomness.
        points: ``(n, 2)`` float64 (row, col), about ``STEP_PX`` apart.
        style: Behaviour of the width.

    Returns:
        A stroke with independent left and right edges.
    """
    count = len(points)
    slow = 0.6 * noise_1d(rng, count, 90 / STEP_PX) + 0.55 * noise_1d(rng, count, 25 / STEP_PX)
    slow += 0.55 * noise_1d(rng, count, 8 / STEP_PX)
    width = style.width_px * np.exp(style.variation * np.clip(slow, -2.6, 1.8))
    width *= _taper(rng, count, style)
    width = np.maximum(width, min(_TIP_PX, style.width_px))
    sides, fine = [], min(1.0, _FINE_PX / style.width_px)
    for _ in range(2):
        fast = fine * (0.4 * noise_1d(rng, count, 3 / STEP_PX) + 0.7 * jagged_1d(rng, count, 6 / STEP_PX))
        fast += 0.7 * jagged_1d(rng, count, (10 + 2 * style.width_px) / STEP_PX)
        sides.append(np.maximum(width / 2 * (1 + style.edge_roughness * np.clip(fast, -2.2, 2.6)), 0.05 * width))
    return Stroke(points, sides[0], sides[1])


def _taper(rng: np.random.Generator, count: int, style: WidthStyle) -> Values:
    """Factor in [0, 1] that falls to 0 at the tapered ends, over at least some widths."""
    share = np.linspace(0.0, 1.0, count)
    shortest = min(0.45, 5 * style.width_px / max(count * STEP_PX, 1.0))
    factor = np.ones(count)
    for tapers, way in ((style.taper_start, share), (style.taper_end, 1 - share)):
        if tapers:
            over = shortest + (0.5 - shortest) * rng.random() ** 2
            factor *= np.clip(way / over, 0, 1) ** rng.uniform(0.4, 1.1)
    return factor


def darkness(depth_px: NDArray[np.float32], softness_px: float) -> NDArray[np.float32]:
    """Turn depth inside a crack into darkness: walls are lit near the edge, the middle is dark.

    Args:
        depth_px: ``(h, w)`` float32, distance from the nearer edge, in pixels, negative outside.
        softness_px: Depth over which the darkness grows to two thirds, in pixels.

    Returns:
        ``(h, w)`` float32 in [0, 1]; 1 everywhere inside if ``softness_px`` is 0.
    """
    if softness_px <= 0:
        return np.ones_like(depth_px)
    inside = np.maximum(depth_px + np.float32(0.5), 0)
    return np.asarray(1 - np.exp(-inside / np.float32(softness_px)), dtype=np.float32)
