"""An evaluation or a comparison as files: evaluation.json, evaluation.md and evaluation.html."""

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


def write_report(folder: Path, found: EvaluationReport | Comparison, contrasts: Sequence[Contrast] = ()) -> None:
    """Write evaluation.json, evaluation.md and evaluation.html into a folder, which is made if missing.

    Args:
        folder: The folder.
        found: An evaluation, or a comparison.
        contrasts: Pictures for the page of a comparison.

    Raises:
        OutputError: If it cannot be made, or a file not be written.
    """
    if isinstance(found, Comparison):
        markdown, page = comparison_to_markdown(found), build_comparison_page(found, contrasts)
    else:
        markdown, page = report_to_markdown(found), build_report_page(found)
    text = json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n"
    make_folder(folder)
    for name, content in (("json", text), ("md", markdown), ("html", page)):
        write_bytes(folder / f"evaluation.{name}", content.encode())
