"""The widths of each component: where they are taken from, their distribution, and the greatest and its place."""

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
    """What there is beside the mask to measure widths in.

    Attributes:
        probability: ``(H, W)`` crack probability the mask was cut out of, or None.
        threshold: Where it was cut.
        image: ``(H, W, 3)`` RGB photograph, or None.
    """

    probability: NDArray[np.float32] | None = None
    threshold: float = 0.5
    image: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WidthTable:
    """Widths by component, in pixels, each point of a centreline counted with the length it stands for.

    Attributes:
        sources: What they were measured in, ``count`` of them.
        means: ``(count,)`` mean.
        medians: ``(count,)`` median.
        p95s: ``(count,)`` 95th percentile.
        greatest: ``(count,)`` maximum.
        places: ``(count, 2)`` row and column of the maximum.
    """

    sources: list[WidthSource]
    means: Values
    medians: Values
    p95s: Values
    greatest: Values
    places: Values

    def columns(self) -> dict[WidthStatistic, Values]:
        """Return the four numbers of all components by name."""
        return {"mean": self.means, "median": self.medians, "p95": self.p95s, "max": self.greatest}


def tabulate_widths(components: Components, centrelines: Centrelines, evidence: Evidence) -> WidthTable:
    """Measure the widths of all components.

    Points inside the disc of a junction do not count, unless a component has no others.
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
    """Return the source for each component, and the widths of all points in the source of their component."""
    lines, count = centrelines.lines, components.count
    first: WidthSource = "mask" if evidence.probability is None else "probability"
    if evidence.probability is None:
        widths = mask_widths(components, lines)
    else:
        widths = probability_widths(evidence.probability, lines, evidence.threshold)
    if evidence.image is None:
        return [first] * count, widths
    picture = np.asarray(cv2.cvtColor(evidence.image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    seen = grey_widths(picture, lines)
    shown, contrast, noise = (_mean(counted, v, count) for v in (np.nan_to_num(widths), seen.contrast, seen.noise))
    grey = (contrast >= LEAST_CONTRAST) & (contrast >= LEAST_CONTRAST_TO_NOISE * noise) & (shown < GREY_BELOW_PX)
    sources: list[WidthSource] = ["grey" if use else first for use in grey.tolist()]
    return sources, np.where(grey[counted[0]], seen.widths_px, widths)


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
