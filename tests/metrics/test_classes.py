"""Test class scores against the confusion matrix and two-class scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from crackseg.metrics.classes import class_scores, count_classes
from crackseg.metrics.counts import Counts

Numbers = NDArray[np.uint8]


def class_maps(seed: int, classes: int = 4) -> tuple[Numbers, Numbers]:
    """Draw predicted and true class numbers, a third of them wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, (30, 41), dtype=np.uint8)
    called = np.where(rng.random(true.shape) < 1 / 3, rng.integers(0, classes, true.shape), true)
    return called.astype(np.uint8), true


def scores_of(called: Numbers, true: Numbers, classes: int = 4) -> dict[str, float]:
    sums = {name: counts.astype(np.float64) for name, counts in count_classes(called, true, classes).items()}
    return {score.key: float(score.formula(sums)) for score in class_scores(classes)}


def confusion(called: Numbers, true: Numbers, classes: int) -> NDArray[np.float64]:
    """Count pixels by true class (row) and predicted class (column)."""
    table = np.zeros((classes, classes))
    for row, col in zip(true.ravel().tolist(), called.ravel().tolist(), strict=True):
        table[row, col] += 1
    return table


def test_each_class_is_scored_against_all_others() -> None:
    called, true = class_maps(0)
    scores = scores_of(called, true)
    for number in (1, 2, 3):
        counts = Counts.of(called == number, true == number)
        for key in ("precision", "recall", "f1", "iou"):
            assert scores[f"{key}_class{number}"] == pytest.approx(getattr(counts, key))


def test_the_means_are_those_of_the_confusion_matrix() -> None:
    called, true = class_maps(1)
    table = confusion(called, true, 4)
    hits, of_true, of_called = np.diag(table)[1:], table.sum(axis=1)[1:], table.sum(axis=0)[1:]
    scores = scores_of(called, true)
    assert scores["precision_macro"] == pytest.approx((hits / of_called).mean())
    assert scores["recall_macro"] == pytest.approx((hits / of_true).mean())
    assert scores["f1_macro"] == pytest.approx((2 * hits / (of_true + of_called)).mean())
    assert scores["iou_macro"] == pytest.approx((hits / (of_true + of_called - hits)).mean())
    assert scores["precision_micro"] == pytest.approx(hits.sum() / of_called.sum())
    assert scores["recall_micro"] == pytest.approx(hits.sum() / of_true.sum())
    assert scores["f1_micro"] == pytest.approx(2 * hits.sum() / (of_true.sum() + of_called.sum()))
    assert scores["iou_micro"] == pytest.approx(hits.sum() / (of_true + of_called - hits).sum())


def test_counts_of_images_add_up_to_those_of_all_their_pixels() -> None:
    pairs = [class_maps(seed) for seed in range(3)]
    added = {
        name: sum(count_classes(*pair, 4)[name] for pair in pairs)
        for name in ("class_hits", "class_called", "class_true")
    }
    whole = count_classes(np.concatenate([called for called, _ in pairs]), np.concatenate([t for _, t in pairs]), 4)
    for name, counts in whole.items():
        np.testing.assert_array_equal(added[name], counts)


def test_a_class_that_is_nowhere_is_left_out_of_the_macro_mean() -> None:
    true = np.zeros((4, 4), np.uint8)
    true[0] = 1
    true[1] = 2
    called = true.copy()
    called[1] = 0
    scores = scores_of(called, true)
    assert math.isnan(scores["f1_class3"])
    assert scores["f1_class1"] == 1
    assert scores["f1_class2"] == 0
    assert math.isnan(scores["precision_class2"]), "it is never called"
    assert scores["f1_macro"] == 0.5
    assert scores["precision_macro"] == 1, "the mean of the classes that are called"
    nothing = scores_of(np.zeros_like(true), np.zeros_like(true))
    assert all(math.isnan(value) for value in nothing.values())


def test_a_defect_of_the_wrong_class_is_a_miss_and_a_false_call() -> None:
    true = np.full((2, 5), 1, np.uint8)
    scores = scores_of(np.full((2, 5), 2, np.uint8), true, classes=3)
    assert (scores["recall_class1"], scores["precision_class2"], scores["f1_micro"]) == (0, 0, 0)


def test_unknown_classes_and_different_shapes_are_refused() -> None:
    zeros = np.zeros((3, 3), np.uint8)
    with pytest.raises(ValueError, match="one shape"):
        count_classes(zeros, np.zeros((3, 4), np.uint8), 3)
    with pytest.raises(ValueError, match="below 3"):
        count_classes(zeros + np.uint8(3), zeros, 3)
