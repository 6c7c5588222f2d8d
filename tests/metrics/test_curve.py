"""Test precision, recall and average precision by hand and at every threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from crackseg.metrics.counts import Counts
from crackseg.metrics.curve import CELLS, Floats, average_precision, count_cells, precision_recall, share
from tests.metrics.test_histogram import random_image


def swept_average_precision(probability: Floats, crack: NDArray[np.bool_]) -> float:
    """Sum recall gained times precision over all distinct thresholds."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(probability.ravel().tolist()), reverse=True):
        called = probability >= threshold
        recall = (called & crack).sum() / crack.sum()
        total += (recall - before) * (called & crack).sum() / called.sum()
        before = recall
    return float(total)


def count_floats(probability: Floats, true: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    crack, background = count_cells(probability.astype(np.float32), true)
    return crack.astype(np.float64), background.astype(np.float64)


@pytest.mark.parametrize("sureness", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_the_sum_over_every_threshold_to_four_thousandths(seed: int, sureness: float) -> None:
    rng = np.random.default_rng(seed)
    true = rng.random((60, 60)) < 0.1
    probability = 1 / (1 + np.exp(-sureness * rng.normal(2.0 * true - 1, 1)))
    precision_mean = float(average_precision(*count_floats(probability, true)))
    assert precision_mean == pytest.approx(swept_average_precision(probability, true), abs=0.004)
    pixels = np.tile(probability, (4, 4)), np.tile(true, (4, 4))
    assert float(average_precision(*count_floats(*pixels))) == pytest.approx(precision_mean)


def test_a_worked_example_gives_the_numbers_on_paper() -> None:
    # Falling probability: crack, background, crack, crack: precisions 1, 1/2, 2/3, 3/4 at recalls 1/3, 1/3, 2/3, 1.
    crack, background = np.array([1.0, 1, 0, 1]), np.array([0.0, 0, 1, 0])
    precision, recall = precision_recall(crack, background)
    assert precision.tolist() == pytest.approx([3 / 4, 2 / 3, 1 / 2, 1])
    assert recall.tolist() == pytest.approx([1, 2 / 3, 1 / 3, 1 / 3])
    # Means over a from 0 to 1 of 1, (1 + a) / (2 + a) and (2 + a) / (3 + a).
    means = 1, 1 - math.log(3 / 2), 1 - math.log(4 / 3)
    assert float(average_precision(crack, background)) == pytest.approx(sum(means) / 3)


def test_trap_a_mask_of_0_and_1_is_not_credited_with_a_straight_line_down_to_everything_called() -> None:
    crack, background = np.array([120.0, 80]), np.array([1780.0, 20])
    precision_mean = float(average_precision(crack, background))
    # The same pixels in a random order of their own within "called" and within "not called".
    rng = np.random.default_rng(1)
    true = np.repeat([True, False, True, False], [120, 1780, 80, 20])
    orders = [np.concatenate([rng.permutation(1900), 1900 + rng.permutation(100)]) for _ in range(3)]
    assert precision_mean == pytest.approx(
        np.mean([swept_average_precision(order / 2000, true) for order in orders]), abs=0.01
    )
    straight = 0.4 * 0.8 + 0.6 * (0.8 + 0.1) / 2
    assert precision_mean < straight - 0.1


def test_cells_are_even_in_log_odds_and_hold_every_pixel() -> None:
    probability = np.array([[0.0, 1e-7, 0.4999, 0.5001, 1.0, 1.0]], np.float32)
    crack, background = count_cells(probability, np.array([[True, False, True, False, True, False]]))
    assert np.flatnonzero(crack).tolist() == [0, CELLS // 2 - 1, CELLS - 1]
    assert np.flatnonzero(background).tolist() == [0, CELLS // 2, CELLS - 1]
    assert crack.sum() == background.sum() == 3


def test_perfect_order_scores_one_and_a_constant_answer_the_share_of_crack() -> None:
    assert float(average_precision(np.array([0.0, 5]), np.array([9.0, 0]))) == 1
    assert float(average_precision(np.array([0.0, 5]), np.array([0.0, 15]))) == 0.25


def test_without_a_crack_there_is_no_average_precision() -> None:
    assert math.isnan(float(average_precision(np.zeros(3), np.ones(3))))


@pytest.mark.parametrize("cell", range(0, CELLS, 16))
def test_each_cell_is_the_threshold_of_its_counts(cell: int) -> None:
    probability, true = random_image(3)
    precision, recall = precision_recall(*count_floats(probability.astype(np.float64), true))
    threshold = 1 / (1 + math.exp(14 - 28 * cell / CELLS)) if cell else 0.0
    counts = Counts.of(probability >= threshold, true)
    assert recall[cell] == pytest.approx(counts.recall)
    assert precision[cell] == pytest.approx(1.0 if math.isnan(counts.precision) else counts.precision)


def test_many_curves_at_once_are_the_curves_one_by_one() -> None:
    rng = np.random.default_rng(0)
    crack, background = rng.integers(1, 9, (2, 5, 7)).astype(np.float64)
    together = average_precision(crack, background)
    assert together.tolist() == pytest.approx(
        [float(average_precision(one, other)) for one, other in zip(crack, background, strict=True)]
    )


def test_a_ratio_of_zeros_is_undefined() -> None:
    assert share([1, 0, 0], [2, 4, 0])[:2].tolist() == [0.5, 0]
    assert math.isnan(share([1, 0, 0], [2, 4, 0])[2])
