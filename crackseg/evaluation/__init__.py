"""Score models against true masks: protocols, intervals, comparisons, reports."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.evaluation.comparison import Comparison
    from crackseg.evaluation.contrast import draw_contrasts
    from crackseg.evaluation.files import write_report
    from crackseg.evaluation.mask_folder import MaskFolder, match_masks
    from crackseg.evaluation.report import EvaluationReport, evaluate_masks, evaluate_model
    from crackseg.evaluation.request import EvaluationRequest
    from crackseg.evaluation.run import count_samples
    from crackseg.evaluation.scoreboard import Scoreboard, format_table, scoreboard_to_text
    from crackseg.evaluation.table import Estimate, Evaluation
    from crackseg.evaluation.text import comparison_to_text, report_to_text

__all__ = [
    "Comparison",
    "Estimate",
    "Evaluation",
    "EvaluationReport",
    "EvaluationRequest",
    "MaskFolder",
    "Scoreboard",
    "comparison_to_text",
    "count_samples",
    "draw_contrasts",
    "evaluate_masks",
    "evaluate_model",
    "format_table",
    "match_masks",
    "report_to_text",
    "scoreboard_to_text",
    "write_report",
]

_HOMES = {
    "Comparison": "crackseg.evaluation.comparison",
    "Estimate": "crackseg.evaluation.table",
    "Evaluation": "crackseg.evaluation.table",
    "EvaluationReport": "crackseg.evaluation.report",
    "EvaluationRequest": "crackseg.evaluation.request",
    "MaskFolder": "crackseg.evaluation.mask_folder",
    "Scoreboard": "crackseg.evaluation.scoreboard",
    "comparison_to_text": "crackseg.evaluation.text",
    "count_samples": "crackseg.evaluation.run",
    "draw_contrasts": "crackseg.evaluation.contrast",
    "evaluate_masks": "crackseg.evaluation.report",
    "evaluate_model": "crackseg.evaluation.report",
    "format_table": "crackseg.evaluation.scoreboard",
    "match_masks": "crackseg.evaluation.mask_folder",
    "report_to_text": "crackseg.evaluation.text",
    "scoreboard_to_text": "crackseg.evaluation.scoreboard",
    "write_report": "crackseg.evaluation.files",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.evaluation' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
