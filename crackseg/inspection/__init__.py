"""Inspect folders of images by rules, with a row for every file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.inspection.inspector import InspectorPlan
    from crackseg.inspection.quality import Quality, QualityLimits, list_quality_problems, measure_quality
    from crackseg.inspection.records import VERDICTS, FileResult, Status, Verdict
    from crackseg.inspection.request import InspectionRequest
    from crackseg.inspection.result import InspectionProgress, InspectionResult
    from crackseg.inspection.rules import Area, Condition, JudgedArea, Rule, Rules, judge, load_rules, parse_condition
    from crackseg.inspection.run import inspect
    from crackseg.inspection.settings import Settings
    from crackseg.inspection.source import Source
    from crackseg.inspection.worker_limits import WorkerLimits, worker_limits

__all__ = [
    "VERDICTS",
    "Area",
    "Condition",
    "FileResult",
    "InspectionProgress",
    "InspectionRequest",
    "InspectionResult",
    "InspectorPlan",
    "JudgedArea",
    "Quality",
    "QualityLimits",
    "Rule",
    "Rules",
    "Settings",
    "Source",
    "Status",
    "Verdict",
    "WorkerLimits",
    "inspect",
    "judge",
    "list_quality_problems",
    "load_rules",
    "measure_quality",
    "parse_condition",
    "worker_limits",
]

_HOMES = {
    "Area": "crackseg.inspection.rules",
    "Condition": "crackseg.inspection.rules",
    "FileResult": "crackseg.inspection.records",
    "InspectionProgress": "crackseg.inspection.result",
    "InspectionRequest": "crackseg.inspection.request",
    "InspectionResult": "crackseg.inspection.result",
    "InspectorPlan": "crackseg.inspection.inspector",
    "JudgedArea": "crackseg.inspection.rules",
    "Quality": "crackseg.inspection.quality",
    "QualityLimits": "crackseg.inspection.quality",
    "Rule": "crackseg.inspection.rules",
    "Rules": "crackseg.inspection.rules",
    "Settings": "crackseg.inspection.settings",
    "Source": "crackseg.inspection.source",
    "Status": "crackseg.inspection.records",
    "VERDICTS": "crackseg.inspection.records",
    "Verdict": "crackseg.inspection.records",
    "WorkerLimits": "crackseg.inspection.worker_limits",
    "inspect": "crackseg.inspection.run",
    "judge": "crackseg.inspection.rules",
    "list_quality_problems": "crackseg.inspection.quality",
    "load_rules": "crackseg.inspection.rules",
    "measure_quality": "crackseg.inspection.quality",
    "parse_condition": "crackseg.inspection.rules",
    "worker_limits": "crackseg.inspection.worker_limits",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.inspection' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
