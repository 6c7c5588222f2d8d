"""Test detected cracks and false calls against scipy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from scipy import ndimage

from crackseg.metrics.components import ComponentCounts
from tests.metrics.shapes import Mask, mask_pairs
from tests.metrics.test_tolerance import brute_within


def count_in_loop(predicted: Mask, true: Mask, tolerance_px: float) -> ComponentCounts:
    """Count matched components in a loop."""

    def count(mask: Mask, near: Mask) -> tuple[int, int]:
        labels, number = ndimage.label(mask, np.ones((3, 3)))
        shares = [near[labels == label].mean() for label in range(1, number + 1)]
        return number, sum(share >= 0.5 for share in shares)

    cracks, detected = count(true, brute_within(predicted, tolerance_px))
    calls, right = count(predicted, brute_within(true, tolerance_px))
    return ComponentCounts(cracks, detected, calls, calls - right, true.size)


@given(mask_pairs())
def test_counts_are_those_of_a_loop_over_the_components(masks: tuple[Mask, Mask]) -> None:
    assert ComponentCounts.of(*masks, tolerance_px=1) == count_in_loop(*masks, 1)


def test_a_worked_example_gives_the_numbers_on_paper() -> None:
    true, predicted = np.zeros((100, 100), np.bool_), np.zeros((100, 100), np.bool_)
    true[10, 10:50] = True  # detected: its first half is called
    true[40, 10:50] = True  # missed: a tenth of it is called
    true[70, 10:50] = True  # missed entirely
    predicted[11, 10:30] = True
    predicted[40, 10:12] = True
    predicted[90:94, 90:94] = True
    counts = ComponentCounts.of(predicted, true, tolerance_px=2)
    assert counts == ComponentCounts(cracks=3, detected=1, calls=3, false_calls=1, area_px=10_000)
    assert counts.detection_rate == 1 / 3
    assert counts.false_per_mpx == 100


def test_a_long_joint_that_touches_a_crack_is_a_false_call() -> None:
    true, joint = np.zeros((60, 200), np.bool_), np.zeros((60, 200), np.bool_)
    true[20, 10:30], joint[20, 10:190] = True, True
    counts = ComponentCounts.of(joint, true, tolerance_px=2)
    assert (counts.detected, counts.false_calls) == (1, 1)


def test_counts_add_up_and_empty_ones_have_no_rate() -> None:
    one, two = ComponentCounts(3, 1, 4, 2, 100), ComponentCounts(1, 1, 0, 0, 50)
    assert one + two == ComponentCounts(4, 2, 4, 2, 150)
    assert math.isnan(ComponentCounts().detection_rate)
    assert math.isnan(ComponentCounts().false_per_mpx)


def test_masks_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        ComponentCounts.of(np.zeros((3, 3), np.bool_), np.zeros((3, 1), np.bool_), tolerance_px=1)
