"""Write an evaluation or a comparison as JSON, Markdown and HTML files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from crackseg.evaluation.comparison import Comparison
from crackseg.evaluation.contrast import Contrast
from crackseg.evaluation.page import build_comparison_page, build_report_page, build_scoreboard_page
from crackseg.evaluation.report import EvaluationReport
from crackseg.evaluation.scoreboard import Scoreboard, TableFormat, format_table, scoreboard_to_markdown
from crackseg.evaluation.text import comparison_to_markdown, report_to_markdown
from crackseg.files import make_folder, write_bytes

_TABLE_NAMES: dict[TableFormat, str] = {"csv": "table.csv", "latex": "table.tex", "markdown": "table.md"}


def write_report(
    folder: Path,
    result: EvaluationReport | Comparison | Scoreboard,
    contrasts: Sequence[Contrast] = (),
    *,
    form: TableFormat | None = None,
) -> None:
    """Write evaluation.json, evaluation.md and evaluation.html into a folder.

    Args:
        folder: The folder; it is made if it is missing.
        result: An evaluation, a comparison or a scoreboard.
        contrasts: Figures for the page of a comparison.
        form: Format of ``table.csv``, ``table.tex`` or ``table.md``, which is also written; None for none.

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
    match result:
        case Scoreboard():
            markdown, page = scoreboard_to_markdown(result), build_scoreboard_page(result)
        case Comparison():
            markdown, page = comparison_to_markdown(result), build_comparison_page(result, contrasts)
        case _:
            markdown, page = report_to_markdown(result), build_report_page(result)
    text = json.dumps(result.to_dict(), indent=2, allow_nan=False) + "\n"
    make_folder(folder)
    for name, content in (("json", text), ("md", markdown), ("html", page)):
        write_bytes(folder / f"evaluation.{name}", content.encode())
    if form is not None:
        write_bytes(folder / _TABLE_NAMES[form], f"{format_table(result, form)}\n".encode())
