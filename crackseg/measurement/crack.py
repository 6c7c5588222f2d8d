"""Each connected crack of a mask, measured."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crackseg.geometry import Scale
from crackseg.measurement.components import Components, find_components
from crackseg.measurement.distance import distances_to_background
from crackseg.measurement.skeleton import neighbour_codes, skeleton_lengths, thin


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
    components = find_components(mask)
    if components.count == 0:
        return ()
    areas, boxes, angles = components.areas(), components.boxes(), components.orientations()
    lengths, widths = _lengths_and_widths(components)
    order = np.argsort(-areas, kind="stable")
    return tuple(
        _measurement(boxes[label], int(areas[label]), (lengths[label], widths[label], angles[label]), scale)
        for label in order
    )


def _lengths_and_widths(components: Components) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, by component, the length of the skeleton and the diameter of the largest disc on it, in pixels.

    A line of odd width w has its middle at (w + 1) / 2 from the nearest background pixel, one of even width at w / 2;
    twice that less a half is right to half a pixel for both.
    """
    kept = thin(components)
    pixels, labels = components.pixels[kept], components.labels[kept]
    on = np.zeros(components.grid.size, dtype=np.uint8)
    on[pixels] = 1
    codes = neighbour_codes(on, pixels, components.stride)
    lengths = np.maximum(skeleton_lengths(codes, labels, components.count), 1.0)
    largest = np.zeros(components.count)
    np.maximum.at(largest, labels, distances_to_background(components, pixels))
    return lengths, 2 * largest - 0.5


def _measurement(
    bounds: NDArray[np.int64], area: int, sizes: tuple[float, float, float], scale: Scale | None
) -> CrackMeasurement:
    row0, col0, row1, col1 = (int(value) for value in bounds)
    length_px, width_max_px, orientation_deg = (float(value) for value in sizes)
    width_mean_px = area / length_px
    # The half pixel of rounding must not make a disc larger than the box it lies in.
    width_max_px = min(max(width_max_px, 1.0), float(min(row1 - row0, col1 - col0)))
    factor = None if scale is None else scale.mm_per_px
    return CrackMeasurement(
        box=(row0, col0, row1, col1),
        area_px=area,
        length_px=length_px,
        width_mean_px=width_mean_px,
        width_max_px=width_max_px,
        orientation_deg=orientation_deg,
        length_mm=None if factor is None else length_px * factor,
        width_mean_mm=None if factor is None else width_mean_px * factor,
        width_max_mm=None if factor is None else width_max_px * factor,
    )
