"""Each connected crack of a mask, measured."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from crackseg.geometry import Scale
from crackseg.measurement.centreline import find_centrelines
from crackseg.measurement.components import Components, find_components
from crackseg.measurement.graph import trace_graph
from crackseg.measurement.profile import sample
from crackseg.measurement.pruning import prune
from crackseg.measurement.resolution import RESOLUTIONS, WidthSource, WidthStatistic
from crackseg.measurement.shape import Pattern, ShapeTable, tabulate_shapes
from crackseg.measurement.skeleton import find_skeleton
from crackseg.measurement.width_table import Evidence, WidthTable, tabulate_widths


@dataclass(frozen=True, slots=True, kw_only=True)
class CrackMeasurement:
    """One 8-connected component of a crack mask.

    Millimetres are None without a scale. A width is None where the resolution cannot tell it, and `cannot_measure` says
    why. Uncertainties hold at a confidence of 95 %; see `crackseg.measurement.resolution`.

    Attributes:
        box: Tight box ``(row0, col0, row1, col1)``, half-open, in pixels.
        rotated_box: Corners ``(row, col)`` of the smallest rectangle at any angle, in pixels.
        area_px: Area, in square pixels.
        length_px: Length of the centrelines of all branches together, from tip to tip, in pixels.
        branches: Parts that do not fork.
        endpoints: Free ends.
        junctions: Places where three or more branches meet.
        pattern: "single" without a junction, "branched" with some, "network" where branches enclose meshes.
        tortuosity: Length of the branches over the straight way between their ends; None for a closed line.
        density_per_px: Length over the area of the whole image, in pixels per square pixel.
        orientation_deg: Main axis: 0 along a row, counted counter-clockwise as seen, in [0, 180).
        width_source: What the widths were measured in.
        width_mean_px: Mean width along the centrelines, junctions left out, in pixels.
        width_median_px: Median width.
        width_p95_px: Width that 95 % of the length stay below.
        width_max_px: Greatest width.
        width_max_at: Row and column of the greatest width, in pixels.
        width_mean_uncertainty_px: By how much the mean width may be off, in pixels; so for the next three.
        width_median_uncertainty_px: For the median.
        width_p95_uncertainty_px: For the 95th percentile.
        width_max_uncertainty_px: For the greatest.
        cannot_measure: Which widths the resolution cannot tell, and why; None where it tells all.
        score: Mean probability along the centrelines, in [0, 1]; None without a probability.
        area_mm2: Area, in square millimetres.
        length_mm: Length, in millimetres.
        density_per_mm: Density, in millimetres per square millimetre.
        width_mean_mm: Mean width, in millimetres; so for the next three.
        width_median_mm: Median width.
        width_p95_mm: 95th percentile.
        width_max_mm: Greatest width.
        width_mean_uncertainty_mm: Uncertainty of the mean, that of the scale included; so for the next three.
        width_median_uncertainty_mm: Of the median.
        width_p95_uncertainty_mm: Of the 95th percentile.
        width_max_uncertainty_mm: Of the greatest width.
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
    width_source: WidthSource
    width_mean_px: float | None
    width_median_px: float | None
    width_p95_px: float | None
    width_max_px: float | None
    width_max_at: tuple[float, float]
    width_mean_uncertainty_px: float | None
    width_median_uncertainty_px: float | None
    width_p95_uncertainty_px: float | None
    width_max_uncertainty_px: float | None
    cannot_measure: str | None = None
    score: float | None = None
    area_mm2: float | None = None
    length_mm: float | None = None
    density_per_mm: float | None = None
    width_mean_mm: float | None = None
    width_median_mm: float | None = None
    width_p95_mm: float | None = None
    width_max_mm: float | None = None
    width_mean_uncertainty_mm: float | None = None
    width_median_uncertainty_mm: float | None = None
    width_p95_uncertainty_mm: float | None = None
    width_max_uncertainty_mm: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the measurements for JSON, rounded to 0.001.

        What is not known is left out, but for the four widths in pixels, which are None where they cannot be told.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["orientation_deg"] = round(self.orientation_deg, 3) % 180.0
        always = {f"width_{name}_px" for name in get_args(WidthStatistic)}
        return {key: _rounded(value) for key, value in values.items() if value is not None or key in always}


def _rounded(value: object) -> object:
    """Round to 0.001, or to three digits what is smaller."""
    if isinstance(value, tuple):
        return [_rounded(item) for item in value]
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

    Widths are taken across the crack from the photograph, the probability or the mask, whichever says most; see
    ``docs/measurement.md`` for what each is worth.

    Args:
        mask: ``(H, W)`` crack pixels.
        scale: Millimetres per pixel, if known.
        probability: ``(H, W)`` crack probability, in [0, 1], that gave the mask.
        threshold: Probability from which a pixel counts as crack.
        image: ``(H, W, 3)`` RGB photograph in which it was found.

    Returns:
        The components, largest area first; none is left out for being small.

    Raises:
        ValueError: If the arrays differ in size.
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
    """Everything that is known of the components, to be read out one by one."""

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
        tortuosity, area = float(shapes.tortuosities[label]), int(self._areas[label])
        factor = math.nan if scale is None else scale.mm_per_px
        known = scale is not None
        return CrackMeasurement(
            box=(row0, col0, row1, col1),
            rotated_box=tuple((row, col) for row, col in self._rotated[label]),
            area_px=area,
            length_px=length,
            branches=int(shapes.branches[label]),
            endpoints=int(shapes.endpoints[label]),
            junctions=int(shapes.junctions[label]),
            pattern=shapes.pattern(label),
            tortuosity=None if math.isnan(tortuosity) else max(tortuosity, 1.0),
            density_per_px=length / self._image_area_px,
            orientation_deg=float(self._angles[label]),
            score=None if self._scores is None else float(self._scores[label]),
            area_mm2=area * factor**2 if known else None,
            length_mm=length * factor if known else None,
            density_per_mm=length / self._image_area_px / factor if known else None,
            **self._width_fields(label, scale),
        )

    def _width_fields(self, label: int, scale: Scale | None) -> dict[str, Any]:
        """Return the fields that begin with ``width_``, and ``cannot_measure``."""
        source = self._widths.sources[label]
        resolution = RESOLUTIONS[source]
        fields: dict[str, Any] = {"width_source": source}
        fields["width_max_at"] = tuple(float(value) for value in self._widths.places[label])
        untold = []
        for name, values in self._widths.columns().items():
            # No width is larger than the shorter side of the box: where a blob has no course, its axis may be off.
            width = min(float(values[label]), self._shorter_side_px(label))
            if width < resolution.least_px(name):
                fields[f"width_{name}_px"] = fields[f"width_{name}_uncertainty_px"] = None
                untold.append(name)
                continue
            off = resolution.uncertainty_px(width, name)
            fields[f"width_{name}_px"], fields[f"width_{name}_uncertainty_px"] = width, off
            if scale is not None:
                fields[f"width_{name}_mm"] = width * scale.mm_per_px
                share = math.hypot(off / width, scale.uncertainty)
                fields[f"width_{name}_uncertainty_mm"] = width * scale.mm_per_px * share
        if untold:
            fields["cannot_measure"] = (
                f"{', '.join(untold)}: too close to {resolution.limit_px:g} px or below: {resolution.reason}"
            )
        return fields

    def _shorter_side_px(self, label: int) -> float:
        first, second, third, _ = self._rotated[label]
        return min(math.dist(first, second), math.dist(second, third))
