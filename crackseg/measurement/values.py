"""Define measured values with their uncertainty, and the names they have in files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from crackseg.geometry import Scale
from crackseg.measurement.resolution import WidthSource, WidthStatistic

FLAT_NAMES = (
    "box", "rotated_box", "area_px", "length_px", "branches", "endpoints", "junctions", "pattern", "tortuosity",
    "density_per_px", "orientation_deg", "width_source", "width_mean_px", "width_median_px", "width_p95_px",
    "width_max_px", "width_max_at", "width_mean_uncertainty_px", "width_median_uncertainty_px",
    "width_p95_uncertainty_px", "width_max_uncertainty_px", "cannot_measure", "score", "area_mm2", "length_mm",
    "density_per_mm", "width_mean_mm", "width_median_mm", "width_p95_mm", "width_max_mm", "width_mean_uncertainty_mm",
    "width_median_uncertainty_mm", "width_p95_uncertainty_mm", "width_max_uncertainty_mm",
)  # fmt: skip
"""Names of the values of a crack in JSON and CSV files, in this order."""

NUMBER_NAMES = tuple(
    name
    for name in FLAT_NAMES
    if name not in {"box", "rotated_box", "pattern", "width_source", "width_max_at", "cannot_measure"}
)
"""Those of `FLAT_NAMES` that hold one number."""

PARTS = {"box": ("row0", "col0", "row1", "col1"), "width_max_at": ("row", "col"), "rotated_box": ()}
"""Values of several numbers, and the columns a table has for them."""

ROW_NAMES = tuple(f"{name}_{part}" if part else name for name in FLAT_NAMES for part in PARTS.get(name, ("",)))
"""Columns of a table of cracks."""

WIDTHS_PX = frozenset(f"width_{name}_px" for name in get_args(WidthStatistic))
"""Names of the widths in pixels, which JSON holds even where they cannot be measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A number and its uncertainty, in pixels unless made by `to_mm`.

    Attributes:
        value: The number; None if it cannot be measured.
        uncertainty: Its uncertainty at 95 % confidence, in the same unit; None if the number cannot be measured.
    """

    value: float | None = None
    uncertainty: float | None = None

    def to_mm(self, scale: Scale) -> Measured:
        """Return the number in millimetres; its uncertainty includes that of the scale."""
        if self.value is None or self.uncertainty is None:
            return Measured()
        uncertainty_px = math.hypot(self.uncertainty, self.value * scale.uncertainty)
        return Measured(self.value * scale.mm_per_px, uncertainty_px * scale.mm_per_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthStatistics:
    """Widths of a crack along its centrelines, junctions left out; in pixels unless made by `to_mm`.

    Attributes:
        source: Source of the widths: mask, probability or grey values.
        mean: Mean width.
        median: Median width.
        p95: Width that is not exceeded on 95 % of the length.
        max: Greatest width.
        max_at: Row and column of the greatest width, always in pixels.
        cannot_measure: Widths that the resolution does not allow, and the reason; None if all are known.
    """

    source: WidthSource
    mean: Measured
    median: Measured
    p95: Measured
    max: Measured
    max_at: tuple[float, float]
    cannot_measure: str | None = None

    def by_name(self) -> dict[WidthStatistic, Measured]:
        """Return the four statistics by name."""
        return {"mean": self.mean, "median": self.median, "p95": self.p95, "max": self.max}

    def to_mm(self, scale: Scale) -> WidthStatistics:
        """Return the statistics in millimetres; ``max_at`` stays in pixels."""
        return WidthStatistics(
            source=self.source,
            mean=self.mean.to_mm(scale),
            median=self.median.to_mm(scale),
            p95=self.p95.to_mm(scale),
            max=self.max.to_mm(scale),
            max_at=self.max_at,
            cannot_measure=self.cannot_measure,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MillimetreValues:
    """Measurements of a crack in millimetres.

    Attributes:
        area_mm2: Area, in square millimetres.
        length_mm: Length of the centrelines, in millimetres.
        density_per_mm: Length over the area of the whole image, in millimetres per square millimetre.
        width: Widths, in millimetres.
    """

    area_mm2: float
    length_mm: float
    density_per_mm: float
    width: WidthStatistics
