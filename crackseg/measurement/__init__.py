"""Measure the cracks of a mask: length, width, shape and scale."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.measurement.crack import CrackMeasurement, measure_cracks
    from crackseg.measurement.mask_files import collect_masks, measure_file
    from crackseg.measurement.report import MeasuredMask, to_csv
    from crackseg.measurement.scale import Marker, find_marker_scale, read_scale
    from crackseg.measurement.skeleton import skeletonise
    from crackseg.measurement.values import Measured, MillimetreValues, WidthStatistics

__all__ = [
    "CrackMeasurement",
    "Marker",
    "Measured",
    "MeasuredMask",
    "MillimetreValues",
    "WidthStatistics",
    "collect_masks",
    "find_marker_scale",
    "measure_cracks",
    "measure_file",
    "read_scale",
    "skeletonise",
    "to_csv",
]

_HOMES = {
    "CrackMeasurement": "crackseg.measurement.crack",
    "Marker": "crackseg.measurement.scale",
    "Measured": "crackseg.measurement.values",
    "MeasuredMask": "crackseg.measurement.report",
    "MillimetreValues": "crackseg.measurement.values",
    "WidthStatistics": "crackseg.measurement.values",
    "collect_masks": "crackseg.measurement.mask_files",
    "find_marker_scale": "crackseg.measurement.scale",
    "measure_cracks": "crackseg.measurement.crack",
    "measure_file": "crackseg.measurement.mask_files",
    "read_scale": "crackseg.measurement.scale",
    "skeletonise": "crackseg.measurement.skeleton",
    "to_csv": "crackseg.measurement.report",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.measurement' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
