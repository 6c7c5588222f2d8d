"""Scores of several classes of defect: each class against all else, and two means over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from crackseg.metrics.curve import Floats, share
from crackseg.metrics.scores import Score, Sums, f1, iou, precision, recall

_FORMULAS: tuple[tuple[str, str, Callable[[Sums], Floats]], ...] = (
    ("f1", "F1", f1),
    ("precision", "precision", precision),
    ("recall", "recall", recall),
    ("iou", "IoU", iou),
)


def count_classes(
    predicted: NDArray[np.uint8], true: NDArray[np.uint8], classes: int
) -> Mapping[str, NDArray[np.int64]]:
    """Count the pixels of one image, class by class; counts of several images add up.

    Args:
        predicted: ``(H, W)`` predicted class numbers, 0 being the background.
        true: ``(H, W)`` true ones.
        classes: How many classes there are, the background being one of them.

    Returns:
        Pixels by class but the background, ``(classes - 1,)`` each: called that class, truly of it, and both.

    Raises:
        ValueError: If the shapes differ, or a number is no class.
    """
    if predicted.shape != true.shape:
        raise ValueError(f"expected masks of one shape, got {predicted.shape} and {true.shape}")
    found = {
        "class_called": np.bincount(predicted.ravel(), minlength=classes),
        "class_true": np.bincount(true.ravel(), minlength=classes),
        "class_hits": np.bincount(true[predicted == true].ravel(), minlength=classes),
    }
    if any(len(counts) > classes for counts in found.values()):
        raise ValueError(f"expected class numbers below {classes}")
    return {name: counts[1:].astype(np.int64) for name, counts in found.items()}


def class_scores(classes: int) -> tuple[Score, ...]:
    """Return the scores of so many classes, the background being one of them.

    For each other class precision, recall, F1 and IoU, that class against all else. Then the means: *macro* is that
    of the classes, of those for which the score is defined; *micro* is the score of the pixels of all classes put
    together, in which a defect called by the wrong class is both a false call and a miss.
    """
    numbers = range(1, classes)
    return (
        *(
            Score(f"{key}_class{number}", f"class {number}: {title}", partial(_of_class, formula=formula, place=place))
            for place, number in enumerate(numbers)
            for key, title, formula in _FORMULAS
        ),
        *(
            Score(f"{key}_macro", f"macro mean of {title}", partial(_macro, formula=formula))
            for key, title, formula in _FORMULAS
        ),
        *(
            Score(f"{key}_micro", f"micro mean of {title}", partial(_micro, formula=formula))
            for key, title, formula in _FORMULAS
        ),
    )


def _by_class(sums: Sums) -> dict[str, Floats]:
    """Return ``(..., classes - 1)`` counts under the names that the scores of crack or not have for them."""
    hits = sums["class_hits"]
    return {
        "true_positive": hits,
        "false_positive": sums["class_called"] - hits,
        "false_negative": sums["class_true"] - hits,
    }


def _of_class(sums: Sums, formula: Callable[[Sums], Floats], place: int) -> Floats:
    return formula(_by_class(sums))[..., place]


def _macro(sums: Sums, formula: Callable[[Sums], Floats]) -> Floats:
    values = formula(_by_class(sums))
    defined = ~np.isnan(values)
    return share(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))


def _micro(sums: Sums, formula: Callable[[Sums], Floats]) -> Floats:
    return formula({name: counts.sum(axis=-1) for name, counts in _by_class(sums).items()})
