"""Format evaluations and comparisons as plain text and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping

from crackseg.evaluation.comparison import Comparison, Difference
from crackseg.evaluation.report import EvaluationReport
from crackseg.evaluation.table import Estimate, Evaluation
from crackseg.metrics.protocols import Protocol
from crackseg.metrics.scores import Score, Unit

_WORST = 20


def format_score(value: float | None, unit: Unit = "", *, signed: bool = False) -> str:
    """Format a score with its unit.

    Scores have three digits, percentages from 10 on have one. An undefined score is "-".

    Example:
        >>> format_score(0.25), format_score(0.0125, "%"), format_score(0.4, "%", signed=True), format_score(None)
        ('0.250', '1.250 %', '+40.0 %', '-')
    """
    if value is None:
        return "-"
    sign = "+" if signed else ""
    match unit:
        case "%":
            digits = 3 if abs(value) < 0.1 else 1
            return f"{100 * value:{sign}.{digits}f} %"
        case "px":
            return f"{value:{sign}.2f} px"
        case "/Mpx":
            return f"{value:{sign}.1f} /Mpx"
        case _:
            return f"{value:{sign}.3f}"


def format_interval(interval: tuple[float, float] | None, unit: Unit = "", *, signed: bool = False) -> str:
    """Format an interval as ``[low, high]``; empty where there is none."""
    if interval is None:
        return ""
    return f"[{format_score(interval[0], unit, signed=signed)}, {format_score(interval[1], unit, signed=signed)}]"


def report_to_text(report: EvaluationReport) -> str:
    """Format an evaluation for the terminal.

    Without a named protocol, the text is one line of headline scores per data set.

    Example:
        >>> from pathlib import Path
        >>> from crackseg import load_model
        >>> from crackseg.datasets import find_samples
        >>> from crackseg.evaluation import EvaluationRequest, evaluate_model
        >>> report = evaluate_model(load_model(), find_samples(Path("walls"), "test"), EvaluationRequest())
        >>> report_to_text(report).splitlines()[1][:37]
        'data   images     F1  precision  reca'
    """
    if report.request.protocol is None:
        first = f"{report.model}, protocol native, threshold {report.threshold_text}"
        headline = f"{first}\n{_headline(report)}"
        return "\n\n".join([headline, *(_scores(report, each) for each in report.request.protocols[1:])])
    return "\n\n".join(_scores(report, protocol) for protocol in report.request.protocols)


def _scores(report: EvaluationReport, protocol: Protocol) -> str:
    lines = [f"{report.model}, protocol {protocol.name}", *_card(report.card(protocol))]
    for name, estimates in report.estimates[protocol.name].items():
        result = report.results[name]
        lines.append(f"{name}, {_count(result)}{'; in brackets: 95 % intervals over images' * (result.images > 1)}")
        lines += [_line(score, estimates[score.key]) for score in protocol.scores]
    return "\n".join(lines)


def _card(card: Mapping[str, str]) -> list[str]:
    return [
        line
        for title, text in card.items()
        for line in textwrap.wrap(text, 118, initial_indent=f"  {title:<11}  ", subsequent_indent=" " * 15)
    ]


def _count(result: Evaluation) -> str:
    return f"{result.images} image" if result.images == 1 else f"{result.images} images"


def _line(score: Score, estimate: Estimate) -> str:
    spread = format_interval(estimate.interval, score.unit)
    return f"  {score.title:<36}  {format_score(estimate.value, score.unit):>11}  {spread}".rstrip()


def _headline(report: EvaluationReport) -> str:
    width = max((len(name) for name in report.results), default=4)
    keys = ("f1", "precision", "recall", "iou", "f1_2px")
    lines = [f"{'data':<{width}}  images     F1  precision  recall    IoU  F1 2px  false alarm  95 % interval of F1"]
    for name, result in report.results.items():
        scores = result.scores()
        f1, precision, recall, iou, f1_2px = (f"{format_score(scores[key]):>5}" for key in keys)
        alarm = format_score(scores["false_alarm"], "%")
        spread = format_interval(report.estimates["native"][name]["f1"].interval)
        row = f"{name:<{width}}  {result.images:>6}  {f1}  {precision:>9}  {recall:>6}  {iou}  {f1_2px:>6}  {alarm:>11}"
        lines.append(f"{row}  {spread}".rstrip())
    return "\n".join(lines)


def comparison_to_text(comparison: Comparison) -> str:
    """Format a comparison for the terminal.

    ``*`` marks the differences whose interval excludes 0.

    Example:
        >>> from pathlib import Path
        >>> from crackseg import load_model
        >>> from crackseg.datasets import find_samples
        >>> from crackseg.evaluation import EvaluationRequest, evaluate_model
        >>> report = evaluate_model(load_model(), find_samples(Path("walls"), "test"), EvaluationRequest())
        >>> comparison_to_text(Comparison(report, report)).splitlines()[2]
        'protocol native'
    """
    reports = (("A", comparison.one), ("B", comparison.other))
    lines = [f"{letter}  {each.model}, threshold {each.threshold_text}" for letter, each in reports]
    request = comparison.one.request
    for protocol in request.protocols:
        lines.append(f"protocol {protocol.name}")
        if request.protocol is not None:
            lines += _card(comparison.card(protocol))
        for name, differences in comparison.differences[protocol.name].items():
            count = _count(comparison.one.results[name])
            lines.append(f"{name}, {count}".ljust(38) + f"  {'A':>11}  {'B':>11}  {'B - A':>11}  95 % interval")
            lines += [_difference(score, differences[score.key]) for score in request.scores(protocol)]
    return "\n".join(lines)


def _difference(score: Score, difference: Difference) -> str:
    cells = [
        format_score(difference.one, score.unit),
        format_score(difference.other, score.unit),
        format_score(difference.value, score.unit, signed=True),
    ]
    spread = format_interval(difference.interval, score.unit, signed=True)
    mark = f" * {name_better(score, difference)}".rstrip() if difference.certain else ""
    return f"  {score.title:<36}  {'  '.join(f'{cell:>11}' for cell in cells)}  {spread}{mark}"


def name_better(score: Score, difference: Difference) -> str:
    """Name the better model where the interval excludes 0; empty elsewhere."""
    if not difference.certain or difference.value is None or score.better not in ("higher", "lower"):
        return ""
    return "B better" if (difference.value > 0) == (score.better == "higher") else "A better"


def report_to_markdown(report: EvaluationReport) -> str:
    """Format an evaluation as Markdown, with the worst images."""
    lines = [f"# Evaluation of {_escape(report.model)}", "", f"Terms of the model: {_escape(report.terms)}", ""]
    for protocol in report.request.protocols:
        lines += _markdown_head(protocol, report.card(protocol))
        names = tuple(report.results)
        lines += _markdown_row(("score", *(f"{name}, {_count(report.results[name])}" for name in names)), head=True)
        for score in protocol.scores:
            estimates = [report.estimates[protocol.name][name][score.key] for name in names]
            cells = (
                f"{format_score(each.value, score.unit)} {format_interval(each.interval, score.unit)}".strip()
                for each in estimates
            )
            lines += _markdown_row((score.title, *cells))
        lines.append("")
    lines += ["In brackets: 95 % bootstrap interval over images.", ""]
    return "\n".join([*lines, *_markdown_worst(report), *_markdown_errors(report.errors)])


def _markdown_worst(report: EvaluationReport) -> Iterator[str]:
    yield "## Worst images by F1"
    yield ""
    yield from _markdown_row(("data", "image", "F1", "precision", "recall", "F1 2 px"), head=True)
    for entry in report.by_image()[:_WORST]:
        cells = (format_score(entry[key]) for key in ("f1", "precision", "recall", "f1_2px"))
        yield from _markdown_row((entry["data"], entry["image"], *cells))
    yield ""


def _markdown_errors(errors: Iterable[str]) -> Iterator[str]:
    lines = [f"- {_escape(error)}" for error in errors]
    if lines:
        yield from ("## Not scored", "", *lines, "")


def comparison_to_markdown(comparison: Comparison) -> str:
    """Format a comparison as Markdown."""
    one, other = (_escape(each.model) for each in (comparison.one, comparison.other))
    lines = [f"# {one} (A) and {other} (B)", ""]
    for letter, report in (("A", comparison.one), ("B", comparison.other)):
        lines += [f"Terms of {letter}: {_escape(report.terms)}", ""]
    for protocol in comparison.one.request.protocols:
        lines += _markdown_head(protocol, comparison.card(protocol))
        for name, differences in comparison.differences[protocol.name].items():
            lines += [f"### {_escape(name)}, {_count(comparison.one.results[name])}", ""]
            lines += _markdown_row(("score", "A", "B", "B - A", "95 % interval", "better"), head=True)
            for score in comparison.one.request.scores(protocol):
                difference = differences[score.key]
                cells = (format_score(difference.one, score.unit), format_score(difference.other, score.unit))
                spread = format_interval(difference.interval, score.unit, signed=True)
                change = format_score(difference.value, score.unit, signed=True)
                lines += _markdown_row(
                    (
                        score.title,
                        *cells,
                        f"**{change}**" if difference.certain else change,
                        spread,
                        name_better(score, difference),
                    )
                )
            lines.append("")
    lines += ["Bold: the 95 % interval of the paired bootstrap excludes 0.", ""]
    return "\n".join([*lines, *_markdown_changes(comparison), *_markdown_errors(comparison.errors)])


def _markdown_changes(comparison: Comparison) -> Iterator[str]:
    yield from ("## Images, those first on which B loses most", "")
    yield from _markdown_row(("data", "image", "F1 of A", "F1 of B", "B - A"), head=True)
    for change in comparison.changes()[:_WORST]:
        cells = (format_score(change.one), format_score(change.other), format_score(change.value, signed=True))
        yield from _markdown_row((change.group, change.image, *cells))
    yield ""


def _markdown_head(protocol: Protocol, card: Mapping[str, str]) -> list[str]:
    mark = " (oracle)" if protocol.oracle else ""
    return [f"## Protocol {protocol.name}{mark}", "", *(f"- {title}: {text}" for title, text in card.items()), ""]


def _markdown_row(cells: tuple[str, ...], *, head: bool = False) -> list[str]:
    row = f"| {' | '.join(_escape(cell) for cell in cells)} |"
    return [row, f"|{'---|' * len(cells)}"] if head else [row]


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
