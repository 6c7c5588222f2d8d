"""Statistics of the labels of a data set."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from crackseg.datasets.label_statistics import LabelSums, count_fractions, label_contrast
from tests.datasets.scenes import wall


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_the_sums_are_those_of_the_definition(mask: NDArray[np.bool_]) -> None:
    sums = LabelSums.of(mask)
    pairs = [(mask[:, :-1], mask[:, 1:]), (mask[:-1], mask[1:])]
    assert (sums.masks, sums.pixels, sums.crack_px) == (1, mask.size, int(np.count_nonzero(mask)))
    assert sums.shared_px == sum(np.count_nonzero(one & other) for one, other in pairs)
    assert sums.either_px == sum(np.count_nonzero(one | other) for one, other in pairs)


def test_sums_of_two_masks_add_up() -> None:
    one, other = wall(0)[1], wall(1)[1]
    # Side by side with a gap, so that neither touches the other.
    apart = np.concatenate([one, np.zeros((96, 8), np.bool_), other], axis=1)
    both, whole = LabelSums.of(one) + LabelSums.of(other), LabelSums.of(apart)
    assert (both.masks, both.crack_px) == (2, whole.crack_px)
    assert both.pixels == whole.pixels - 96 * 8


@pytest.mark.parametrize("width_px", [3, 6, 12])
@pytest.mark.parametrize("angle_deg", [0, 17, 45, 72, 90])
def test_the_mean_width_of_a_strip_is_its_width_at_any_angle(width_px: int, angle_deg: float) -> None:
    rows, cols = np.mgrid[:400, :400] - 199.5
    angle = np.deg2rad(angle_deg)
    strip = np.abs(rows * np.cos(angle) - cols * np.sin(angle)) < width_px / 2 + 0.01
    # As many pixels as it has, over the length of its axis.
    length_px = 400 / max(abs(np.cos(angle)), abs(np.sin(angle)))
    drawn_px = np.count_nonzero(strip) / length_px
    assert LabelSums.of(strip).width_mean_px == pytest.approx(drawn_px, rel=0.1)


def test_the_ceiling_of_a_wide_strip_follows_from_its_width() -> None:
    mask = np.zeros((200, 200), np.bool_)
    mask[:, 100:110] = True
    # One shift is along the strip and costs nothing, the other shares 9 of 11 columns.
    expected = (199 * 10 + 200 * 9) / (199 * 10 + 200 * 11)
    assert LabelSums.of(mask).shift_iou == pytest.approx(expected)
    statistics = LabelSums.of(mask).to_dict()
    assert statistics["shift_f1"] == pytest.approx(2 * expected / (1 + expected))


def test_masks_without_crack_have_no_width_and_no_ceiling() -> None:
    statistics = LabelSums.of(np.zeros((9, 9), np.bool_)).to_dict()
    assert statistics == {"masks": 1, "crack_fraction": 0.0, "width_mean_px": None, "shift_iou": None, "shift_f1": None}
    assert LabelSums().crack_fraction is None


def test_every_mask_falls_into_one_bin() -> None:
    fractions = [0.0, 0.0, 0.001, 0.0011, 0.02, 0.5, 1.0]
    bins = count_fractions(fractions)
    assert sum(count for _, _, count in bins) == len(fractions)
    assert bins[:3] == [(0.0, 0.0, 2), (0.0, 0.001, 1), (0.001, 0.003, 1)]
    assert bins[-1] == (0.3, 1.0, 2)


def test_a_dark_crack_stands_out_and_a_displaced_label_does_not() -> None:
    image, crack = wall(0)
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    right, wrong = label_contrast(grey, crack), label_contrast(grey, crack[::-1])
    assert right is not None
    assert wrong is not None
    assert right > 2 > 0.6 > wrong
    assert label_contrast(255 - grey, crack) == pytest.approx(-right, rel=0.05)


def test_a_very_small_label_has_no_contrast() -> None:
    speck = np.zeros((50, 50), np.bool_)
    speck[3:6, 3:6] = True
    assert label_contrast(np.zeros((50, 50), np.uint8), speck) is None
