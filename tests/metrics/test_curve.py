"""Precision, recall and the area under them, by hand and by going through every threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crackseg.metrics.curve import average_precision, precision_recall, share
from crackseg.metrics.histogram import BINS, ProbabilityHistogram
from tests.metrics.test_histogram import random_image


def swept_average_precision(probability: np.ndarray[tuple[int, ...], np.dtype[np.float64]], true: object) -> float:
    """The sum over all distinct thresholds, from the highest, of the recall gained times the precision there."""
    crack = np.asarray(true, np.bool_)
    total, before = 0.0, 0.0
    for threshold in sorted(set(probability.ravel().tolist()), reverse=True):
        called = probability >= threshold
        recall = (called & crack).sum() / crack.sum()
        total += (recall - before) * (called & crack).sum() / called.sum()
        before = recall
    return float(total)


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_is_the_sum_over_every_threshold(seed: int) -> None:
    probability, true = random_image(seed)
    histogram = ProbabilityHistogram.of(probability, true)
    found = average_precision(histogram.crack.astype(np.float64), histogram.background.astype(np.float64))
    assert float(found) == pytest.approx(swept_average_precision(probability.astype(np.float64), true), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_probabilities_between_the_cells_change_average_precision_by_less_than_a_hundredth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = rng.random((60, 60)) < 0.1
    probability = np.clip(rng.normal(0.3 + 0.3 * true, 0.15), 0, 1)
    histogram = ProbabilityHistogram.of(probability.astype(np.float32), true)
    found = average_precision(histogram.crack.astype(np.float64), histogram.background.astype(np.float64))
    assert float(found) == pytest.approx(swept_average_precision(probability, true), abs=0.01)


def test_a_worked_example_gives_the_number_on_paper() -> None:
    # Falling probability: crack, background, crack, crack: precisions 1, 1/2, 2/3, 3/4 at recalls 1/3, 1/3, 2/3, 1.
    crack, background = np.array([1.0, 1, 0, 1]), np.array([0.0, 0, 1, 0])
    assert float(average_precision(crack, background)) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    precision, recall = precision_recall(crack, background)
    assert precision.tolist() == pytest.approx([3 / 4, 2 / 3, 1 / 2, 1])
    assert recall.tolist() == pytest.approx([1, 2 / 3, 1 / 3, 1 / 3])


def test_perfect_order_scores_one_and_a_constant_answer_the_share_of_crack() -> None:
    assert float(average_precision(np.array([0.0, 5]), np.array([9.0, 0]))) == 1
    assert float(average_precision(np.array([0.0, 5]), np.array([0.0, 15]))) == 0.25


def test_without_a_crack_there_is_no_average_precision() -> None:
    assert math.isnan(float(average_precision(np.zeros(3), np.ones(3))))


def test_each_cell_is_the_threshold_of_its_counts() -> None:
    histogram = ProbabilityHistogram.of(*random_image(3))
    precision, recall = precision_recall(histogram.crack.astype(np.float64), histogram.background.astype(np.float64))
    for cell in range(0, BINS + 1, 20):
        counts = histogram.counts_at(cell / BINS)
        assert recall[cell] == pytest.approx(counts.recall)
        assert precision[cell] == pytest.approx(1.0 if math.isnan(counts.precision) else counts.precision)


def test_many_curves_at_once_are_the_curves_one_by_one() -> None:
    rng = np.random.default_rng(0)
    crack, background = rng.integers(1, 9, (2, 5, 7)).astype(np.float64)
    together = average_precision(crack, background)
    assert together.tolist() == pytest.approx(
        [float(average_precision(one, other)) for one, other in zip(crack, background, strict=True)]
    )


def test_nothing_shared_by_nothing_is_undefined() -> None:
    assert share([1, 0, 0], [2, 4, 0])[:2].tolist() == [0.5, 0]
    assert math.isnan(share([1, 0, 0], [2, 4, 0])[2])
