"""Write an evaluation or a comparison as JSON, Markdown and HTML files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from crackseg.evaluation.comparison import Comparison
from crackseg.evaluation.contrast import Contrast
from crackseg.evaluation.page import build_comparison_page, build_report_page
from crackseg.evaluation.report import EvaluationReport
from crackseg.evaluation.text import comparison_to_markdown, report_to_markdown
from crackseg.files import make_folder, write_bytes


def write_report(folder: Path, result: EvaluationReport | Comparison, contrasts: Sequence[Contrast] = ()) -> None:
    """Write evaluation.json, evaluation.md and evaluation.html into a folder.

    Args:
        folder: The folder; it is made if it is missing.
        result: An evaluation or a comparison.
        contrasts: Figures for the page of a comparison.

    Raises:
        OutputError: If the folder cannot be made, or a file cannot be written.

    Example:
        >>> from crackseg import load_model
        >>> from crackseg.datasets import find_samples
        >>> from crackseg.evaluation import EvaluationRequest, evaluate_model
        >>> request = EvaluationRequest("native", figures=True)
        >>> write_report(Path("out"), evaluate_model(load_model(), find_samples(Path("walls"), "test"), request))
        >>> sorted(path.name for path in Path("out").iterdir())
        ['evaluation.html', 'evaluation.json', 'evaluation.md']
    """
    if isinstance(result, Comparison):
        markdown, page = comparison_to_markdown(result), build_comparison_page(result, contrasts)
    else:
        markdown, page = report_to_markdown(result), build_report_page(result)
    text = json.dumps(result.to_dict(), indent=2, allow_nan=False) + "\n"
    make_folder(folder)
    for name, content in (("json", text), ("md", markdown), ("html", page)):
        write_bytes(folder / f"evaluation.{name}", content.encode())
