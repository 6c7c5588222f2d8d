"""Describe measured masks as JSON, rows and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crackseg.errors import display_text
from crackseg.geometry import Scale
from crackseg.measurement.crack import CrackMeasurement
from crackseg.measurement.values import ROW_NAMES, WIDTHS_PX

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MeasuredMask:
    """Measurements of one mask.

    Attributes:
        name: File name of the mask.
        shape: Height and width ``(H, W)``, in pixels.
        cracks: Its cracks, largest first.
        scale: Millimetres per pixel; None if unknown.
    """

    name: str
    shape: tuple[int, int]
    cracks: tuple[CrackMeasurement, ...]
    scale: Scale | None

    @property
    def crack_fraction(self) -> float:
        """Share of the pixels that are crack, in [0, 1]."""
        return sum(crack.area_px for crack in self.cracks) / (self.shape[0] * self.shape[1])

    def __repr__(self) -> str:
        """Return name, number of cracks and their share in one line."""
        return f"MeasuredMask({self.name!r}, {self._count()}, {100 * self.crack_fraction:.2f} %)"

    def _count(self) -> str:
        return f"{len(self.cracks)} crack{'' if len(self.cracks) == 1 else 's'}"

    def to_dict(self) -> dict[str, Any]:
        """Return all measurements, ready for JSON."""
        pixels = self.shape[0] * self.shape[1]
        area, length = sum(crack.area_px for crack in self.cracks), sum(crack.length_px for crack in self.cracks)
        return {
            "image": display_text(self.name),
            "height_px": self.shape[0],
            "width_px": self.shape[1],
            "scale_mm_per_px": None if self.scale is None else self.scale.mm_per_px,
            "scale_source": None if self.scale is None else self.scale.source,
            "scale_uncertainty": None if self.scale is None else self.scale.uncertainty,
            "crack_area_px": area,
            "crack_fraction": self.crack_fraction,
            "crack_length_px": round(length, 3),
            "density_per_px": float(f"{length / pixels:.4g}"),
            "cracks": [crack.to_dict() for crack in self.cracks],
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row per crack, ready for a data frame.

        See `CrackMeasurement.to_row` for the columns.
        """
        scale = {
            "scale_mm_per_px": None if self.scale is None else self.scale.mm_per_px,
            "scale_source": None if self.scale is None else self.scale.source,
        }
        return [
            {"image": display_text(self.name), "crack": number, **crack.to_row(), **scale}
            for number, crack in enumerate(self.cracks, start=1)
        ]

    def summary(self) -> str:
        """Return number, share, length and width of the cracks in one line."""
        if not self.cracks:
            return "no crack"
        unit, factor = ("px", 1.0) if self.scale is None else ("mm", self.scale.mm_per_px)
        longest = max(crack.length_px for crack in self.cracks) * factor
        widths = [crack.width_max_px for crack in self.cracks if crack.width_max_px is not None]
        widest = f"widest {max(widths) * factor:.1f} {unit}" if widths else "too narrow to measure their width"
        return (
            f"{self._count()}, {100 * self.crack_fraction:.2f} % of the image, longest {longest:.1f} {unit}, {widest}"
        )


def to_csv(masks: Sequence[MeasuredMask]) -> str:
    """Return a table with one row per crack.

    A mask without cracks gets a row without numbers. A cell that a spreadsheet would read as a formula starts with a
    quote.

    Example:
        >>> mask = MeasuredMask(name="clean.png", shape=(20, 30), cracks=(), scale=None)
        >>> header, row = to_csv([mask]).splitlines()
        >>> header[:23], row[:12]
        ('image,crack,box_row0,bo', 'clean.png,0,')
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "crack", *ROW_NAMES, "scale_mm_per_px", "scale_source"])
    for mask in masks:
        known = ["", ""] if mask.scale is None else [f"{mask.scale.mm_per_px:.6g}", _escape_formula(mask.scale.source)]
        name = _escape_formula(display_text(mask.name))
        if not mask.cracks:
            writer.writerow([name, 0, *[""] * len(ROW_NAMES), *known])
        for number, crack in enumerate(mask.cracks, start=1):
            writer.writerow([name, number, *_cells(crack), *known])
    return text.getvalue()


def _cells(crack: CrackMeasurement) -> list[object]:
    """Return the cells of a row, "cannot_measure" for an unknown width."""
    cells: list[object] = []
    for name, value in crack.to_row().items():
        unknown = "cannot_measure" if name in WIDTHS_PX else ""
        cells.append(unknown if value is None else _escape_formula(value))
    return cells


def _escape_formula(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
