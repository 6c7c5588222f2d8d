"""Draw precision-recall curves as one SVG figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from crackseg.evaluation.table import HEADLINE, Evaluation
from crackseg.html import Markup, element, escape
from crackseg.metrics.curve import Floats, precision_recall
from crackseg.metrics.scores import CURVE

_SIDE, _LEFT, _TOP, _LEGEND = 360, 52, 14, 330
# Okabe and Ito's colours, which colour-blind readers can distinguish; further curves repeat them, dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A precision-recall curve.

    Attributes:
        title: Name of the curve in the legend.
        precision: ``(K,)`` float64 precision at K rising thresholds, in [0, 1].
        recall: ``(K,)`` float64 recall at the same thresholds, in [0, 1].
        chosen: Recall and precision at the threshold in use.
        average_precision: Area under the curve.
    """

    title: str
    precision: Floats
    recall: Floats
    chosen: tuple[float, float]
    average_precision: float


def trace(title: str, evaluation: Evaluation) -> Curve | None:
    """Return the curve of the pooled pixels of an evaluation.

    The result is None where there is no crack, or where the part ``curve`` was not counted.
    """
    scores = {score.key: score for score in (*CURVE, *HEADLINE)}
    if "probability_crack" not in evaluation.columns:
        return None
    sums = evaluation.sums()
    if not sums["probability_crack"].any():
        return None
    values = evaluation.scores(tuple(scores.values()))
    precision, recall = precision_recall(sums["probability_crack"], sums["probability_background"])
    chosen = values["recall"] or 0.0, 1.0 if values["precision"] is None else values["precision"]
    return Curve(title, precision, recall, chosen, values["ap"] or 0.0)


def draw_chart(curves: Sequence[Curve]) -> Markup:
    """Return the curves as an SVG element with a legend.

    The dot on each curve is the threshold in use.
    """
    if not curves:
        return element("p", "There is no crack in these images, and so no curve.")
    height = max(_SIDE + _TOP + 44, _TOP + 22 * len(curves) + 20)
    width = _LEFT + _SIDE + _LEGEND
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        'aria-label="Precision over recall">',
        *_axes(),
    ]
    for number, curve in enumerate(curves):
        parts += _curve(curve, number)
    return Markup("\n".join([*parts, "</svg>"]))


def _place(recall: float, precision: float) -> tuple[float, float]:
    return _LEFT + _SIDE * recall, _TOP + _SIDE * (1 - precision)


def _axes() -> Iterator[str]:
    for step in range(0, 11, 2):
        share = step / 10
        x, y = _place(share, share)
        yield (
            f'<path d="M{x:.1f} {_TOP}V{_TOP + _SIDE}M{_LEFT} {y:.1f}H{_LEFT + _SIDE}" stroke="currentColor" '
            'stroke-opacity=".18" fill="none"/>'
        )
        yield f'<text x="{x:.1f}" y="{_TOP + _SIDE + 18}" text-anchor="middle">{share:.1f}</text>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:.1f}</text>'
    middle = _TOP + _SIDE / 2
    yield f'<text x="{_LEFT + _SIDE / 2}" y="{_TOP + _SIDE + 38}" text-anchor="middle">recall</text>'
    yield f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">precision</text>'
    for f1 in (0.5, 0.6, 0.7, 0.8, 0.9):
        recall = np.linspace(f1 / (2 - f1), 1, 40)
        line = _path(recall, f1 * recall / (2 * recall - f1))
        x, y = _place(1, f1 / (2 - f1))
        yield f'<path d="{line}" stroke="currentColor" stroke-opacity=".3" stroke-dasharray="2 4" fill="none"/>'
        yield f'<text x="{x + 4:.1f}" y="{y + 4:.1f}" opacity=".6">F1 {f1:.1f}</text>'


def _curve(curve: Curve, number: int) -> Iterator[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    dash = ' stroke-dasharray="7 3"' if number >= len(_COLOURS) else ""
    x, y = _place(*curve.chosen)
    row = _TOP + 22 * number + 10
    left = _LEFT + _SIDE + 58
    yield f'<path d="{_path(curve.recall, curve.precision)}" stroke="{colour}" stroke-width="2" fill="none"{dash}/>'
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
    yield f'<path d="M{left} {row}h24" stroke="{colour}" stroke-width="3"{dash}/>'
    yield f'<text x="{left + 32}" y="{row + 5}">{escape(curve.title)}, AP {curve.average_precision:.3f}</text>'


def _path(recall: Floats, precision: Floats) -> str:
    places = (_place(float(one), float(other)) for one, other in zip(recall, precision, strict=True))
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
