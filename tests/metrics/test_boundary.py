"""Test the boundary F1 against scikit-image and brute-force distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from scipy.spatial import cKDTree
from skimage.segmentation import find_boundaries

from crackseg.metrics.boundary import count_boundary, find_boundary
from tests.metrics.shapes import Mask, mask_pairs, scribbles, shaken


def oracle(mask: Mask) -> Mask:
    return np.asarray(find_boundaries(mask, connectivity=1, mode="inner") & mask)  # type: ignore[no-untyped-call]


@given(mask_pairs(12))
def test_the_boundary_is_that_of_scikit_image(masks: tuple[Mask, Mask]) -> None:
    np.testing.assert_array_equal(find_boundary(masks[0]), oracle(masks[0]))


@pytest.mark.parametrize("tolerance_px", [0, 2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_boundary_f1_is_that_of_the_distances_between_boundary_pixels(seed: int, tolerance_px: int) -> None:
    true = scribbles(seed, width_px=6)
    predicted = shaken(true, seed)
    called, crack = np.argwhere(oracle(predicted)), np.argwhere(oracle(true))
    precision = (cKDTree(crack).query(called)[0] <= tolerance_px + 1e-9).mean()
    recall = (cKDTree(called).query(crack)[0] <= tolerance_px + 1e-9).mean()
    counts = count_boundary(predicted, true, tolerance_px=tolerance_px)
    assert counts.f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_a_square_has_the_boundary_on_paper_and_its_inside_does_not_count() -> None:
    true = np.zeros((20, 20), np.bool_)
    true[5:11, 5:11] = True
    assert find_boundary(true).sum() == 20
    hollow = find_boundary(true)
    assert count_boundary(hollow, true, tolerance_px=0).recall == 1
    assert find_boundary(np.ones((4, 4), np.bool_)).sum() == 0
