"""Build the HTML page of an evaluation or of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from crackseg.evaluation.chart import Curve, draw_chart, trace
from crackseg.evaluation.comparison import Comparison
from crackseg.evaluation.contrast import Contrast
from crackseg.evaluation.gallery import FALSE, HIT, MISSED, ErrorFigure
from crackseg.evaluation.report import EvaluationReport
from crackseg.evaluation.scoreboard import Scoreboard, build_tables
from crackseg.evaluation.text import format_interval, format_score, name_better
from crackseg.html import Markup, build_page, bullet_list, definitions, element, figure, table
from crackseg.metrics.protocols import Protocol

_LISTED = 200
_COLOURS = ((HIT, "hit"), (MISSED, "missed"), (FALSE, "false"))
_BRACKETS = "In brackets: 95 % bootstrap interval over images."
_COMPARED = "B - A with its 95 % interval from a paired bootstrap; bold where the interval excludes 0."
_UNDEFINED = '"-" is undefined; for F1, there is no crack and none is predicted.'
_DOT = "The dot on a curve is the threshold in use; dotted lines join points of equal F1."


def build_report_page(report: EvaluationReport) -> str:
    """Return an evaluation as an HTML page."""
    threshold = f"threshold {report.threshold_text}"
    curves = [curve for name, result in report.results.items() if (curve := trace(name, result)) is not None]
    body = [
        definitions({"terms of the model": report.terms}),
        *(part for protocol in report.request.protocols for part in _protocol(report, protocol)),
        *(_curves(curves) if report.request.probabilities else ()),
        *_figures(report.figures),
        *_images(report.by_image()),
        *_errors(report.errors),
    ]
    lead = f"{_count_by_set(report)}; {threshold}. {_BRACKETS}"
    return build_page(f"Evaluation of {report.model}", body, lead=lead)


def build_comparison_page(comparison: Comparison, contrasts: Sequence[Contrast] = ()) -> str:
    """Return a comparison as an HTML page.

    Args:
        comparison: The comparison.
        contrasts: Figures of images on which the models differ.
    """
    one, other = comparison.one, comparison.other
    curves = [
        curve
        for letter, report in (("A", one), ("B", other))
        for name, result in report.results.items()
        if (curve := trace(f"{letter}: {name}", result)) is not None
    ]
    body = [
        definitions({"terms of A": one.terms, "terms of B": other.terms}),
        *(part for protocol in one.request.protocols for part in _compared(comparison, protocol)),
        *(_curves(curves) if one.request.probabilities else ()),
        *_contrasts(contrasts),
        *_changes(comparison),
        *_errors(comparison.errors),
    ]
    lead = f"{_count_by_set(one)}; {_COMPARED}"
    return build_page(f"{one.model} (A) and {other.model} (B)", body, lead=lead)


def build_scoreboard_page(scoreboard: Scoreboard) -> str:
    """Return the scores of several models as an HTML page."""
    body = [
        definitions(
            {report.model: f"threshold {report.threshold_text}; {report.terms}" for report in scoreboard.reports}
        ),
        *(part for protocol in scoreboard.protocols for part in _card(protocol, protocol.card("that of each model"))),
        *(
            part
            for each in build_tables(scoreboard)
            for part in (element("h3", each.title), table(each.head, each.rows))
        ),
        *_errors(scoreboard.errors),
    ]
    return build_page("Evaluation of several models", body, lead=f"{_count_by_set(scoreboard.reports[0])}. {_BRACKETS}")


def _count_by_set(report: EvaluationReport) -> str:
    sets = ((name, result.images) for name, result in report.results.items() if name != report.total)
    return ", ".join(f"{name}: {images} {'image' if images == 1 else 'images'}" for name, images in sets)


def _protocol(report: EvaluationReport, protocol: Protocol) -> Iterator[Markup]:
    yield from _card(protocol, report.card(protocol))
    names = tuple(report.results)
    estimates = report.estimates[protocol.name]
    rows = []
    for score in protocol.scores:
        cells = [score.title]
        for name in names:
            estimate = estimates[name][score.key]
            spread = format_interval(estimate.interval, score.unit) or "\N{NO-BREAK SPACE}"
            cells.append(Markup(format_score(estimate.value, score.unit) + element("small", spread)))
        rows.append(cells)
    yield table(["score", *(f"{name} ({report.results[name].images})" for name in names)], rows)


def _compared(comparison: Comparison, protocol: Protocol) -> Iterator[Markup]:
    yield from _card(protocol, comparison.card(protocol))
    for name, differences in comparison.differences[protocol.name].items():
        yield element("h3", f"{name}, {comparison.one.results[name].images} images")
        rows = []
        for score in comparison.one.request.scores(protocol):
            difference = differences[score.key]
            change = format_score(difference.value, score.unit, signed=True)
            rows.append(
                [
                    score.title,
                    format_score(difference.one, score.unit),
                    format_score(difference.other, score.unit),
                    element("b", change) if difference.certain else change,
                    format_interval(difference.interval, score.unit, signed=True),
                    name_better(score, difference),
                ]
            )
        yield table(["score", "A", "B", "B - A", "95 % interval", "better"], rows)


def _card(protocol: Protocol, card: Mapping[str, str]) -> Iterator[Markup]:
    mark = element("span", "oracle: sees the test masks", css="outlined") if protocol.oracle else ""
    yield element("h2", f"Protocol {protocol.name} ", mark)
    yield definitions(card)


def _curves(curves: Sequence[Curve]) -> Iterator[Markup]:
    yield element("h2", "Precision and recall over all thresholds")
    yield element("p", _DOT, css="soft")
    yield draw_chart(curves)


def _legend() -> Markup:
    keys = (
        (element("span", css="key", attributes={"style": f"background: rgb{colour}"}), title)
        for colour, title in _COLOURS
    )
    return element("p", *(part for key in keys for part in key))


def _figures(figures: Iterable[ErrorFigure]) -> Iterator[Markup]:
    yield element("h2", "Where the model is right and wrong, worst images first")
    yield _legend()
    elements = [
        figure(
            f"{drawn.group}: {drawn.name}, F1 {drawn.f1:.3f}, {drawn.wrong_px} wrong pixels",
            {"image": drawn.image, "hit, missed and false pixels": drawn.errors},
        )
        for drawn in figures
    ]
    yield element("div", *elements, css="gallery")


def _contrasts(contrasts: Sequence[Contrast]) -> Iterator[Markup]:
    if not contrasts:
        return
    yield element("h2", "Where A (middle) and B (right) differ: first where B loses most, last where it gains most")
    yield _legend()
    figures = []
    for contrast in contrasts:
        change = contrast.change
        caption = (
            f"{change.group}: {change.image}, F1 of A {format_score(change.one)}, of B {format_score(change.other)}"
        )
        figures.append(figure(caption, {"image": contrast.image, "A": contrast.one, "B": contrast.other}))
    yield element("div", *figures, css="gallery single")


def _images(entries: list[dict[str, Any]]) -> Iterator[Markup]:
    yield element("h2", "Images, worst first")
    yield element("p", _UNDEFINED, css="soft")
    keys = ("f1", "precision", "recall", "iou", "f1_2px")
    rows = [
        [
            f"{entry['data']}: {entry['image']}",
            *(format_score(entry[key]) for key in keys),
            *(str(entry[key]) for key in ("crack_px", "called_px")),
        ]
        for entry in entries[:_LISTED]
    ]
    yield table(["image", "F1", "precision", "recall", "IoU", "F1 2 px", "crack px", "predicted px"], rows)
    yield from _rest(len(entries))


def _changes(comparison: Comparison) -> Iterator[Markup]:
    yield element("h2", "Images, those first on which B loses most")
    yield element("p", _UNDEFINED, css="soft")
    changes = comparison.changes()
    rows = [
        [
            f"{change.group}: {change.image}",
            format_score(change.one),
            format_score(change.other),
            format_score(change.value, signed=True),
        ]
        for change in changes[:_LISTED]
    ]
    yield table(["image", "F1 of A", "F1 of B", "B - A"], rows)
    yield from _rest(len(changes))


def _rest(count: int) -> Iterator[Markup]:
    if count > _LISTED:
        yield element("p", f"{count - _LISTED} more are in evaluation.json.", css="soft")


def _errors(errors: Sequence[str]) -> Iterator[Markup]:
    if errors:
        yield element("h2", "Not scored")
        yield bullet_list(errors)
