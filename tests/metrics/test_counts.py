"""Test pixel counts and ratios against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from crackseg.metrics.counts import Counts, ratio

Mask = NDArray[np.bool_]


@st.composite
def mask_pairs(draw: st.DrawFn) -> tuple[Mask, Mask]:
    shape = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    return draw(hnp.arrays(np.bool_, shape)), draw(hnp.arrays(np.bool_, shape))


@given(mask_pairs())
def test_counts_are_those_of_a_loop_over_pixels(masks: tuple[Mask, Mask]) -> None:
    pairs = [(bool(one), bool(two)) for one, two in zip(masks[0].ravel(), masks[1].ravel(), strict=True)]
    expected = [pairs.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))]
    assert Counts.of(*masks) == Counts(*expected)


@given(mask_pairs())
def test_the_counts_of_parts_add_up_to_the_counts_of_the_whole(masks: tuple[Mask, Mask]) -> None:
    parts = [Counts.of(masks[0][:, half], masks[1][:, half]) for half in (slice(0, 3), slice(3, None))]
    assert sum(parts, Counts()) == Counts.of(*masks)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_ratios_follow_their_definitions(hit: int, false: int, missed: int, calm: int) -> None:
    counts = Counts(hit, false, missed, calm)
    precision, recall = hit / (hit + false), hit / (hit + missed)
    assert counts.precision == pytest.approx(precision)
    assert counts.recall == pytest.approx(recall)
    assert counts.f1 == pytest.approx(2 / (1 / precision + 1 / recall))
    assert counts.iou == pytest.approx(1 / (1 / precision + 1 / recall - 1))
    assert counts.f1 == pytest.approx(2 * counts.iou / (1 + counts.iou))


def test_a_worked_example_gives_the_numbers_on_paper() -> None:
    predicted = np.array([[1, 1, 1, 0], [0, 0, 0, 0]], np.bool_)
    true = np.array([[0, 1, 1, 1], [1, 0, 0, 0]], np.bool_)
    counts = Counts.of(predicted, true)
    assert (counts.precision, counts.recall) == (2 / 3, 1 / 2)
    assert (counts.f1, counts.iou, counts.false_alarm) == (4 / 7, 2 / 5, 1 / 4)


def test_what_is_not_defined_is_nan_and_not_zero() -> None:
    nothing = Counts.of(np.zeros((3, 3), np.bool_), np.zeros((3, 3), np.bool_))
    assert math.isnan(nothing.precision)
    assert math.isnan(nothing.recall)
    assert math.isnan(nothing.f1)
    assert math.isnan(nothing.iou)
    assert nothing.false_alarm == 0
    assert math.isnan(ratio(0, 0))


def test_missing_every_crack_scores_zero() -> None:
    counts = Counts.of(np.zeros((3, 3), np.bool_), np.ones((3, 3), np.bool_))
    assert (counts.recall, counts.f1, counts.iou) == (0, 0, 0)
    assert math.isnan(counts.precision)
    assert math.isnan(counts.false_alarm)


def test_masks_of_two_shapes_are_refused_even_if_they_could_be_stretched() -> None:
    with pytest.raises(ValueError, match="one shape"):
        Counts.of(np.zeros((3, 3), np.bool_), np.zeros((1, 3), np.bool_))
