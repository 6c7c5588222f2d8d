"""Find and read samples of a data set, and check and correct data sets."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.datasets.check import DatasetReport, check_dataset
    from crackseg.datasets.check_html import build_check_page
    from crackseg.datasets.check_text import summarise
    from crackseg.datasets.class_masks import check_classes, read_class_sample
    from crackseg.datasets.findings import Finding, Severity
    from crackseg.datasets.repair import Change, check_output, write_corrected
    from crackseg.datasets.samples import (
        Sample,
        check_sizes,
        find_all_samples,
        find_samples,
        hash_samples,
        hold_out,
        read_sample,
    )

__all__ = [
    "Change",
    "DatasetReport",
    "Finding",
    "Sample",
    "Severity",
    "build_check_page",
    "check_classes",
    "check_dataset",
    "check_output",
    "check_sizes",
    "find_all_samples",
    "find_samples",
    "hash_samples",
    "hold_out",
    "read_class_sample",
    "read_sample",
    "summarise",
    "write_corrected",
]

_HOMES = {
    "Change": "crackseg.datasets.repair",
    "DatasetReport": "crackseg.datasets.check",
    "Finding": "crackseg.datasets.findings",
    "Sample": "crackseg.datasets.samples",
    "Severity": "crackseg.datasets.findings",
    "build_check_page": "crackseg.datasets.check_html",
    "check_classes": "crackseg.datasets.class_masks",
    "check_dataset": "crackseg.datasets.check",
    "check_output": "crackseg.datasets.repair",
    "check_sizes": "crackseg.datasets.samples",
    "find_all_samples": "crackseg.datasets.samples",
    "find_samples": "crackseg.datasets.samples",
    "hash_samples": "crackseg.datasets.samples",
    "hold_out": "crackseg.datasets.samples",
    "read_class_sample": "crackseg.datasets.class_masks",
    "read_sample": "crackseg.datasets.samples",
    "summarise": "crackseg.datasets.check_text",
    "write_corrected": "crackseg.datasets.repair",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.datasets' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
