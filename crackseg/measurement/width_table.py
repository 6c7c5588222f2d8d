"""Tabulate source, distribution and maximum of the widths of each component."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.centreline import Centrelines
from crackseg.measurement.components import Components
from crackseg.measurement.lines import Indices, Values
from crackseg.measurement.resolution import (
    GREY_BELOW_PX,
    LEAST_CONTRAST,
    LEAST_CONTRAST_TO_NOISE,
    WidthSource,
    WidthStatistic,
)
from crackseg.measurement.width import grey_widths, mask_widths, probability_widths


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evidence:
    """Arrays to measure widths in, in addition to the mask.

    Attributes:
        probability: ``(H, W)`` float32 crack probability of the mask, in [0, 1]; None if unknown.
        threshold: Least probability of a crack pixel, in [0, 1].
        image: ``(H, W, 3)`` uint8 RGB image, 0 to 255; None if unknown.
    """

    probability: NDArray[np.float32] | None = None
    threshold: float = 0.5
    image: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WidthTable:
    """Widths of ``C`` components; each point of a centreline weighs as much as the length it represents.

    Attributes:
        sources: Source of the widths of each component.
        means: ``(C,)`` float64 mean widths, in pixels.
        medians: ``(C,)`` float64 median widths, in pixels.
        p95s: ``(C,)`` float64 95th percentiles of the width, in pixels.
        greatest: ``(C,)`` float64 greatest widths, in pixels.
        places: ``(C, 2)`` float64 row and column of the greatest width, in pixels.
    """

    sources: list[WidthSource]
    means: Values
    medians: Values
    p95s: Values
    greatest: Values
    places: Values

    def columns(self) -> dict[WidthStatistic, Values]:
        """Return the four statistics by name, ``(C,)`` float64 each, in pixels."""
        return {"mean": self.means, "median": self.medians, "p95": self.p95s, "max": self.greatest}


def tabulate_widths(components: Components, centrelines: Centrelines, evidence: Evidence) -> WidthTable:
    """Measure the widths of all components.

    Points inside the disc of a junction count only for a component without other points.
    """
    lines = centrelines.lines
    owner = centrelines.components[lines.line_of()]
    weights = lines.weights_px() + 1e-9
    counted = weights * centrelines.away_from_junctions()
    hidden = np.bincount(owner, counted, minlength=components.count) <= 0
    weights = np.where(hidden[owner], weights, counted)
    sources, widths = _choose(components, centrelines, evidence, (owner, weights))
    weights = np.where(np.isfinite(widths), weights, 0.0)
    return _summarise(sources, np.nan_to_num(widths), (owner, weights), lines.places)


def _choose(
    components: Components, centrelines: Centrelines, evidence: Evidence, counted: tuple[Indices, Values]
) -> tuple[list[WidthSource], Values]:
    """Return the source of each component and all widths in it."""
    lines, count = centrelines.lines, components.count
    first: WidthSource = "mask" if evidence.probability is None else "probability"
    if evidence.probability is None:
        widths = mask_widths(components, lines)
    else:
        widths = probability_widths(evidence.probability, lines, evidence.threshold)
    if evidence.image is None:
        return [first] * count, widths
    grey_values = np.asarray(cv2.cvtColor(evidence.image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    measured = grey_widths(grey_values, lines)
    shown, contrast, noise = (
        _mean(counted, v, count) for v in (np.nan_to_num(widths), measured.contrast, measured.noise)
    )
    grey = (contrast >= LEAST_CONTRAST) & (contrast >= LEAST_CONTRAST_TO_NOISE * noise) & (shown < GREY_BELOW_PX)
    sources: list[WidthSource] = ["grey" if use else first for use in grey.tolist()]
    return sources, np.where(grey[counted[0]], measured.widths_px, widths)


def _mean(counted: tuple[Indices, Values], values: Values, count: int) -> Values:
    owner, weights = counted
    total = np.bincount(owner, weights, minlength=count)
    return np.asarray(np.bincount(owner, weights * values, minlength=count) / np.maximum(total, 1e-12))


def _summarise(
    sources: list[WidthSource], widths: Values, counted: tuple[Indices, Values], places: Values
) -> WidthTable:
    owner, weights = counted
    count = len(sources)
    used = np.flatnonzero(weights > 0)
    order = used[np.lexsort((widths[used], owner[used]))]
    below = np.cumsum(weights[order])
    stops = np.searchsorted(owner[order], np.arange(count), side="right")
    starts = np.concatenate([[0], stops[:-1]])
    before = np.concatenate([[0.0], below])[starts]
    total = np.concatenate([[0.0], below])[stops] - before

    def quantile(share: float) -> Values:
        at = np.searchsorted(below, before + share * total)
        place = np.clip(at, starts, np.maximum(stops - 1, starts)).clip(0, order.size - 1)
        return np.asarray(widths[order[place]])

    last = order[np.maximum(stops - 1, 0)]
    columns = _mean(counted, widths, count), quantile(0.5), quantile(0.95), widths[last]
    return WidthTable(sources, *columns, places[last])
