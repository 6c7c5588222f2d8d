"""Thinning: a subset, one pixel wide, of the same topology; and the length of what is left."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import euler_number, label
from skimage.morphology import skeletonize

from crackseg.measurement.components import find_components
from crackseg.measurement.skeleton import neighbour_codes, skeleton_lengths, skeletonise
from crackseg.metrics.tolerance import within

Mask = NDArray[np.bool_]


def pieces_of(mask: Mask) -> NDArray[np.int64]:
    """The 8-connected pieces of a mask by number, as scikit-image sees them."""
    return np.asarray(label(mask, connectivity=2), dtype=np.int64)  # type: ignore[no-untyped-call]


def holes_and_pieces(mask: Mask) -> int:
    """Pieces less holes, as scikit-image counts them."""
    return int(euler_number(mask, connectivity=2))  # type: ignore[no-untyped-call]


def blobs(seed: int, *, side: int = 60, blur_px: float = 2.0, share: float = 0.4) -> Mask:
    """Smooth random shapes with holes."""
    noise = np.random.default_rng(seed).normal(size=(side, side))
    smooth = cv2.GaussianBlur(noise, (0, 0), blur_px)
    return np.asarray(smooth > np.quantile(smooth, 1 - share))


def line(angle_deg: float, length: float, side: int = 300) -> Mask:
    """A line one pixel wide through the middle."""
    direction = np.array([np.cos(np.radians(angle_deg)), -np.sin(np.radians(angle_deg))])
    ends = [tuple(int(v) for v in np.rint(side / 2 + sign * length / 2 * direction)) for sign in (-1, 1)]
    return np.asarray(cv2.line(np.zeros((side, side), np.uint8), ends[0], ends[1], (1,), 1), dtype=np.bool_)


def lengths_of(skeleton: Mask) -> NDArray[np.float64]:
    pieces = find_components(skeleton)
    codes = neighbour_codes(pieces.grid.ravel(), pieces.pixels, pieces.stride)
    return skeleton_lengths(codes, pieces.labels, pieces.count)


def length_of(skeleton: Mask) -> float:
    (length,) = lengths_of(skeleton)
    return float(length)


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


@pytest.mark.parametrize("shift", [0, 1])
def test_a_diagonal_two_pixels_wide_keeps_its_length(shift: int) -> None:
    mask = np.zeros((80, 80), np.bool_)
    for step in range(60):
        mask[10 + step, 10 + step : 12 + step + shift] = True
    assert length_of(skeletonise(mask)) == pytest.approx(60 * np.sqrt(2), rel=0.06)


def test_a_skeleton_of_nothing_is_nothing() -> None:
    assert not skeletonise(np.zeros((5, 9), np.bool_)).any()


def test_a_line_one_pixel_wide_is_its_own_skeleton() -> None:
    for angle in range(0, 180, 9):
        mask = line(angle, 120)
        left_over = mask & ~skeletonise(mask)
        assert left_over.sum() <= 0.03 * mask.sum()


@pytest.mark.parametrize("angle_deg", range(0, 180, 12))
def test_a_line_at_any_angle_has_its_true_length(angle_deg: int) -> None:
    assert length_of(line(angle_deg, 200)) == pytest.approx(201, rel=0.025)


def test_the_error_over_all_angles_averages_out() -> None:
    lengths = [length_of(line(angle, 200)) for angle in range(0, 180, 4)]
    assert np.mean(lengths) == pytest.approx(201, rel=0.006)


@pytest.mark.parametrize("radius", [20, 50, 110])
def test_a_circle_has_the_length_of_its_circumference(radius: int) -> None:
    rows, cols = np.mgrid[-130:131, -130:131]
    ring = np.abs(np.hypot(rows, cols) - radius) <= 1.5
    assert length_of(skeletonise(ring)) == pytest.approx(2 * np.pi * radius, rel=0.03)


def test_lengths_are_counted_by_component_and_do_not_mix() -> None:
    skeleton = np.zeros((20, 40), np.bool_)
    skeleton[3, 2:30] = skeleton[4, 30] = skeleton[10, 5] = skeleton[12:19, 8] = True
    assert lengths_of(skeleton) == pytest.approx([28 + np.sqrt(2), 1, 7], rel=0.03)


def test_a_cross_has_the_length_of_its_four_arms() -> None:
    cross = np.zeros((101, 101), np.bool_)
    cross[50, 5:96] = cross[5:96, 50] = True
    assert length_of(cross) == pytest.approx(91 + 90, rel=0.03)
