"""Bridge small gaps between crack ends that point at each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.skeleton import skeletonise

_REACHES_PX = (12, 24, 48)
"""Radii around an end within which its direction is measured, in pixels; the first twice the width is used."""
_LEAST_PX = 4
"""Least extent of a crack behind its end for a direction, in pixels."""
_AT_ONCE = 512
"""Number of ends compared with all others at once."""


@dataclass(frozen=True, slots=True, eq=False)
class CrackEnds:
    """``N`` ends of the cracks of a mask that have a direction.

    Attributes:
        tips: ``(N, 2)`` float64 outermost points (row, col), in pixels.
        directions: ``(N, 2)`` float64 unit vectors (row, col) that point out of the crack.
        widths_px: ``(N,)`` float64 widths of the crack near its end, in pixels.
        labels: ``(N,)`` int32 component of each end, from 1.
    """

    tips: NDArray[np.float64]
    directions: NDArray[np.float64]
    widths_px: NDArray[np.float64]
    labels: NDArray[np.int32]


def bridge_gaps(mask: NDArray[np.bool_], *, max_gap_px: float, max_turn_deg: float = 30.0) -> NDArray[np.bool_]:
    """Join close ends of different components that point at each other.

    The nearest ends are joined first, and each end once.

    Args:
        mask: ``(H, W)`` bool crack mask.
        max_gap_px: Widest gap to bridge, in pixels.
        max_turn_deg: Largest angle between the line across the gap and the direction of either end, in degrees.

    Returns:
        ``(H, W)`` bool mask; each bridge is as wide as the thinner of the two ends.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((20, 60), dtype=bool)
        >>> mask[9:12, 2:25] = mask[9:12, 30:58] = True
        >>> bool(bridge_gaps(mask, max_gap_px=8)[9:12, 2:58].all())
        True
    """
    ends = find_ends(mask)
    bridged = mask.copy()
    taken: set[int] = set()
    pairs = sorted(_pairs(ends, max_gap_px, float(np.cos(np.radians(max_turn_deg)))))
    for _, one, other in pairs:
        if one in taken or other in taken:
            continue
        taken.update((one, other))
        width_px = float(min(ends.widths_px[one], ends.widths_px[other]))
        _draw_band(bridged, ends.tips[one], ends.tips[other], width_px)
    return bridged


def _draw_band(mask: NDArray[np.bool_], start: NDArray[np.float64], stop: NDArray[np.float64], width_px: float) -> None:
    """Set the pixels in a band; OpenCV draws lines too wide."""
    low = np.maximum(np.floor(np.minimum(start, stop) - width_px - 1).astype(int), 0)
    high = np.ceil(np.maximum(start, stop) + width_px + 2).astype(int)
    part = mask[low[0] : high[0], low[1] : high[1]]
    rows, cols = np.ogrid[: part.shape[0], : part.shape[1]]
    rows, cols = rows + (low[0] - start[0]), cols + (low[1] - start[1])
    length = float(np.hypot(*(stop - start)))
    down, right = (stop - start) / length
    along, across = rows * down + cols * right, rows * right - cols * down
    # One more pixel at both ends makes sure that the band meets the cracks.
    part |= (np.abs(across) <= width_px / 2) & (along >= -1) & (along <= length + 1)


def find_ends(mask: NDArray[np.bool_]) -> CrackEnds:
    """Find the ends of the cracks of a mask, with their directions.

    Candidates are the ends of the skeleton. The direction is the main axis of the crack pixels around a candidate. It
    is not an end if these pixels are as wide as long, or continue on both sides, as at a spur of the skeleton.

    Args:
        mask: ``(H, W)`` bool crack mask.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((20, 60), dtype=bool)
        >>> mask[9:12, 10:50] = True
        >>> sorted(find_ends(mask).tips[:, 1].round().tolist())
        [10.0, 49.0]
    """
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    plane = np.asarray(labels, dtype=np.int32)
    bands_by_label: dict[int, list[_Band]] = {}
    for row, col in np.argwhere(_line_ends(skeletonise(mask))).tolist():
        bands = ((reach_px, _band(plane, row, col, reach_px)) for reach_px in _REACHES_PX)
        band = next((band for reach_px, band in bands if band is not None and 2 * band.width_px <= reach_px), None)
        if band is not None and not any(band.is_close_to(other) for other in bands_by_label.get(band.label, ())):
            bands_by_label.setdefault(band.label, []).append(band)
    kept = [band for ends in bands_by_label.values() for band in ends]
    return CrackEnds(
        np.array([band.tip for band in kept]).reshape(-1, 2),
        np.array([band.direction for band in kept]).reshape(-1, 2),
        np.array([band.width_px for band in kept], dtype=np.float64),
        np.array([band.label for band in kept], dtype=np.int32),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Band:
    """Last stretch of a crack.

    Attributes:
        tip: ``(2,)`` float64 outermost point (row, col), in pixels.
        direction: ``(2,)`` float64 unit vector (row, col) out of the crack.
        width_px: Width, in pixels.
        label: Component.
    """

    tip: NDArray[np.float64]
    direction: NDArray[np.float64]
    width_px: float
    label: int

    def is_close_to(self, other: _Band) -> bool:
        """Return True for two candidates at one end, such as its corners."""
        near_px = max(self.width_px, other.width_px)
        return float(np.hypot(*(self.tip - other.tip))) <= near_px


def _band(plane: NDArray[np.int32], row: int, col: int, reach_px: int) -> _Band | None:
    """Return the last stretch of a crack; None without an end."""
    row0, col0 = max(row - reach_px, 0), max(col - reach_px, 0)
    label = int(plane[row, col])
    part = plane[row0 : row + reach_px + 1, col0 : col + reach_px + 1] == label
    points = np.argwhere(part) + np.array([row0 - row, col0 - col])
    points = points[(points**2).sum(axis=1) <= reach_px**2].astype(np.float64)
    middle = points.mean(axis=0)
    offsets = points - middle
    spread, axes = np.linalg.eigh(offsets.T @ offsets / len(points))
    direction = axes[:, 1] if axes[:, 1] @ -middle >= 0 else -axes[:, 1]
    along = offsets @ direction
    extent_px = float(np.ptp(along))
    is_end = float(-middle @ direction) >= extent_px / 4 and spread[1] >= 2 * spread[0]
    if not is_end or extent_px < _LEAST_PX:
        return None
    # The variance of w adjacent pixels is (w^2 - 1) / 12.
    width_px = float(np.sqrt(12 * max(spread[0], 0) + 1))
    return _Band(middle + direction * along.max() + np.array([row, col]), direction, width_px, label)


def _line_ends(skeleton: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return skeleton pixels with one neighbour, or two that touch."""
    bits = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(np.int64)
    runs = ((bits == 1) & (np.roll(bits, 1, axis=1) == 0)).sum(axis=1)
    is_end = ((runs == 1) & (bits.sum(axis=1) <= 2)).astype(np.uint8)
    weights = np.array([[1, 2, 4], [128, 0, 8], [64, 32, 16]], dtype=np.float32)
    codes = cv2.filter2D(skeleton.astype(np.uint8), cv2.CV_8U, weights, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(skeleton & (is_end[codes] > 0))


def _pairs(ends: CrackEnds, max_gap_px: float, least_cosine: float) -> Iterator[tuple[float, int, int]]:
    """Yield the gap and both ends of every pair that fits."""
    order = np.argsort(ends.tips[:, 0], kind="stable")
    rows = ends.tips[order, 0]
    for begin in range(0, order.size, _AT_ONCE):
        one = order[begin : begin + _AT_ONCE]
        # A gap of g pixels separates outermost pixels that are g + 1 apart.
        last = np.searchsorted(rows, rows[min(begin + _AT_ONCE, order.size) - 1] + max_gap_px + 1, side="right")
        other = order[begin : int(last)]
        across = ends.tips[other][None] - ends.tips[one][:, None]
        distance = np.hypot(across[..., 0], across[..., 1])
        with np.errstate(invalid="ignore", divide="ignore"):
            out = (across * ends.directions[one][:, None]).sum(axis=2) / distance
            back = -(across * ends.directions[other][None]).sum(axis=2) / distance
        fits = (distance > 0) & (distance <= max_gap_px + 1) & (out >= least_cosine) & (back >= least_cosine)
        fits &= ends.labels[one][:, None] != ends.labels[other][None]
        for row, col in np.argwhere(fits):
            if one[row] != other[col]:
                yield float(distance[row, col]), int(one[row]), int(other[col])
