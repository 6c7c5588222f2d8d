"""Evaluations as one HTML page that needs no other file: cards, scores, curve, and the worst images first."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from crackseg.evaluation.chart import Curve, draw_chart, trace
from crackseg.evaluation.comparison import Comparison
from crackseg.evaluation.contrast import Contrast
from crackseg.evaluation.gallery import FALSE, HIT, MISSED, Picture
from crackseg.evaluation.report import Report
from crackseg.evaluation.text import show, show_interval, tell_better
from crackseg.metrics.protocols import Protocol

_LISTED = 200
_TITLES = ((HIT, "hit"), (MISSED, "missed"), (FALSE, "false"))
_BRACKETS = "In brackets: 95 % bootstrap interval over images."
_COMPARED = "B - A, with its 95 % interval from images drawn in pairs; bold where that leaves out 0."
_UNDEFINED = '<p class="soft">"-" is undefined; for F1, there is no crack and none is called.</p>'
_DOT = '<p class="soft">The dot on a curve is the threshold in use; dotted lines join points of equal F1.</p>'

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; --back: #fff; --text: #1d1d22;
  --soft: #5b5b66; --line: #d6d6de; --card: #f5f5f8; --warn: #a34a00; }
@media (prefers-color-scheme: dark) { :root { --back: #17181c; --text: #e6e6ea; --soft: #a5a5b2; --line: #3b3c46;
  --card: #212329; --warn: #ffb066; } }
body { max-width: 1120px; margin: 1.5em auto 3em; padding: 0 1em; background: var(--back); color: var(--text); }
h1 { font-size: 1.45em; margin: 0 0 .2em; overflow-wrap: anywhere; } h2 { font-size: 1.15em; margin: 1.8em 0 .4em; }
h3 { font-size: 1em; margin: 1em 0 .3em; overflow-wrap: anywhere; } .soft { color: var(--soft); }
.oracle { color: var(--warn); border: 1px solid; border-radius: .3em; padding: 0 .4em; font-size: .8em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1em; background: var(--card); padding: .6em 1em;
  border-radius: .4em; margin: .4em 0 .8em; } dt { color: var(--soft); } dd { margin: 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2em .7em; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } td.name { text-align: left; white-space: normal;
  overflow-wrap: anywhere; } td small { display: block; color: var(--soft); }
svg { max-width: 100%; height: auto; } svg text { fill: var(--text); font-size: 13px; }
.key { display: inline-block; width: .9em; height: .9em; border-radius: .2em; vertical-align: -.1em;
  margin: 0 .3em 0 .9em; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); gap: 1em; }
.three { grid-template-columns: 1fr; max-width: 900px; } .three figure div { grid-template-columns: 1fr 1fr 1fr; }
figure { margin: 0; background: var(--card); padding: .5em; border-radius: .4em; }
figure div { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; } figure img { width: 100%; display: block;
  image-rendering: pixelated; } figcaption { font-size: .9em; margin-top: .3em; overflow-wrap: anywhere; }
"""
_KEY = "".join(
    ("<p>", *(f'<span class="key" style="background: rgb{colour}"></span>{title}' for colour, title in _TITLES), "</p>")
)
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def build_page(report: Report) -> str:
    """Return an evaluation as an HTML page. Whatever stands in a name comes out as text."""
    threshold = f"threshold {report.threshold:g} ({report.threshold_from})"
    parts = [
        *_head(f"Evaluation of {report.model}", f"{_count_by_set(report)}; {threshold}. {_BRACKETS}"),
        *(part for protocol in report.question.protocols for part in _protocol(report, protocol)),
        "<h2>Precision and recall over all thresholds</h2>",
        _DOT,
        draw_chart([curve for name, result in report.results.items() if (curve := trace(name, result)) is not None]),
        *_pictures(report.pictures),
        "<h2>Images, worst first</h2>",
        _UNDEFINED,
        *_images(report.by_image()),
        *_errors(report.errors),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def build_comparison_page(comparison: Comparison, contrasts: Sequence[Contrast] = ()) -> str:
    """Return a comparison as an HTML page, with pictures of images on which the models differ."""
    one, other = comparison.one, comparison.other
    curves: list[Curve] = []
    for letter, report in (("A", one), ("B", other)):
        found = (trace(f"{letter}: {name}", result) for name, result in report.results.items())
        curves += [curve for curve in found if curve is not None]
    parts = [
        *_head(f"{one.model} (A) and {other.model} (B)", f"{_count_by_set(one)}; {_COMPARED}"),
        *(part for protocol in one.question.protocols for part in _compared(comparison, protocol)),
        "<h2>Precision and recall over all thresholds</h2>",
        _DOT,
        draw_chart(curves),
        *_contrasts(contrasts),
        "<h2>Images, those first on which B loses most</h2>",
        _UNDEFINED,
        *_changes(comparison),
        *_errors(comparison.errors),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _count_by_set(report: Report) -> str:
    sets = ((name, result.images) for name, result in report.results.items() if name != report.total)
    return ", ".join(f"{name}: {images} {'image' if images == 1 else 'images'}" for name, images in sets)


def _head(title: str, line: str) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    yield f'<h1>{escape(title)}</h1><p class="soft">{escape(line)}</p>'


def _protocol(report: Report, protocol: Protocol) -> Iterator[str]:
    yield from _card(protocol, report.card(protocol))
    names = tuple(report.results)
    estimates = report.estimates[protocol.name]
    rows = [
        [
            escape(score.title),
            *(
                f"{show(each.value, score.unit)}<small>{show_interval(each.interval, score.unit) or '&nbsp;'}</small>"
                for each in (estimates[name][score.key] for name in names)
            ),
        ]
        for score in protocol.scores
    ]
    yield _table(["score", *(f"{name} ({report.results[name].images})" for name in names)], rows)


def _compared(comparison: Comparison, protocol: Protocol) -> Iterator[str]:
    yield from _card(protocol, comparison.card(protocol))
    for name, differences in comparison.differences[protocol.name].items():
        yield f"<h3>{escape(name)}, {comparison.one.results[name].images} images</h3>"
        rows = []
        for score in comparison.one.question.scores(protocol):
            found = differences[score.key]
            change = show(found.value, score.unit, signed=True)
            rows.append(
                [
                    escape(score.title),
                    show(found.one, score.unit),
                    show(found.other, score.unit),
                    f"<b>{change}</b>" if found.certain else change,
                    show_interval(found.interval, score.unit, signed=True),
                    tell_better(score, found),
                ]
            )
        yield _table(["score", "A", "B", "B - A", "95 % interval", "better"], rows)


def _card(protocol: Protocol, card: Mapping[str, str]) -> Iterator[str]:
    mark = ' <span class="oracle">oracle: sees the test masks</span>' if protocol.oracle else ""
    yield f"<h2>Protocol {protocol.name}{mark}</h2><dl>"
    yield from (f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in card.items())
    yield "</dl>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; the cells are HTML already, the head is not."""
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table></div>'


def _pictures(pictures: Iterable[Picture]) -> Iterator[str]:
    yield "<h2>Where it is right and wrong, worst images first</h2>"
    yield _KEY
    yield '<div class="gallery">'
    for picture in pictures:
        caption = f"{picture.group}: {picture.name}, F1 {picture.f1:.3f}, {picture.wrong_px} wrong pixels"
        errors = "hit, missed and false pixels"
        yield _figure(caption, {"photograph": picture.photo, errors: picture.errors})
    yield "</div>"


def _contrasts(contrasts: Sequence[Contrast]) -> Iterator[str]:
    if not contrasts:
        return
    yield "<h2>Where A (middle) and B (right) differ: first where B loses most, last where it gains most</h2>"
    yield _KEY
    yield '<div class="gallery three">'
    for contrast in contrasts:
        change = contrast.change
        caption = f"{change.group}: {change.image}, F1 of A {show(change.one)}, of B {show(change.other)}"
        yield _figure(caption, {"photograph": contrast.photo, "A": contrast.one, "B": contrast.other})
    yield "</div>"


def _figure(caption: str, pictures: Mapping[str, bytes]) -> str:
    """Return JPEG pictures, by what they show, beside each other."""
    cells = (
        f'<img src="data:image/jpeg;base64,{base64.b64encode(data).decode("ascii")}" alt="{title}">'
        for title, data in pictures.items()
    )
    return f"<figure><div>{''.join(cells)}</div><figcaption>{escape(caption)}</figcaption></figure>"


def _images(entries: list[dict[str, Any]]) -> Iterator[str]:
    keys = ("f1", "precision", "recall", "iou", "f1_2px")
    rows = [
        [
            escape(f"{entry['data']}: {entry['image']}"),
            *(show(entry[key]) for key in keys),
            *(str(entry[key]) for key in ("crack_px", "called_px")),
        ]
        for entry in entries[:_LISTED]
    ]
    yield _table(["image", "F1", "precision", "recall", "IoU", "F1 2 px", "crack px", "called px"], rows)
    if len(entries) > _LISTED:
        yield f'<p class="soft">{len(entries) - _LISTED} more are in evaluation.json.</p>'


def _changes(comparison: Comparison) -> Iterator[str]:
    found = comparison.changes()
    rows = [
        [
            escape(f"{change.group}: {change.image}"),
            show(change.one),
            show(change.other),
            show(change.value, signed=True),
        ]
        for change in found[:_LISTED]
    ]
    yield _table(["image", "F1 of A", "F1 of B", "B - A"], rows)
    if len(found) > _LISTED:
        yield f'<p class="soft">The other {len(found) - _LISTED} are in evaluation.json.</p>'


def _errors(errors: Iterable[str]) -> Iterator[str]:
    found = [f"<li>{escape(error)}</li>" for error in errors]
    if found:
        yield f"<h2>Not scored</h2><ul>{''.join(found)}</ul>"
