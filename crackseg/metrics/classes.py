"""Score several defect classes, each against all others, with two means."""

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
    """Count pixels of one image by class; counts of images add up.

    Args:
        predicted: ``(H, W)`` uint8 predicted class numbers; 0 is the background.
        true: ``(H, W)`` uint8 true class numbers.
        classes: Number of classes ``K``, the background included.

    Returns:
        ``(K - 1,)`` int64 pixels by class, without the background, under three names: ``class_called`` for predicted
        pixels, ``class_true`` for true ones, ``class_hits`` for both.

    Raises:
        ValueError: If the shapes differ, or a number is not below ``classes``.

    Example:
        >>> import numpy as np
        >>> predicted, true = np.array([[0, 1, 2]], np.uint8), np.array([[1, 1, 2]], np.uint8)
        >>> {name: counts.tolist() for name, counts in count_classes(predicted, true, 3).items()}
        {'class_called': [1, 1], 'class_true': [2, 1], 'class_hits': [1, 1]}
    """
    if predicted.shape != true.shape:
        raise ValueError(f"expected masks of one shape, got {predicted.shape} and {true.shape}")
    counts_by_name = {
        "class_called": np.bincount(predicted.ravel(), minlength=classes),
        "class_true": np.bincount(true.ravel(), minlength=classes),
        "class_hits": np.bincount(true[predicted == true].ravel(), minlength=classes),
    }
    if any(len(counts) > classes for counts in counts_by_name.values()):
        highest = max(int(predicted.max()), int(true.max()))
        raise ValueError(f"expected class numbers below {classes}, got {highest}")
    return {name: counts[1:].astype(np.int64) for name, counts in counts_by_name.items()}


def class_scores(classes: int) -> tuple[Score, ...]:
    """Return the scores of a number of classes, the background included.

    Each class but the background has a precision, recall, F1 and IoU against all others. Two means follow. *macro* is
    the mean over classes with a defined score. *micro* is the score of the summed pixels of all classes. A
    defect of the wrong class is then both a false call and a miss.

    Example:
        >>> [score.key for score in class_scores(2)][:4]
        ['f1_class1', 'precision_class1', 'recall_class1', 'iou_class1']
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
    """Return ``(..., K - 1)`` counts under the names of the two-class scores."""
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
