"""Joining cracks that a mask has cut: ends that point at each other across a small gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.skeleton import skeletonise

_REACHES_PX = (12, 24, 48)
"""How far around an end its crack is looked at, in pixels: the first that is at least twice the width."""
_LEAST_PX = 4
"""A crack that reaches less far behind its end has no direction there."""
_AT_ONCE = 512
"""Ends compared with all others in one go."""


@dataclass(frozen=True, slots=True, eq=False)
class CrackEnds:
    """The ends of the cracks of a mask that have a direction.

    Attributes:
        tips: ``(n, 2)`` outermost points ``(row, col)``, in pixels.
        directions: ``(n, 2)`` unit vectors ``(row, col)`` that point out of the crack.
        widths_px: ``(n,)`` widths of the crack near its end, in pixels.
        labels: ``(n,)`` component of each.
    """

    tips: NDArray[np.float64]
    directions: NDArray[np.float64]
    widths_px: NDArray[np.float64]
    labels: NDArray[np.int32]


def bridge_gaps(mask: NDArray[np.bool_], *, max_gap_px: float, max_turn_deg: float = 30.0) -> NDArray[np.bool_]:
    """Join ends of different components that lie close and point at each other, the nearest first, each end once.

    Args:
        mask: ``(H, W)`` crack pixels.
        max_gap_px: Widest gap to bridge, in pixels.
        max_turn_deg: How far the line across the gap may turn from the direction of either end.

    Returns:
        ``(H, W)`` mask; each bridge is as wide as the thinner of the two ends.
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
    """Add the pixels whose centres lie in a band between two points; OpenCV's lines are wider than they are told."""
    low = np.maximum(np.floor(np.minimum(start, stop) - width_px - 1).astype(int), 0)
    high = np.ceil(np.maximum(start, stop) + width_px + 2).astype(int)
    part = mask[low[0] : high[0], low[1] : high[1]]
    rows, cols = np.ogrid[: part.shape[0], : part.shape[1]]
    rows, cols = rows + (low[0] - start[0]), cols + (low[1] - start[1])
    length = float(np.hypot(*(stop - start)))
    down, right = (stop - start) / length
    along, across = rows * down + cols * right, rows * right - cols * down
    # A pixel more at both ends, so that the band surely meets the cracks.
    part |= (np.abs(across) <= width_px / 2) & (along >= -1) & (along <= length + 1)


def find_ends(mask: NDArray[np.bool_]) -> CrackEnds:
    """Find where the cracks of a mask end, and which way they point there.

    The ends of the skeleton are candidates. Around each the crack is a band: the main axis of its pixels is its
    direction. What is as wide as long there, or goes on to both sides, such as a spur of the skeleton, is no end.

    Args:
        mask: ``(H, W)`` crack pixels.
    """
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    plane = np.asarray(labels, dtype=np.int32)
    found: dict[int, list[_Band]] = {}
    for row, col in np.argwhere(_line_ends(skeletonise(mask))).tolist():
        bands = ((reach_px, _band(plane, row, col, reach_px)) for reach_px in _REACHES_PX)
        band = next((band for reach_px, band in bands if band is not None and 2 * band.width_px <= reach_px), None)
        if band is not None and not any(band.is_close_to(other) for other in found.get(band.label, ())):
            found.setdefault(band.label, []).append(band)
    kept = [band for ends in found.values() for band in ends]
    return CrackEnds(
        np.array([band.tip for band in kept]).reshape(-1, 2),
        np.array([band.direction for band in kept]).reshape(-1, 2),
        np.array([band.width_px for band in kept], dtype=np.float64),
        np.array([band.label for band in kept], dtype=np.int32),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Band:
    """The last stretch of a crack."""

    tip: NDArray[np.float64]
    direction: NDArray[np.float64]
    width_px: float
    label: int

    def is_close_to(self, other: _Band) -> bool:
        """Tell whether two candidates, such as the two corners of a square end, are one end."""
        near_px = max(self.width_px, other.width_px)
        return float(np.hypot(*(self.tip - other.tip))) <= near_px


def _band(plane: NDArray[np.int32], row: int, col: int, reach_px: int) -> _Band | None:
    """Return the stretch of the crack within ``reach_px`` of a candidate; None if it does not end there."""
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
    # Of w pixels side by side the variance is (w^2 - 1) / 12.
    width_px = float(np.sqrt(12 * max(spread[0], 0) + 1))
    return _Band(middle + direction * along.max() + np.array([row, col]), direction, width_px, label)


def _line_ends(skeleton: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pixels end a line of the ``(H, W)`` skeleton: they have one neighbour, or two that touch."""
    bits = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(np.int64)
    runs = ((bits == 1) & (np.roll(bits, 1, axis=1) == 0)).sum(axis=1)
    is_end = ((runs == 1) & (bits.sum(axis=1) <= 2)).astype(np.uint8)
    weights = np.array([[1, 2, 4], [128, 0, 8], [64, 32, 16]], dtype=np.float32)
    codes = cv2.filter2D(skeleton.astype(np.uint8), cv2.CV_8U, weights, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(skeleton & (is_end[codes] > 0))


def _pairs(ends: CrackEnds, max_gap_px: float, least_cosine: float) -> Iterator[tuple[float, int, int]]:
    """Yield the gap and the two ends of every pair that may be joined."""
    order = np.argsort(ends.tips[:, 0], kind="stable")
    rows = ends.tips[order, 0]
    for begin in range(0, order.size, _AT_ONCE):
        one = order[begin : begin + _AT_ONCE]
        # A gap is counted between the outermost pixels, which themselves lie one step further apart.
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
