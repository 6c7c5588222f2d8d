"""Test tolerant scores against brute force and scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from skimage.morphology import dilation, disk

from crackseg.metrics.counts import Counts
from crackseg.metrics.tolerance import ToleranceCounts, within

Mask = NDArray[np.bool_]


def brute_within(mask: Mask, distance_px: float) -> Mask:
    """Compare every pixel with every pixel of the mask."""
    near = np.zeros_like(mask)
    points = np.argwhere(mask)
    for row, col in np.ndindex(mask.shape):
        if len(points):
            near[row, col] = ((points - (row, col)) ** 2).sum(axis=1).min() <= distance_px**2 + 1e-9
    return near


@st.composite
def mask_pairs(draw: st.DrawFn) -> tuple[Mask, Mask]:
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    sparse = st.sampled_from([True, False, False, False])
    return (
        draw(hnp.arrays(np.bool_, shape, elements=sparse, fill=st.just(False))),  # noqa: FBT003
        draw(hnp.arrays(np.bool_, shape, elements=sparse, fill=st.just(False))),  # noqa: FBT003
    )


DISTANCE = st.sampled_from([0.0, 1.0, math.sqrt(2), 2.0, math.sqrt(5), 3.0, 2.5, 20.0])


@given(mask_pairs(), DISTANCE)
def test_counts_are_those_of_brute_force(masks: tuple[Mask, Mask], distance_px: float) -> None:
    predicted, true = masks
    expected = ToleranceCounts(
        int(predicted.sum()),
        int((predicted & brute_within(true, distance_px)).sum()),
        int(true.sum()),
        int((true & brute_within(predicted, distance_px)).sum()),
    )
    assert ToleranceCounts.of(predicted, true, tolerance_px=distance_px) == expected


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 7])
def test_near_a_mask_means_inside_its_dilation_by_a_disc(radius: int) -> None:
    mask = np.random.default_rng(5).random((80, 90)) < 0.005
    nearby = dilation(mask, disk(radius)).astype(np.bool_)  # type: ignore[no-untyped-call]
    np.testing.assert_array_equal(within(mask, radius), nearby)


@given(mask_pairs())
def test_without_tolerance_the_scores_are_the_plain_ones(masks: tuple[Mask, Mask]) -> None:
    tolerant, plain = ToleranceCounts.of(*masks, tolerance_px=0), Counts.of(*masks)
    assert tolerant.precision == pytest.approx(plain.precision, nan_ok=True)
    assert tolerant.recall == pytest.approx(plain.recall, nan_ok=True)
    assert tolerant.f1 == pytest.approx(plain.f1, nan_ok=True)


@given(mask_pairs(), st.lists(DISTANCE, min_size=2, max_size=2))
def test_a_larger_tolerance_never_lowers_a_score(masks: tuple[Mask, Mask], distances: list[float]) -> None:
    small, large = (ToleranceCounts.of(*masks, tolerance_px=distance) for distance in sorted(distances))
    assert small.predicted_near <= large.predicted_near
    assert small.true_near <= large.true_near


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.0)])
def test_a_line_moved_by_up_to_the_tolerance_is_right_and_beyond_it_wrong(shift: int, expected: float) -> None:
    true, predicted = np.zeros((20, 30), np.bool_), np.zeros((20, 30), np.bool_)
    true[8], predicted[8 + shift] = True, True
    counts = ToleranceCounts.of(predicted, true, tolerance_px=2)
    assert (counts.precision, counts.recall, counts.f1) == (expected, expected, expected)


@given(mask_pairs(), mask_pairs())
def test_counts_of_images_add_up(one: tuple[Mask, Mask], two: tuple[Mask, Mask]) -> None:
    first, second = (ToleranceCounts.of(*masks, tolerance_px=1) for masks in (one, two))
    total = first + second
    assert total.true == int(one[1].sum() + two[1].sum())
    assert total.predicted == int(one[0].sum() + two[0].sum())
    assert total.true_near == first.true_near + second.true_near
    assert total.predicted_near == first.predicted_near + second.predicted_near
    assert first + ToleranceCounts() == first


def test_two_empty_masks_score_nan_and_one_scores_zero() -> None:
    empty, full = np.zeros((4, 4), np.bool_), np.ones((4, 4), np.bool_)
    assert math.isnan(ToleranceCounts.of(empty, empty, tolerance_px=2).f1)
    assert ToleranceCounts.of(empty, full, tolerance_px=2).f1 == 0
    assert ToleranceCounts.of(full, empty, tolerance_px=2).f1 == 0


def test_masks_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        ToleranceCounts.of(np.zeros((3, 3), np.bool_), np.zeros((3, 1), np.bool_), tolerance_px=1)
