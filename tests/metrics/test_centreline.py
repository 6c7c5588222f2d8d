"""Test centreline scores against their published definitions and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.morphology import dilation, disk, skeletonize

from crackseg.measurement.skeleton import skeletonise
from crackseg.metrics.centreline import CentrelineCounts
from crackseg.metrics.counts import Counts
from tests.metrics.shapes import Mask, mask_pairs, scribbles, shaken


def count(predicted: Mask, true: Mask, tolerance_px: float = 4) -> CentrelineCounts:
    pairs = (predicted, skeletonise(predicted)), (true, skeletonise(true))
    return CentrelineCounts.of(*pairs, tolerance_px=tolerance_px)


def published_cliou(pairs: list[tuple[Mask, Mask]], tolerance_px: int) -> float:
    """Compute clIoU as the benchmark does, with lines dilated by discs."""
    hit = false = missed = 0
    for called_line, true_line in pairs:
        grown_true, grown_called = (
            dilation(line, disk(tolerance_px)).astype(bool)  # type: ignore[no-untyped-call]
            for line in (true_line, called_line)
        )
        hit += int((true_line & grown_called).sum())
        missed += int((true_line & ~grown_called).sum())
        false += int((called_line & ~grown_true).sum())
    return hit / (hit + false + missed)


@pytest.mark.parametrize("tolerance_px", [1, 4])
def test_cliou_of_a_data_set_is_that_of_the_published_evaluation(tolerance_px: int) -> None:
    masks = [(shaken(scribbles(seed), seed), scribbles(seed)) for seed in range(6)]
    lines = [(skeletonise(predicted), skeletonise(true)) for predicted, true in masks]
    counts = [
        CentrelineCounts.of((predicted, called_line), (true, true_line), tolerance_px=tolerance_px)
        for (predicted, true), (called_line, true_line) in zip(masks, lines, strict=True)
    ]
    assert sum(counts, CentrelineCounts()).cliou == pytest.approx(published_cliou(lines, tolerance_px))


@settings(max_examples=30)
@given(masks=mask_pairs(14), tolerance_px=st.integers(0, 5))
def test_cliou_is_the_published_one_on_any_masks(masks: tuple[Mask, Mask], tolerance_px: int) -> None:
    counts = count(*masks, tolerance_px=tolerance_px)
    if masks[0].any() or masks[1].any():
        lines = skeletonise(masks[0]), skeletonise(masks[1])
        assert counts.cliou == pytest.approx(published_cliou([lines], tolerance_px))


@pytest.mark.parametrize("seed", range(4))
def test_cldice_is_the_published_one_given_the_same_centrelines(seed: int) -> None:
    true = scribbles(seed)
    predicted = shaken(true, seed)
    called_line, true_line = (skeletonize(mask) for mask in (predicted, true))  # type: ignore[no-untyped-call]
    precision = (called_line & true).sum() / called_line.sum()
    sensitivity = (true_line & predicted).sum() / true_line.sum()
    counts = CentrelineCounts.of((predicted, called_line), (true, true_line), tolerance_px=4)
    assert counts.cldice == pytest.approx(2 * precision * sensitivity / (precision + sensitivity))
    # The thinning of this project keeps other pixels than scikit-image's, which count here: the masks are 3 px wide.
    assert count(predicted, true).cldice == pytest.approx(counts.cldice, abs=0.08)


@pytest.mark.parametrize(("shift_px", "expected"), [(0, 1.0), (4, 1.0), (5, 0.0)])
def test_a_line_moved_by_up_to_four_pixels_is_right_and_beyond_it_wrong(shift_px: int, expected: float) -> None:
    true, predicted = np.zeros((30, 60), np.bool_), np.zeros((30, 60), np.bool_)
    true[10], predicted[10 + shift_px] = True, True
    assert count(predicted, true).cliou == expected


def test_trap_a_prediction_is_thinned_so_that_its_width_does_not_count() -> None:
    true = np.zeros((60, 200), np.bool_)
    true[30:32] = True
    fat = np.zeros_like(true)
    fat[20:42] = True
    # The centreline of a broad band ends half a width before it.
    assert count(fat, true).cliou > 0.9
    assert count(fat, true).called_line_near == count(fat, true).called_line
    assert Counts.of(fat, true).f1 < 0.2
    unthinned = CentrelineCounts.of((fat, fat), (true, skeletonise(true)), tolerance_px=4)
    assert unthinned.cliou < 0.2
    thin = skeletonise(true)
    assert count(thin, true).cliou == count(thin, true).cldice == 1  # as good as the true mask
    assert Counts.of(thin, true).f1 == pytest.approx(2 / 3, abs=0.02)


def test_a_worked_example_gives_the_numbers_on_paper() -> None:
    # Ten true line pixels, of which six are called; two more are called five pixels off.
    true, predicted = np.zeros((12, 10), np.bool_), np.zeros((12, 10), np.bool_)
    true[2] = True
    predicted[2, :6] = True
    predicted[7, :2] = True
    counts = CentrelineCounts.of((predicted, predicted), (true, true), tolerance_px=0)
    assert counts == CentrelineCounts(8, 6, 6, 10, 6, 6)
    assert counts.cliou == 6 / (10 + 2)
    assert counts.cldice == pytest.approx(2 * (6 / 8) * (6 / 10) / (6 / 8 + 6 / 10))


def test_two_empty_masks_score_nan_and_one_scores_zero() -> None:
    empty, line = np.zeros((9, 9), np.bool_), np.eye(9, dtype=np.bool_)
    assert math.isnan(count(empty, empty).cliou)
    assert math.isnan(count(empty, empty).cldice)
    assert (count(line, empty).cliou, count(line, empty).cldice) == (0, 0)
    assert (count(empty, line).cliou, count(empty, line).cldice) == (0, 0)


def test_masks_of_two_shapes_are_refused() -> None:
    one, other = np.zeros((3, 3), np.bool_), np.zeros((3, 1), np.bool_)
    with pytest.raises(ValueError, match="one shape"):
        CentrelineCounts.of((one, one), (other, other), tolerance_px=1)
