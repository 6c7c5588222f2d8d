"""Count pixels, lines and components, and turn summed counts into scores."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.metrics.bootstrap import interval, resample
    from crackseg.metrics.boundary import count_boundary, find_boundary
    from crackseg.metrics.centreline import CentrelineCounts
    from crackseg.metrics.classes import class_scores, count_classes
    from crackseg.metrics.components import ComponentCounts
    from crackseg.metrics.counts import Counts, ratio
    from crackseg.metrics.curve import average_precision, count_cells, precision_recall, share
    from crackseg.metrics.histogram import ProbabilityHistogram
    from crackseg.metrics.protocols import Protocol, find_protocols
    from crackseg.metrics.scores import Score
    from crackseg.metrics.sweep import ThresholdSweep
    from crackseg.metrics.tolerance import ToleranceCounts, within

__all__ = [
    "CentrelineCounts",
    "ComponentCounts",
    "Counts",
    "ProbabilityHistogram",
    "Protocol",
    "Score",
    "ThresholdSweep",
    "ToleranceCounts",
    "average_precision",
    "class_scores",
    "count_boundary",
    "count_cells",
    "count_classes",
    "find_boundary",
    "find_protocols",
    "interval",
    "precision_recall",
    "ratio",
    "resample",
    "share",
    "within",
]

_HOMES = {
    "CentrelineCounts": "crackseg.metrics.centreline",
    "ComponentCounts": "crackseg.metrics.components",
    "Counts": "crackseg.metrics.counts",
    "ProbabilityHistogram": "crackseg.metrics.histogram",
    "Protocol": "crackseg.metrics.protocols",
    "Score": "crackseg.metrics.scores",
    "ThresholdSweep": "crackseg.metrics.sweep",
    "ToleranceCounts": "crackseg.metrics.tolerance",
    "average_precision": "crackseg.metrics.curve",
    "class_scores": "crackseg.metrics.classes",
    "count_boundary": "crackseg.metrics.boundary",
    "count_cells": "crackseg.metrics.curve",
    "count_classes": "crackseg.metrics.classes",
    "find_boundary": "crackseg.metrics.boundary",
    "find_protocols": "crackseg.metrics.protocols",
    "interval": "crackseg.metrics.bootstrap",
    "precision_recall": "crackseg.metrics.curve",
    "ratio": "crackseg.metrics.counts",
    "resample": "crackseg.metrics.bootstrap",
    "share": "crackseg.metrics.curve",
    "within": "crackseg.metrics.tolerance",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.metrics' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
