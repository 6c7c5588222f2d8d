"""Test the threshold sweep against a mask at each threshold."""

from __future__ import annotations

import numpy as np
import pytest

from crackseg.metrics.counts import Counts
from crackseg.metrics.sweep import STEPS, ThresholdSweep
from tests.metrics.test_histogram import random_image


@pytest.mark.parametrize("seed", range(4))
def test_every_threshold_gives_the_scores_of_its_mask(seed: int) -> None:
    probability, true = random_image(seed)
    sweep = ThresholdSweep.of(probability, true)
    stored = np.rint(probability * 255).astype(np.uint8)
    for step in range(STEPS):
        called = stored / 255 > step / STEPS
        counts, other = Counts.of(called, true), Counts.of(~called, ~true)
        assert (sweep.hits[step], sweep.called[step]) == (counts.true_positive, called.sum())
        assert sweep.f1()[step] == pytest.approx(counts.f1)
        assert sweep.mean_iou()[step] == pytest.approx((counts.iou + other.iou) / 2)


def test_trap_an_all_black_mask_has_a_mean_iou_of_nearly_a_half_and_an_f1_of_nothing() -> None:
    true = np.zeros((50, 50), np.bool_)
    true[10] = True
    sweep = ThresholdSweep.of(np.zeros((50, 50), np.float32), true)
    assert sweep.mean_iou().max() == pytest.approx(0.98 / 2)
    assert sweep.f1().max() == 0


def test_an_image_without_crack_scores_zero_for_any_prediction() -> None:
    empty = np.zeros((8, 8), np.bool_)
    silent, loud = (ThresholdSweep.of(np.full((8, 8), value, np.float32), empty) for value in (0, 1))
    assert silent.f1().max() == loud.f1().max() == 0
    assert silent.mean_iou().max() == loud.mean_iou().max() == 0


def test_everything_crack_and_called_is_right_in_its_own_class_only() -> None:
    full = ThresholdSweep.of(np.ones((4, 4), np.float32), np.ones((4, 4), np.bool_))
    assert full.f1().min() == 1
    assert full.mean_iou().max() == 0.5


def test_arrays_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        ThresholdSweep.of(np.zeros((3, 3), np.float32), np.zeros((3, 1), np.bool_))
