"""Put the scores of several models into one table: text, CSV, LaTeX or Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from crackseg.evaluation.comparison import Comparison
from crackseg.evaluation.report import EvaluationReport
from crackseg.evaluation.table import HEADLINE
from crackseg.evaluation.text import format_interval, format_score
from crackseg.metrics.protocols import Protocol

TableFormat = Literal["csv", "latex", "markdown"]
"""Format of a table of scores."""

_COLUMNS = ("model", "protocol", "data", "images", "score", "value", "low", "high")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


@dataclass(frozen=True, eq=False, repr=False)
class Scoreboard:
    """Models that were evaluated by the same request on the same images.

    Attributes:
        reports: Reports of the models, in the order of the table.

    Example:
        >>> from pathlib import Path
        >>> from crackseg import load_model
        >>> from crackseg.datasets import find_samples
        >>> from crackseg.evaluation import EvaluationRequest, evaluate_model
        >>> samples, names = find_samples(Path("walls"), "test"), ("crackseg-mobile", "crackseg-synthetic")
        >>> reports = (evaluate_model(load_model(name), samples, EvaluationRequest()) for name in names)
        >>> [row["model"] for row in Scoreboard(tuple(reports)).rows() if row["score"] == "f1"]
        ['crackseg-mobile', 'crackseg-synthetic']
    """

    reports: tuple[EvaluationReport, ...]

    def __repr__(self) -> str:
        return f"Scoreboard({', '.join(repr(report) for report in self.reports)})"

    @property
    def errors(self) -> tuple[str, ...]:
        """Errors of the files that could not be scored."""
        return tuple(dict.fromkeys(error for report in self.reports for error in report.errors))

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """Protocols of the scores."""
        return self.reports[0].request.protocols

    def to_dict(self) -> dict[str, Any]:
        """Return all reports, ready for JSON."""
        return {"models": [report.to_dict() for report in self.reports]}

    def rows(self) -> list[dict[str, Any]]:
        """Return a dictionary per model and score, ready for a data frame."""
        return [row for report in self.reports for row in report.rows()]


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Scores as text cells.

    Attributes:
        title: Title of the table.
        head: Titles of the columns.
        rows: Cells of each row.
        named: Number of leading columns that hold names.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    named: int


def as_scoreboard(result: EvaluationReport | Comparison | Scoreboard) -> Scoreboard:
    """Return the models of any evaluation as a scoreboard."""
    match result:
        case Scoreboard():
            return result
        case Comparison():
            return Scoreboard((result.one, result.other))
        case _:
            return Scoreboard((result,))


def build_tables(scoreboard: Scoreboard) -> tuple[ScoreTable, ...]:
    """Return the tables of a scoreboard.

    Headline scores have a row for each model. The scores of a named protocol have a column for each model, and a table
    for each data set.
    """
    tables: list[ScoreTable] = []
    for protocol in scoreboard.protocols:
        if scoreboard.reports[0].request.scores(protocol) == HEADLINE:
            tables.append(_headline_table(scoreboard))
        else:
            names = scoreboard.reports[0].results
            tables += [_protocol_table(scoreboard, protocol, name) for name in names]
    return tuple(tables)


def _headline_table(scoreboard: Scoreboard) -> ScoreTable:
    rows = []
    for name in scoreboard.reports[0].results:
        for report in scoreboard.reports:
            estimates = report.estimates["native"][name]
            cells = (format_score(estimates[score.key].value, score.unit) for score in HEADLINE)
            spread = format_interval(estimates["f1"].interval)
            rows.append((name, report.model, str(report.results[name].images), *cells, spread))
    head = ("data", "model", "images", *(score.title for score in HEADLINE), "95 % interval of F1")
    return ScoreTable("protocol native", head, tuple(rows), named=2)


def _protocol_table(scoreboard: Scoreboard, protocol: Protocol, name: str) -> ScoreTable:
    rows = []
    for score in protocol.scores:
        estimates = (report.estimates[protocol.name][name][score.key] for report in scoreboard.reports)
        cells = (
            f"{format_score(each.value, score.unit)} {format_interval(each.interval, score.unit)}".strip()
            for each in estimates
        )
        rows.append((score.title, *cells))
    images = "/".join(dict.fromkeys(str(report.results[name].images) for report in scoreboard.reports))
    head = ("score", *(report.model for report in scoreboard.reports))
    return ScoreTable(f"protocol {protocol.name}, {name}, {images} images", head, tuple(rows), named=1)


def format_table(result: EvaluationReport | Comparison | Scoreboard, form: TableFormat) -> str:
    """Return the scores of an evaluation as a table.

    Args:
        result: An evaluation of any kind.
        form: ``csv`` has a row for each model and score, with full digits. ``latex`` needs the package booktabs.

    Example:
        >>> from pathlib import Path
        >>> from crackseg import load_model
        >>> from crackseg.datasets import find_samples
        >>> from crackseg.evaluation import EvaluationRequest, evaluate_model
        >>> report = evaluate_model(load_model(), find_samples(Path("walls"), "test"), EvaluationRequest())
        >>> format_table(report, "csv").splitlines()[0]
        'model,protocol,data,images,score,value,low,high'
    """
    scoreboard = as_scoreboard(result)
    if form == "csv":
        return _format_csv(scoreboard)
    tables = build_tables(scoreboard)
    if form == "latex":
        return "\n\n".join(table_to_latex(table) for table in tables)
    titles = [f"**{_escape_markdown(table.title)}**\n\n" if len(tables) > 1 else "" for table in tables]
    return "\n\n".join(f"{title}{table_to_markdown(table)}" for title, table in zip(titles, tables, strict=True))


def scoreboard_to_text(scoreboard: Scoreboard) -> str:
    """Format a scoreboard for the terminal, with the threshold of each model.

    Example:
        >>> from pathlib import Path
        >>> from crackseg.datasets import find_samples
        >>> from crackseg.evaluation import EvaluationRequest, evaluate_masks, match_masks
        >>> samples = find_samples(Path("walls"), "test")
        >>> masks = match_masks(Path("walls/masks"), samples)
        >>> report = evaluate_masks(masks, samples, EvaluationRequest(probabilities=False))
        >>> scoreboard_to_text(Scoreboard((report, report))).splitlines()[4].split()[:4]
        ['data', 'model', 'images', 'F1']
    """
    lines = [f"{report.model}, threshold {report.threshold_text}" for report in scoreboard.reports]
    return "\n\n".join(["\n".join(lines), *(_format_text(table) for table in build_tables(scoreboard))])


def scoreboard_to_markdown(scoreboard: Scoreboard) -> str:
    """Format a scoreboard as a Markdown document."""
    lines = ["# Evaluation of several models", ""]
    for report in scoreboard.reports:
        terms = f"threshold {report.threshold_text}; terms: {report.terms}"
        lines.append(f"- {_escape_markdown(report.model)}: {_escape_markdown(terms)}")
    for protocol in scoreboard.protocols:
        lines += ["", f"## Protocol {protocol.name}", ""]
        lines += [f"- {title}: {text}" for title, text in protocol.card("that of each model, above").items()]
    for table in build_tables(scoreboard):
        lines += ["", f"### {table.title}", "", table_to_markdown(table)]
    if scoreboard.errors:
        lines += ["", "## Not scored", "", *(f"- {_escape_markdown(error)}" for error in scoreboard.errors)]
    return "\n".join([*lines, ""])


def _format_csv(scoreboard: Scoreboard) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for report in scoreboard.reports:
        for row in report.rows():
            writer.writerow(row | {"images": report.results[row["data"]].images})
    return text.getvalue().rstrip("\n")


def _format_text(table: ScoreTable) -> str:
    grid = (table.head, *table.rows)
    widths = [max(len(row[column]) for row in grid) for column in range(len(table.head))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < table.named else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in grid
    ]
    return "\n".join([table.title, *lines])


def table_to_markdown(table: ScoreTable) -> str:
    """Format a table as Markdown."""
    marks = ["---" if column < table.named else "---:" for column in range(len(table.head))]
    return "\n".join(_join(row, "| ", " | ", " |", _escape_markdown) for row in (table.head, tuple(marks), *table.rows))


def table_to_latex(table: ScoreTable) -> str:
    """Format a table as LaTeX with booktabs, the title as a comment."""
    columns = "l" * table.named + "r" * (len(table.head) - table.named)
    rows = [_join(row, "", " & ", r" \\", _escape_latex) for row in (table.head, *table.rows)]
    return "\n".join(
        [
            f"% {table.title}; needs \\usepackage{{booktabs}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _join(cells: Sequence[str], start: str, between: str, end: str, escape: Callable[[str], str]) -> str:
    return f"{start}{between.join(escape(cell) for cell in cells)}{end}"


def _escape_markdown(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _escape_latex(text: str) -> str:
    # A "[" at the start of a row would be read as an option of the line break before it.
    escaped = "".join(_LATEX.get(character, character) for character in text)
    return f"{{{escaped}}}" if escaped.startswith("[") else escaped
