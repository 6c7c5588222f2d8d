"""Define every score as a function of summed counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from crackseg.metrics.curve import Floats, average_precision, share
from crackseg.metrics.sweep import STEPS

Sums = Mapping[str, Floats]
"""Sums over images by name: float64 ``(...)``, or ``(..., K)`` with an entry per tolerance or threshold.

The leading axes are empty for a data set, and those of the samples for a bootstrap."""

TOLERANCES_PX = (0, 1, 2, 3, 4, 5)
"""Tolerances of the tolerant scores, in pixels."""

Unit = Literal["", "%", "px", "/Mpx"]


@dataclass(frozen=True, slots=True)
class Score:
    """Definition of one number of a report.

    Attributes:
        key: Name in JSON.
        title: Name in reports.
        formula: Function from sums to ``(...)`` float64 values; NaN where the score is undefined.
        unit: Unit; "%" prints the value times 100.
        better: Better direction; "zero" for a signed error, "neither" for a number without merit.
    """

    key: str
    title: str
    formula: Callable[[Sums], Floats]
    unit: Unit = ""
    better: Literal["higher", "lower", "zero", "neither"] = "higher"


def precision(sums: Sums) -> Floats:
    """Return the share of predicted crack pixels that are crack, ``(...)``."""
    return share(sums["true_positive"], sums["true_positive"] + sums["false_positive"])


def recall(sums: Sums) -> Floats:
    """Return the share of crack pixels that are predicted, ``(...)``."""
    return share(sums["true_positive"], sums["true_positive"] + sums["false_negative"])


def f1(sums: Sums) -> Floats:
    """Return the harmonic mean of precision and recall, ``(...)``.

    It is NaN if there is neither a true nor a predicted crack.
    """
    wrong = sums["false_positive"] + sums["false_negative"]
    return share(2 * sums["true_positive"], 2 * sums["true_positive"] + wrong)


def iou(sums: Sums) -> Floats:
    """Return the intersection over union of the crack class, ``(...)``."""
    wrong = sums["false_positive"] + sums["false_negative"]
    return share(sums["true_positive"], sums["true_positive"] + wrong)


def false_alarm(sums: Sums) -> Floats:
    """Return the share of background pixels predicted as crack, ``(...)``."""
    return share(sums["false_positive"], sums["false_positive"] + sums["true_negative"])


def _ratio(sums: Sums, part: str, whole: str) -> Floats:
    return share(sums[part], sums[whole])


def _harmonic(one: Floats, other: Floats) -> Floats:
    """Return the harmonic mean; one undefined value counts as 0."""
    both = np.isnan(one) & np.isnan(other)
    one, other = np.nan_to_num(one), np.nan_to_num(other)
    return np.where(both, np.nan, np.nan_to_num(share(2 * one * other, one + other)))


def _tolerant_precision(sums: Sums, tolerance_px: int) -> Floats:
    near = sums["called_near"][..., TOLERANCES_PX.index(tolerance_px)]
    return share(near, sums["true_positive"] + sums["false_positive"])


def _tolerant_recall(sums: Sums, tolerance_px: int) -> Floats:
    near = sums["crack_near"][..., TOLERANCES_PX.index(tolerance_px)]
    return share(near, sums["true_positive"] + sums["false_negative"])


def _tolerant_f1(sums: Sums, tolerance_px: int) -> Floats:
    return _harmonic(_tolerant_precision(sums, tolerance_px), _tolerant_recall(sums, tolerance_px))


def _boundary_f1(sums: Sums) -> Floats:
    return _harmonic(
        share(sums["called_boundary_near"], sums["called_boundary"]),
        share(sums["crack_boundary_near"], sums["crack_boundary"]),
    )


def _false_per_mpx(sums: Sums) -> Floats:
    return share(1e6 * sums["false_calls"], sums["area_px"])


def _length_bias(sums: Sums) -> Floats:
    return share(sums["called_length_px"] - sums["crack_length_px"], sums["crack_length_px"])


def _cldice(sums: Sums) -> Floats:
    return _harmonic(
        share(sums["called_line_inside"], sums["called_line"]), share(sums["true_line_inside"], sums["true_line"])
    )


def _cliou(sums: Sums) -> Floats:
    return share(sums["true_line_near"], sums["true_line"] + sums["called_line"] - sums["called_line_near"])


def _average_precision(sums: Sums) -> Floats:
    return average_precision(sums["probability_crack"], sums["probability_background"])


def _swept_means(sums: Sums, name: str) -> Floats:
    return share(sums[name], sums["images"][..., None])


def _swept_f1(sums: Sums) -> Floats:
    return share(2 * sums["swept_hits"], sums["swept_called"] + sums["swept_crack"][..., None])


def _swept_iou(sums: Sums) -> Floats:
    hits = sums["swept_hits"]
    return share(hits, sums["swept_called"] + sums["swept_crack"][..., None] - hits)


def _at_best_f1(sums: Sums, values: Floats) -> Floats:
    """Return the entry of ``(..., STEPS)`` values with the highest pooled F1."""
    scores = _swept_f1(sums)
    best = np.nan_to_num(scores, nan=-1.0).argmax(axis=-1)[..., None]
    return np.take_along_axis(np.broadcast_to(values, scores.shape), best, axis=-1)[..., 0]


def _oracle_threshold(sums: Sums) -> Floats:
    return np.where(sums["swept_crack"] > 0, _at_best_f1(sums, np.arange(STEPS) / STEPS), np.nan)


PLAIN = (
    Score("f1", "F1", f1),
    Score("precision", "precision", precision),
    Score("recall", "recall", recall),
    Score("iou", "IoU", iou),
    *(
        score
        for px in (2, 5)
        for score in (
            Score(f"f1_{px}px", f"F1 {px} px", partial(_tolerant_f1, tolerance_px=px)),
            Score(f"precision_{px}px", f"precision {px} px", partial(_tolerant_precision, tolerance_px=px)),
            Score(f"recall_{px}px", f"recall {px} px", partial(_tolerant_recall, tolerance_px=px)),
        )
    ),
    Score("false_alarm", "false alarm", false_alarm, "%", "lower"),
    *(Score(f"f1_{px}px", f"F1 {px} px", partial(_tolerant_f1, tolerance_px=px)) for px in (0, 1, 3, 4)),
    Score("f1_mean", "F1, mean of images", partial(_ratio, part="image_f1", whole="image_f1_defined")),
    Score("iou_mean", "IoU, mean of images", partial(_ratio, part="image_iou", whole="image_f1_defined")),
    Score(
        "false_alarm_clean",
        "false alarm on crack-free images",
        partial(_ratio, part="clean_called_px", whole="clean_px"),
        "%",
        "lower",
    ),
    Score(
        "clean_images_alarmed",
        "crack-free images with a false call",
        partial(_ratio, part="clean_alarmed", whole="clean_images"),
        "%",
        "lower",
    ),
)
"""Scores of pixels, exact and within a tolerance."""

SHAPES = (
    Score("boundary_f1", "boundary F1, 2 px", _boundary_f1),
    Score("detection_rate", "cracks found", partial(_ratio, part="detected", whole="cracks")),
    Score("false_per_mpx", "false calls", _false_per_mpx, "/Mpx", "lower"),
)
"""Scores of outlines and of connected components."""

SIZES = (
    Score(
        "length_error",
        "length error",
        partial(_ratio, part="length_error_px", whole="crack_length_px"),
        "%",
        "lower",
    ),
    Score("length_bias", "length bias", _length_bias, "%", "zero"),
    Score("width_error_px", "width error", partial(_ratio, part="width_error_px", whole="width_images"), "px", "lower"),
    Score("width_bias_px", "width bias", partial(_ratio, part="width_bias_px", whole="width_images"), "px", "zero"),
)
"""Errors of measured lengths and widths."""

LINES = (
    Score("cliou", "clIoU 4 px", _cliou),
    Score("cldice", "clDice", _cldice),
    Score("cldice_precision", "clDice precision", partial(_ratio, part="called_line_inside", whole="called_line")),
    Score("cldice_sensitivity", "clDice sensitivity", partial(_ratio, part="true_line_inside", whole="true_line")),
)
"""Scores of centrelines."""

CURVE = (Score("ap", "AP", _average_precision),)
"""Scores over all thresholds."""

ORACLE = (
    Score("ods", "ODS", lambda sums: _swept_means(sums, "swept_f1").max(axis=-1)),
    Score("ois", "OIS", lambda sums: _swept_means(sums, "swept_f1_best")[..., 0]),
    Score("f1", "F1", lambda sums: _at_best_f1(sums, _swept_f1(sums))),
    Score("miou", "mIoU, background averaged in", lambda sums: _swept_means(sums, "swept_mean_iou").max(axis=-1)),
    Score("iou", "IoU", lambda sums: _at_best_f1(sums, _swept_iou(sums))),
    Score("threshold", "threshold of F1 (oracle)", _oracle_threshold, "", "neither"),
)
"""Scores at the best threshold on the same images that are scored."""


def by_key(scores: tuple[Score, ...], *keys: str) -> tuple[Score, ...]:
    """Return the scores with these keys, in this order."""
    scores_by_key = {score.key: score for score in scores}
    return tuple(scores_by_key[key] for key in keys)
