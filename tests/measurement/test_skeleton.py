"""Test that thinning gives a subset, one pixel wide, of the same topology."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from skimage.measure import euler_number, label
from skimage.morphology import skeletonize, thin

from crackseg.measurement.skeleton import skeletonise
from crackseg.metrics.tolerance import within
from tests.metrics.shapes import scribbles, shaken

Mask = NDArray[np.bool_]


def pieces_of(mask: Mask) -> NDArray[np.int64]:
    """Label the 8-connected pieces of a mask with scikit-image."""
    return np.asarray(label(mask, connectivity=2), dtype=np.int64)  # type: ignore[no-untyped-call]


def holes_and_pieces(mask: Mask) -> int:
    """Count pieces minus holes with scikit-image."""
    return int(euler_number(mask, connectivity=2))  # type: ignore[no-untyped-call]


def blobs(seed: int, *, side: int = 60, blur_px: float = 2.0, share: float = 0.4) -> Mask:
    """Draw smooth random shapes with holes."""
    noise = np.random.default_rng(seed).normal(size=(side, side))
    smooth = cv2.GaussianBlur(noise, (0, 0), blur_px)
    return np.asarray(smooth > np.quantile(smooth, 1 - share))


def line(angle_deg: float, length: float, side: int = 300) -> Mask:
    """Draw a line one pixel wide through the middle."""
    direction = np.array([np.cos(np.radians(angle_deg)), -np.sin(np.radians(angle_deg))])
    ends = [tuple(int(v) for v in np.rint(side / 2 + sign * length / 2 * direction)) for sign in (-1, 1)]
    return np.asarray(cv2.line(np.zeros((side, side), np.uint8), ends[0], ends[1], (1,), 1), dtype=np.bool_)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), blur=st.sampled_from([0.0001, 0.7, 1.5, 4.0]), share=st.floats(0.05, 0.9))
def test_a_skeleton_is_a_part_of_its_mask_that_keeps_every_piece(seed: int, blur: float, share: float) -> None:
    mask = blobs(seed, blur_px=blur, share=share)
    skeleton = skeletonise(mask)
    assert not (skeleton & ~mask).any()
    pieces = pieces_of(mask)
    assert set(np.unique(pieces[skeleton])) == set(range(1, int(pieces.max()) + 1))
    assert pieces_of(skeleton).max() == pieces.max()


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_pieces_and_holes_are_those_of_scikit_image(seed: int) -> None:
    mask = blobs(seed)
    ours = skeletonise(mask)
    theirs: Mask = skeletonize(mask, method="zhang")  # type: ignore[no-untyped-call]
    assert pieces_of(ours).max() == pieces_of(theirs).max()
    assert holes_and_pieces(ours) == holes_and_pieces(mask)
    assert (ours & within(theirs, 3)).sum() >= 0.95 * ours.sum()
    assert (theirs & within(ours, 3)).sum() >= 0.95 * theirs.sum()


@settings(max_examples=80)
@given(seed=st.integers(0, 10**6), blur=st.sampled_from([0.0001, 0.7, 1.5, 4.0]), share=st.floats(0.05, 0.95))
def test_a_skeleton_that_starts_in_the_east_is_that_of_thin_in_scikit_image(
    seed: int, blur: float, share: float
) -> None:
    mask = blobs(seed, blur_px=blur, share=share)
    np.testing.assert_array_equal(skeletonise(mask, east_first=True), thin(mask))  # type: ignore[no-untyped-call]


@settings(max_examples=80)
@given(mask=hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_any_small_mask_is_thinned_as_scikit_image_thins_it(mask: Mask) -> None:
    np.testing.assert_array_equal(skeletonise(mask, east_first=True), thin(mask))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("seed", range(12))
def test_lines_like_cracks_are_thinned_as_scikit_image_thins_them(seed: int) -> None:
    mask = shaken(scribbles(seed, width_px=1 + seed), seed)
    np.testing.assert_array_equal(skeletonise(mask, east_first=True), thin(mask))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(np.ones((1, 1), np.bool_), id="one pixel"),
        pytest.param(np.ones((2, 2), np.bool_), id="a square of four"),
        pytest.param(np.ones((2, 9), np.bool_), id="two rows"),
        pytest.param(np.eye(12, dtype=np.bool_), id="a diagonal"),
        pytest.param(np.eye(12, dtype=np.bool_) | np.eye(12, k=1, dtype=np.bool_), id="a diagonal two pixels wide"),
        pytest.param(
            (np.eye(30, dtype=np.bool_) | np.eye(30, k=1, dtype=np.bool_))[::-1], id="a rising one two pixels wide"
        ),
        pytest.param(np.ones((7, 7), np.bool_), id="the whole image"),
    ],
)
def test_even_the_smallest_piece_keeps_a_skeleton(mask: Mask) -> None:
    skeleton = skeletonise(mask)
    assert skeleton.shape == mask.shape
    assert pieces_of(skeleton).max() == 1
    assert not (skeleton & ~mask).any()


def test_an_empty_mask_has_an_empty_skeleton() -> None:
    assert not skeletonise(np.zeros((5, 9), np.bool_)).any()


def test_a_line_one_pixel_wide_is_its_own_skeleton() -> None:
    for angle in range(0, 180, 9):
        mask = line(angle, 120)
        left_over = mask & ~skeletonise(mask)
        assert left_over.sum() <= 0.03 * mask.sum()
