"""Tests of simulated annotation errors."""

import cv2
import numpy as np
import pytest

from data_gen.annotator import annotate
from data_gen.crack import PlacedCrack, place
from data_gen.recipe import AnnotatorRecipe, CracksRecipe
from data_gen.shape import draw_shape
from data_gen.stroke import Stroke

SHAPE = (200, 200)
CALM = {
    "enabled": True,
    "dilate_px": (0, 0),
    "erode_px": (0, 0),
    "shift_px": (0, 0),
    "miss_probability": 0,
    "shorten_probability": 0,
}


def cracks() -> tuple[PlacedCrack, ...]:
    strokes = draw_shape(np.random.default_rng(2), CracksRecipe(width_px=(5, 6)), "network", 200)
    return place(strokes, "network", SHAPE)


def exact() -> np.ndarray:
    mask = np.zeros(SHAPE, np.bool_)
    for crack in cracks():
        row0, col0, row1, col1 = crack.exact.box
        mask[row0:row1, col0:col1] |= crack.exact.mask
    return mask


def annotate_with(**errors: object) -> np.ndarray:
    recipe = AnnotatorRecipe.model_validate({**CALM, **errors})
    return annotate(np.random.default_rng(0), cracks(), SHAPE, recipe)


def test_an_annotator_without_errors_draws_the_exact_mask() -> None:
    np.testing.assert_array_equal(annotate_with(), exact())


def test_dilation_and_erosion_grow_and_shrink_the_mask() -> None:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    np.testing.assert_array_equal(annotate_with(dilate_px=[2, 2]), cv2.dilate(exact().astype(np.uint8), disc) > 0)
    np.testing.assert_array_equal(annotate_with(erode_px=[2, 2]), cv2.erode(exact().astype(np.uint8), disc) > 0)


def test_a_shift_moves_the_whole_mask_by_the_given_distance() -> None:
    moved, mask = annotate_with(shift_px=[5, 5]), exact()
    inner = np.s_[20:-20, 20:-20]
    distances = [
        np.hypot(row, col)
        for row in range(-6, 7)
        for col in range(-6, 7)
        if np.array_equal(moved[inner], np.roll(mask, (row, col), (0, 1))[inner])
    ]
    assert len(distances) == 1
    assert distances[0] == pytest.approx(5, abs=0.75)


def test_missed_branches_are_not_drawn() -> None:
    assert not annotate_with(miss_probability=1).any()
    some = annotate_with(miss_probability=0.5)
    assert some.sum() < exact().sum()
    assert not (some & ~cv2.dilate(exact().astype(np.uint8), np.ones((3, 3))).astype(np.bool_)).any()


def test_a_shortened_branch_keeps_its_thicker_part() -> None:
    points = np.column_stack([np.full(60, 100.0), np.linspace(20, 180, 60)])
    half = np.linspace(4.0, 0.6, 60)
    (crack,) = place((Stroke(points, half, half),), "single", SHAPE)
    recipe = AnnotatorRecipe.model_validate({**CALM, "shorten_probability": 1})
    for seed in range(5):
        cols = np.flatnonzero(annotate(np.random.default_rng(seed), (crack,), SHAPE, recipe).any(axis=0))
        assert cols[0] <= 20
        assert 40 < cols[-1] < 155
