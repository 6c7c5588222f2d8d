"""Test thresholds chosen from probability histograms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.metrics.counts import Counts
from crackseg.metrics.histogram import BINS, ProbabilityHistogram


def random_image(seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Probabilities off the borders of the cells, brighter where the crack is."""
    rng = np.random.default_rng(seed)
    true = rng.random((30, 30)) < 0.2
    cells = np.clip(rng.normal(0.35 + 0.25 * true, 0.2), 0, 0.999) * BINS
    return ((np.floor(cells) + 0.5) / BINS).astype(np.float32), true


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), cell=st.integers(0, BINS))
def test_counts_at_a_threshold_are_those_of_the_mask_at_it(seed: int, cell: int) -> None:
    probability, true = random_image(seed)
    threshold = cell / BINS
    counts = ProbabilityHistogram.of(probability, true).counts_at(threshold)
    assert counts == Counts.of(probability >= threshold, true)


@pytest.mark.parametrize("seed", range(6))
def test_the_best_threshold_has_the_highest_f1_of_all(seed: int) -> None:
    images = [random_image(seed), random_image(seed + 100)]
    total = sum((ProbabilityHistogram.of(*image) for image in images), ProbabilityHistogram.empty())
    scores = {}
    for cell in range(BINS // 20, BINS - BINS // 20 + 1):
        counts = [Counts.of(probability >= cell / BINS, true) for probability, true in images]
        scores[cell / BINS] = sum(counts, Counts()).f1
    assert 0.05 <= total.best_threshold() <= 0.95
    assert scores[total.best_threshold()] == max(scores.values())


def test_probabilities_of_0_and_1_have_their_cells() -> None:
    histogram = ProbabilityHistogram.of(
        np.array([[0.0, 1.0, 1.0]], np.float32), np.array([[True, True, False]], np.bool_)
    )
    assert histogram.crack[0] == histogram.crack[BINS] == histogram.background[BINS] == 1
    assert histogram.counts_at(1.0) == Counts(1, 1, 1, 0)


def test_without_a_crack_the_threshold_is_a_half() -> None:
    none = ProbabilityHistogram.of(np.full((3, 3), 0.9, np.float32), np.zeros((3, 3), np.bool_))
    assert none.best_threshold() == ProbabilityHistogram.empty().best_threshold() == 0.5


def test_among_equally_good_thresholds_the_one_nearest_a_half_is_taken() -> None:
    probability, true = np.array([[0.02, 0.98]], np.float32), np.array([[False, True]], np.bool_)
    assert ProbabilityHistogram.of(probability, true).best_threshold() == 0.5


# Steady thresholds


def sums_of(*seeds: int) -> ProbabilityHistogram:
    return sum((ProbabilityHistogram.of(*random_image(seed)) for seed in seeds), ProbabilityHistogram.empty())


def test_images_with_crack_are_counted() -> None:
    probability, true = random_image(0)
    histogram = ProbabilityHistogram.of(probability, true) + ProbabilityHistogram.of(probability, np.zeros_like(true))
    assert (ProbabilityHistogram.empty().images, histogram.images, sums_of(1, 2, 3).images) == (0, 1, 3)


def test_the_middle_of_a_plateau_is_taken_and_one_image_goes_half_the_way_to_it() -> None:
    # From 0.3 to 0.7 every threshold separates all crack from all background.
    probability, true = np.array([[0.299, 0.701]], np.float32), np.array([[False, True]], np.bool_)
    one = ProbabilityHistogram.of(probability, true)
    assert one.steady_threshold(0.5) == 0.5
    assert one.steady_threshold(0.9) == pytest.approx((0.5 + 0.9) / 2)
    nine = sum([one] * 9, ProbabilityHistogram.empty())
    assert nine.steady_threshold(0.9) == pytest.approx((9 * 0.5 + 0.9) / 10)


@pytest.mark.parametrize("start", [0.1, 0.5, 0.9])
def test_with_hundreds_of_images_the_start_hardly_counts(start: float) -> None:
    images = sum([sums_of(*range(6))] * 50, ProbabilityHistogram.empty())
    best = images.counts_at(images.best_threshold()).f1
    assert images.images == 300
    assert images.counts_at(images.steady_threshold(start)).f1 > 0.985 * best


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), start=st.floats(0.0, 1.0))
def test_the_threshold_lies_between_the_start_and_that_of_the_images(seed: int, start: float) -> None:
    histogram = sums_of(seed)
    unmoved = ProbabilityHistogram(histogram.crack, histogram.background, 10**9).steady_threshold(start)
    scores = [histogram.counts_at(cell / BINS).f1 for cell in range(BINS // 20, BINS - BINS // 20 + 1)]
    assert histogram.counts_at(unmoved).f1 > 0.98 * max(scores)
    low, high = sorted((unmoved, min(max(start, 0.05), 0.95)))
    assert low - 1 / BINS <= histogram.steady_threshold(start) <= high + 1 / BINS


def test_without_a_crack_the_threshold_stays_where_it_starts() -> None:
    none = ProbabilityHistogram.of(np.full((3, 3), 0.9, np.float32), np.zeros((3, 3), np.bool_))
    assert none.steady_threshold(0.42) == 0.42
    assert ProbabilityHistogram.empty().steady_threshold(0.5) == 0.5
