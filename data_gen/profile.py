"""Draw the width along a crack and the darkness across it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_gen.centreline import STEP_PX
from data_gen.field import jagged_1d, octaves_1d
from data_gen.stroke import Joined, Points, Stroke, Values, starts

_TIP_PX = 0.3
_FINE_PX = 5.0
"""Width above which the fine roughness of the edges does not grow, in pixels."""


@dataclass(frozen=True)
class WidthStyle:
    """Width of a line along its length.

    Attributes:
        width_px: Typical full width, in pixels.
        variation: Standard deviation of the logarithm of the slow change of width.
        edge_roughness: Standard deviation of each edge at short distances, as a fraction of the half width.
        taper_start: True if the line tapers to a tip at its first point.
        taper_end: True if the line tapers to a tip at its last point.
    """

    width_px: float
    variation: float
    edge_roughness: float
    taper_start: bool = True
    taper_end: bool = True


def widen(rng: np.random.Generator, lines: Sequence[Points], styles: Sequence[WidthStyle]) -> tuple[Stroke, ...]:
    """Give centrelines their two edges.

    Args:
        rng: Source of randomness.
        lines: Centrelines, each ``(n, 2)`` float64 points (row, col), in pixels, about ``STEP_PX`` apart.
        styles: Width of each line.

    Returns:
        Strokes with independent left and right edges.
    """
    counts = np.array([len(line) for line in lines])
    total = int(counts.sum())
    basis, variation, roughness = (
        np.repeat([getattr(style, name) for style in styles], counts)
        for name in ("width_px", "variation", "edge_roughness")
    )
    slow = octaves_1d(rng, total, ((90 / STEP_PX, 0.6), (25 / STEP_PX, 0.55), (8 / STEP_PX, 0.55)))
    width = basis * np.exp(variation * np.clip(slow, -2.6, 1.8)) * _taper(rng, counts, styles)
    width = np.maximum(width, np.minimum(_TIP_PX, basis))
    sides, fine = [], np.minimum(1.0, _FINE_PX / basis)
    for _ in range(2):
        fast = fine * (octaves_1d(rng, total, ((3 / STEP_PX, 0.4),)) + 0.7 * jagged_1d(rng, total, 6 / STEP_PX))
        fast += 0.7 * jagged_1d(rng, total, (10 + 2 * float(basis.mean())) / STEP_PX)
        sides.append(np.maximum(width / 2 * (1 + roughness * np.clip(fast, -2.2, 2.6)), 0.05 * width))
    return Joined(np.concatenate(lines), sides[0], sides[1], starts(counts)).split()


def _taper(rng: np.random.Generator, counts: NDArray[np.int64], styles: Sequence[WidthStyle]) -> Values:
    """Return the ``(n,)`` width factor of all points, in [0, 1]."""
    first = starts(counts)
    share = (np.arange(first[-1]) - np.repeat(first[:-1], counts)) / np.repeat(np.maximum(counts - 1, 1), counts)
    widths = np.array([style.width_px for style in styles])
    shortest = np.minimum(0.45, 5 * widths / np.maximum(counts * STEP_PX, 1.0))
    factor = np.ones(len(share))
    for tapers, way in (
        ([style.taper_start for style in styles], share),
        ([style.taper_end for style in styles], 1 - share),
    ):
        over = shortest + (0.5 - shortest) * rng.random(len(styles)) ** 2
        power = rng.uniform(0.4, 1.1, len(styles))
        some = np.repeat(tapers, counts)
        factor[some] *= (np.clip(way / np.repeat(over, counts), 0, 1) ** np.repeat(power, counts))[some]
    return factor


def darkness(depth_px: NDArray[np.float32], softness_px: float) -> NDArray[np.float32]:
    """Return the darkness at a depth inside a crack.

    Args:
        depth_px: ``(h, w)`` float32 distance from the nearer edge, in pixels; negative outside.
        softness_px: Depth at which the darkness reaches about two thirds, in pixels.

    Returns:
        ``(h, w)`` float32 in [0, 1]; 1 everywhere if ``softness_px`` is 0.
    """
    if softness_px <= 0:
        return np.ones_like(depth_px)
    inside = np.maximum(depth_px + np.float32(0.5), 0)
    return np.asarray(1 - np.exp(-inside / np.float32(softness_px)), dtype=np.float32)
