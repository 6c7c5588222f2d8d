"""Measure every connected crack of a mask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crackseg.geometry import Scale
from crackseg.measurement.centreline import find_centrelines
from crackseg.measurement.components import Components, find_components
from crackseg.measurement.graph import trace_graph
from crackseg.measurement.profile import sample
from crackseg.measurement.pruning import prune
from crackseg.measurement.resolution import RESOLUTIONS, WidthStatistic
from crackseg.measurement.shape import Pattern, ShapeTable, tabulate_shapes
from crackseg.measurement.skeleton import find_skeleton
from crackseg.measurement.values import (
    FLAT_NAMES,
    PARTS,
    ROW_NAMES,
    WIDTHS_PX,
    Measured,
    MillimetreValues,
    WidthStatistics,
)
from crackseg.measurement.width_table import Evidence, WidthTable, tabulate_widths


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CrackMeasurement:
    """Measurements of one 8-connected component of a crack mask.

    Attributes:
        box: Tight box ``(row0, col0, row1, col1)``, half-open, in pixels.
        rotated_box: Corners ``(row, col)`` of the smallest rectangle at any angle, in pixels.
        area_px: Area, in square pixels.
        length_px: Total length of the centrelines of all branches, from tip to tip, in pixels.
        branches: Number of branches of the centreline between endpoints and junctions.
        endpoints: Number of free ends.
        junctions: Number of places where three or more branches meet.
        pattern: "single" without a junction, "branched" with some, "network" if branches enclose meshes.
        tortuosity: Length of the branches over the straight distance between their ends; None for a closed line.
        density_per_px: Length over the area of the whole image, in pixels per square pixel.
        orientation_deg: Main axis: 0 along a row, counted counter-clockwise in the image, in [0, 180).
        width: Widths along the centrelines, in pixels; see `crackseg.measurement.resolution` for their uncertainty.
        score: Mean probability along the centrelines, in [0, 1]; None without a probability.
        scale: Millimetres per pixel; None if unknown.
    """

    box: tuple[int, int, int, int]
    rotated_box: tuple[tuple[float, float], ...]
    area_px: int
    length_px: float
    branches: int
    endpoints: int
    junctions: int
    pattern: Pattern
    tortuosity: float | None
    density_per_px: float
    orientation_deg: float
    width: WidthStatistics
    score: float | None = None
    scale: Scale | None = None

    @property
    def width_mean_px(self) -> float | None:
        """Mean width, in pixels; None if it cannot be measured."""
        return self.width.mean.value

    @property
    def width_max_px(self) -> float | None:
        """Greatest width, in pixels; None if it cannot be measured."""
        return self.width.max.value

    @property
    def length_mm(self) -> float | None:
        """Length, in millimetres; None without a scale."""
        return None if self.scale is None else self.length_px * self.scale.mm_per_px

    @property
    def width_mean_mm(self) -> float | None:
        """Mean width, in millimetres; None without a scale or if unknown."""
        return None if self.scale is None else self.width.mean.to_mm(self.scale).value

    @property
    def width_max_mm(self) -> float | None:
        """Greatest width, in millimetres; None without a scale or if unknown."""
        return None if self.scale is None else self.width.max.to_mm(self.scale).value

    def __repr__(self) -> str:
        """Return length, mean width and box in one line."""
        mean = self.width_mean_px
        width = "width unknown" if mean is None else f"{mean:.1f} px wide (mean)"
        return f"CrackMeasurement({self.length_px:.1f} px long, {width}, box {self.box})"

    def to_mm(self, scale: Scale) -> MillimetreValues:
        """Return area, length, density and widths in millimetres."""
        factor = scale.mm_per_px
        return MillimetreValues(
            area_mm2=self.area_px * factor**2,
            length_mm=self.length_px * factor,
            density_per_mm=self.density_per_px / factor,
            width=self.width.to_mm(scale),
        )

    def flat_values(self) -> dict[str, Any]:
        """Return all values under `FLAT_NAMES`, unrounded; None where a value is unknown."""
        millimetres = None if self.scale is None else self.to_mm(self.scale)
        widths_px = self.width.by_name()
        widths_mm = {name: Measured() for name in widths_px} if millimetres is None else millimetres.width.by_name()
        return {
            "box": self.box,
            "rotated_box": self.rotated_box,
            "area_px": self.area_px,
            "length_px": self.length_px,
            "branches": self.branches,
            "endpoints": self.endpoints,
            "junctions": self.junctions,
            "pattern": self.pattern,
            "tortuosity": self.tortuosity,
            "density_per_px": self.density_per_px,
            "orientation_deg": self.orientation_deg,
            "width_source": self.width.source,
            **{f"width_{name}_px": width.value for name, width in widths_px.items()},
            "width_max_at": self.width.max_at,
            **{f"width_{name}_uncertainty_px": width.uncertainty for name, width in widths_px.items()},
            "cannot_measure": self.width.cannot_measure,
            "score": self.score,
            "area_mm2": None if millimetres is None else millimetres.area_mm2,
            "length_mm": None if millimetres is None else millimetres.length_mm,
            "density_per_mm": None if millimetres is None else millimetres.density_per_mm,
            **{f"width_{name}_mm": width.value for name, width in widths_mm.items()},
            **{f"width_{name}_uncertainty_mm": width.uncertainty for name, width in widths_mm.items()},
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the known values under `FLAT_NAMES`, ready for JSON, rounded to 0.001.

        The four widths in pixels are always present, and None where they cannot be measured.
        """
        values = self.flat_values()
        values["orientation_deg"] = round(self.orientation_deg, 3) % 180.0
        return {name: _round(value) for name, value in values.items() if value is not None or name in WIDTHS_PX}

    def to_row(self) -> dict[str, Any]:
        """Return one flat row for a data frame, with the columns `ROW_NAMES`.

        A value is None where it is unknown. ``box`` and ``width_max_at`` are split into their numbers;
        ``rotated_box`` is left out.
        """
        values = self.to_dict()
        cells: list[Any] = []
        for name in FLAT_NAMES:
            cells.extend(values[name][: len(PARTS[name])] if name in PARTS else [values.get(name)])
        return dict(zip(ROW_NAMES, cells, strict=True))


def _round(value: object) -> object:
    """Round to 0.001, and numbers below 0.1 to three digits."""
    if isinstance(value, tuple):
        return [_round(item) for item in value]
    if isinstance(value, float):
        return round(value, 3) if abs(value) >= 0.1 or value == 0 else float(f"{value:.3g}")
    return value


def measure_cracks(
    mask: NDArray[np.bool_],
    *,
    scale: Scale | None = None,
    probability: NDArray[np.float32] | None = None,
    threshold: float = 0.5,
    image: NDArray[np.uint8] | None = None,
) -> tuple[CrackMeasurement, ...]:
    """Measure every 8-connected component of a mask.

    Widths are measured across the crack in the grey values, the probability or the mask, whichever resolves the crack
    best. ``docs/measurement.md`` states the errors of each.

    Args:
        mask: ``(H, W)`` bool crack mask.
        scale: Millimetres per pixel; None if unknown.
        probability: ``(H, W)`` float32 crack probability of the mask, in [0, 1].
        threshold: Least probability of a crack pixel, in [0, 1].
        image: ``(H, W, 3)`` uint8 RGB image of the mask, 0 to 255.

    Returns:
        The components, largest area first; small ones are included.

    Raises:
        ValueError: If the arrays differ in height or width.

    Example:
        >>> import numpy as np
        >>> from crackseg.geometry import Scale
        >>> mask = np.zeros((40, 60), dtype=bool)
        >>> mask[10:15, 5:55] = True
        >>> measure_cracks(mask)
        (CrackMeasurement(50.0 px long, 4.9 px wide (mean), box (10, 5, 15, 55)),)
        >>> (crack,) = measure_cracks(mask, scale=Scale(0.2, "a ruler"))
        >>> crack.area_px, round(crack.length_mm, 1), crack.pattern
        (250, 10.0, 'single')
    """
    for other in (probability, image):
        if other is not None and other.shape[:2] != mask.shape:
            raise ValueError(f"expected arrays of the mask's shape {mask.shape}, got {other.shape[:2]}")
    components = find_components(mask, fill_pinholes=True)
    if components.count == 0:
        return ()
    skeleton = find_skeleton(components)
    graph = trace_graph(components, skeleton)
    prune(graph)
    centrelines = find_centrelines(components, skeleton, graph)
    shapes = tabulate_shapes(skeleton, graph, centrelines, components.count)
    evidence = Evidence(probability=probability, threshold=threshold, image=image)
    widths = tabulate_widths(components, centrelines, evidence)
    scores = None
    if probability is not None:
        lines = centrelines.lines
        values = sample(probability, lines.places[:, :1], lines.places[:, 1:])[:, 0]
        owner = centrelines.components[lines.line_of()]
        scores = np.bincount(owner, values) / np.bincount(owner)
    tables = _Tables(components, shapes, widths, scores, mask.size)
    order = np.argsort(-components.areas, kind="stable")
    return tuple(tables.measurement(int(label), scale) for label in order)


class _Tables:
    """Tables of all components, from which single measurements are read."""

    def __init__(
        self,
        components: Components,
        shapes: ShapeTable,
        widths: WidthTable,
        scores: NDArray[np.float64] | None,
        image_area_px: int,
    ) -> None:
        self._areas, self._shapes, self._widths, self._scores = components.areas, shapes, widths, scores
        self._image_area_px = image_area_px
        self._boxes, self._rotated = components.boxes().tolist(), components.rotated_boxes().tolist()
        self._angles = components.orientations()

    def measurement(self, label: int, scale: Scale | None) -> CrackMeasurement:
        shapes, length = self._shapes, float(self._shapes.lengths_px[label])
        row0, col0, row1, col1 = self._boxes[label]
        tortuosity = float(shapes.tortuosities[label])
        return CrackMeasurement(
            box=(row0, col0, row1, col1),
            rotated_box=tuple((row, col) for row, col in self._rotated[label]),
            area_px=int(self._areas[label]),
            length_px=length,
            branches=int(shapes.branches[label]),
            endpoints=int(shapes.endpoints[label]),
            junctions=int(shapes.junctions[label]),
            pattern=shapes.pattern(label),
            tortuosity=None if math.isnan(tortuosity) else max(tortuosity, 1.0),
            density_per_px=length / self._image_area_px,
            orientation_deg=float(self._angles[label]),
            width=self._width(label),
            score=None if self._scores is None else float(self._scores[label]),
            scale=scale,
        )

    def _width(self, label: int) -> WidthStatistics:
        source = self._widths.sources[label]
        resolution, row_col = RESOLUTIONS[source], self._widths.places[label]
        statistics: dict[WidthStatistic, Measured] = {}
        unknown: list[WidthStatistic] = []
        for name, values in self._widths.columns().items():
            # A width cannot exceed the shorter side of the box; the axis of a compact blob may be wrong.
            width = min(float(values[label]), self._shorter_side_px(label))
            if width < resolution.least_px(name):
                unknown.append(name)
                statistics[name] = Measured()
            else:
                statistics[name] = Measured(width, resolution.uncertainty_px(width, name))
        reason = f"too close to {resolution.limit_px:g} px or below: {resolution.reason}"
        return WidthStatistics(
            source=source,
            mean=statistics["mean"],
            median=statistics["median"],
            p95=statistics["p95"],
            max=statistics["max"],
            max_at=(float(row_col[0]), float(row_col[1])),
            cannot_measure=f"{', '.join(unknown)}: {reason}" if unknown else None,
        )

    def _shorter_side_px(self, label: int) -> float:
        first, second, third, _ = self._rotated[label]
        return min(math.dist(first, second), math.dist(second, third))
