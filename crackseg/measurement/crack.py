"""Each connected crack of a mask, measured."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.geometry import Scale
from crackseg.measurement.skeleton import skeleton_lengths, skeletonise


@dataclass(frozen=True, slots=True, kw_only=True)
class CrackMeasurement:
    """One 8-connected component of a crack mask.

    Attributes:
        box: Tight box ``(row0, col0, row1, col1)``, half-open, in pixels.
        area_px: Area, in square pixels.
        length_px: Length of the skeleton, all branches together, in pixels.
        width_mean_px: Area over length, in pixels.
        width_max_px: Diameter of the largest disc that fits inside, to half a pixel, in pixels.
        orientation_deg: Main axis: 0 along a row, counted counter-clockwise as seen, in [0, 180).
        length_mm: Length, in millimetres; None without a scale. So are the next two.
        width_mean_mm: Mean width, in millimetres.
        width_max_mm: Largest width, in millimetres.
    """

    box: tuple[int, int, int, int]
    area_px: int
    length_px: float
    width_mean_px: float
    width_max_px: float
    orientation_deg: float
    length_mm: float | None = None
    width_mean_mm: float | None = None
    width_max_mm: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the measurements for JSON: rounded to 0.001; millimetres only where they are known."""
        values = dataclasses.asdict(self)
        values["orientation_deg"] = round(self.orientation_deg, 3) % 180.0
        return {
            key: round(value, 3) if isinstance(value, float) else value
            for key, value in values.items()
            if value is not None
        }


def measure_cracks(mask: NDArray[np.bool_], *, scale: Scale | None = None) -> tuple[CrackMeasurement, ...]:
    """Measure every 8-connected component of a mask.

    Args:
        mask: ``(H, W)`` crack pixels.
        scale: Millimetres per pixel, if known.

    Returns:
        The components, largest area first; none is left out for being small.
    """
    count, found, table, middles = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count == 1:
        return ()
    labels, stats = np.asarray(found, dtype=np.int32), np.asarray(table, dtype=np.int32)
    centroids = np.asarray(middles, dtype=np.float64)
    skeleton = skeletonise(mask)
    lengths = np.maximum(skeleton_lengths(skeleton, labels, count - 1), 1.0)
    widths = _largest_widths(mask, labels, count)
    angles = _orientations(mask, labels, centroids)
    order = sorted(range(1, count), key=lambda label: (-int(stats[label, cv2.CC_STAT_AREA]), label))
    return tuple(
        _measurement(stats[label], float(lengths[label]), float(widths[label]), float(angles[label]), scale)
        for label in order
    )


def _measurement(
    stats: NDArray[np.int32], length_px: float, width_max_px: float, orientation_deg: float, scale: Scale | None
) -> CrackMeasurement:
    left, top, width, height, area = (int(value) for value in stats)
    width_mean_px = area / length_px
    # The half pixel of rounding must not make a disc larger than the box it lies in.
    width_max_px = min(max(width_max_px, 1.0), float(min(width, height)))
    factor = None if scale is None else scale.mm_per_px
    return CrackMeasurement(
        box=(top, left, top + height, left + width),
        area_px=area,
        length_px=length_px,
        width_mean_px=width_mean_px,
        width_max_px=width_max_px,
        orientation_deg=orientation_deg,
        length_mm=None if factor is None else length_px * factor,
        width_mean_mm=None if factor is None else width_mean_px * factor,
        width_max_mm=None if factor is None else width_max_px * factor,
    )


def _largest_widths(mask: NDArray[np.bool_], labels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Return, by label, the diameter of the largest disc inside, in pixels.

    A line of odd width w has its middle at (w + 1) / 2 from the nearest background pixel, one of even width at w / 2;
    twice that less a half is right to half a pixel for both.
    """
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    largest = np.zeros(count)
    np.maximum.at(largest, labels[mask], distance[mask])
    return np.asarray(2 * largest - 0.5)


def _orientations(
    mask: NDArray[np.bool_], labels: NDArray[np.int32], centroids: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return, by label, the angle of the axis of least inertia, in degrees, in [0, 180)."""
    rows, cols = np.nonzero(mask)
    label = labels[rows, cols]
    across = cols - centroids[label, 0]
    up = centroids[label, 1] - rows
    count = len(centroids)
    xx, yy, xy = (np.bincount(label, values, minlength=count) for values in (across**2, up**2, across * up))
    angles = np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) % 180.0
    return np.where(angles < 180.0, angles, 0.0)
