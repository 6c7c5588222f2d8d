"""Tests of cracks that are cut out of images, and of their traced lines."""

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.morphology import skeletonize

from data_gen import Assets, Recipe, SyntheticCrack, generate_sample
from data_gen.cutout import binarise, cut, make_raster, measure_strokes, warp
from data_gen.geometry import Turn
from data_gen.recipe import PatternMix
from data_gen.render import render
from data_gen.stroke import Stroke
from data_gen.thinning import thin, trace

reference_thinning: Callable[[np.ndarray], np.ndarray] = skeletonize


def drawing() -> np.ndarray:
    """Return a bent line with a branch, and a speck."""
    image = np.zeros((120, 160), np.uint8)
    cv2.polylines(image, [np.array([[20, 20], [80, 60], [140, 50]])], isClosed=False, color=255, thickness=5)
    cv2.line(image, (80, 60), (90, 110), 255, 5)
    image[5:7, 150:152] = 255
    return image


def test_masks_drawings_and_grey_images_are_binarised_alike() -> None:
    mask = drawing() > 0
    rng = np.random.default_rng(0)
    grey = np.where(mask, 60, 180) + rng.integers(-20, 20, mask.shape)
    for image in (
        mask.astype(np.uint8),
        mask * np.uint8(255),
        ~mask * np.uint8(255),
        mask * np.uint8(90),
        grey.astype(np.uint8),
    ):
        np.testing.assert_array_equal(binarise(image), mask)


def test_a_cutout_is_tight_and_not_a_speck() -> None:
    for seed in range(5):
        shape = cut(np.random.default_rng(seed), drawing())
        assert shape is not None
        assert shape[0].any()
        assert shape[-1].any()
        assert shape[:, 0].any()
        assert shape[:, -1].any()
        assert shape.sum() > 100


@pytest.mark.parametrize("image", [np.zeros((50, 50), np.uint8), np.eye(4, dtype=np.uint8)], ids=["empty", "speck"])
def test_an_image_without_a_crack_gives_none(image: np.ndarray) -> None:
    assert cut(np.random.default_rng(0), image) is None


@pytest.mark.parametrize("angle_deg", [0.0, 30.0, 90.0, 211.0])
@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0])
def test_rotating_and_scaling_a_cutout_scales_its_area(angle_deg: float, scale: float) -> None:
    shape = drawing()[:100, :145] > 0
    coverage = warp(shape, Turn(angle_deg, scale, flip=True, shear=0.1))
    assert coverage.sum() == pytest.approx(shape.sum() * scale**2, rel=0.12)
    assert not coverage[[0, -1]].any()
    assert not coverage[:, [0, -1]].any()


def test_thinning_agrees_with_another_library() -> None:
    mask = drawing() > 0
    ours, theirs = thin(mask), reference_thinning(mask)
    assert not (ours & ~mask).any()
    near = cv2.dilate(theirs.astype(np.uint8), np.ones((3, 3))) > 0
    assert (ours & near).sum() >= 0.95 * ours.sum()
    assert abs(int(ours.sum()) - int(theirs.sum())) <= 0.1 * theirs.sum()


def test_traced_lines_follow_the_drawing_between_ends_and_junctions() -> None:
    mask = cut(np.random.default_rng(0), drawing())
    assert mask is not None
    lines = trace(thin(mask))
    assert len(lines) == 3
    assert sum(np.hypot(*np.diff(line, axis=0).T).sum() for line in lines) == pytest.approx(72 + 61 + 51, rel=0.1)
    for line in lines:
        assert np.hypot(*np.diff(line, axis=0).T).max() < 2.5


def test_a_closed_ring_is_traced_once_round() -> None:
    image = np.zeros((80, 80), np.uint8)
    cv2.circle(image, (40, 40), 25, 255, 1)
    (line,) = trace(thin(image > 0))
    assert np.hypot(*np.diff(line, axis=0).T).sum() == pytest.approx(2 * np.pi * 25, rel=0.08)


@settings(max_examples=40, deadline=None)
@given(
    radius_px=st.floats(60, 200), span_rad=st.floats(1.2, 2.5), width_px=st.floats(1.5, 20), angle_deg=st.floats(0, 360)
)
def test_centrelines_and_widths_of_a_drawn_crack_are_measured_to_a_quarter_of_a_pixel(
    radius_px: float, span_rad: float, width_px: float, angle_deg: float
) -> None:
    turn = math.radians(angle_deg) + np.linspace(0, span_rad, 200)
    half = np.full(200, width_px / 2)
    drawn = Stroke(250.3 + radius_px * np.column_stack([np.sin(turn), np.cos(turn)]), half, half)
    raster = make_raster(render((drawn,), (500, 500)).coverage)
    (stroke,) = measure_strokes(raster, (0, 0))
    end = 4 + math.ceil(width_px)
    inner = stroke.width_px[end:-end]
    assert abs(float(inner.mean()) - width_px) < 0.1
    assert np.abs(inner - width_px).max() < 0.25 + 0.02 * width_px
    away = np.hypot(*(stroke.points[end:-end] - 250.3).T) - radius_px
    assert np.abs(away).max() < 0.25
    # The tips are round, so the measured line may be longer by up to half a width at each end.
    length = radius_px * span_rad
    assert -0.01 * length - 0.5 < stroke.length_px - length < 0.01 * length + width_px + 0.5


@pytest.mark.parametrize("mode", ["photo", "binary"])
def test_samples_use_the_patterns_of_the_assets(mode: str) -> None:
    only = dict.fromkeys(PatternMix().weights(), 0) | {"cutout": 1}
    cracks = {"mix": only, "empty_probability": 0, "scale": [0.7, 1.2]}
    recipe = Recipe.model_validate({"size": 200, "mode": mode, "cracks": cracks})
    sample = generate_sample(recipe, seed=0, index=0, assets=Assets(patterns=[np.zeros((9, 9), np.uint8), drawing()]))
    assert sample.cracks
    assert {crack.kind for crack in sample.cracks} == {"cutout"}
    union = np.zeros_like(sample.mask)
    for crack in sample.cracks:
        row0, col0, row1, col1 = crack.box
        union[row0:row1, col0:col1] |= crack.mask
        assert crack.length_px > 4
    np.testing.assert_array_equal(union, sample.mask)


def test_a_level_replaces_the_threshold_of_drawings_and_grey_images() -> None:
    faint = np.zeros((60, 60), np.uint8)
    faint[20:24, 5:55], faint[40:46, 5:55] = 40, 90
    assert binarise(faint).sum() == 300
    assert binarise(faint, 30).sum() == 500
    assert binarise(faint, 89).sum() == 300
    grey = faint + np.random.default_rng(0).integers(0, 20, faint.shape).astype(np.uint8)
    assert binarise(grey, 30).sum() == 500


def test_noise_and_cracks_of_binary_images_have_the_level_of_the_recipe() -> None:
    recipe = Recipe(mode="binary", size=128, noise={"probability": 1.0})
    whites = [
        int((generate_sample(recipe.model_copy(update={"level": level}), seed=3, index=0).image > 0).sum())
        for level in (0, 50, 254)
    ]
    assert whites[0] > whites[1] > whites[2] > 0
    default = generate_sample(recipe, seed=3, index=0)
    np.testing.assert_array_equal(
        generate_sample(recipe.model_copy(update={"level": 50}), seed=3, index=0).image, default.image
    )


@pytest.mark.parametrize("mode", ["photo", "binary"])
@pytest.mark.parametrize("least_px", [30, 400])
def test_cutouts_below_the_least_area_are_dropped(mode: str, least_px: int) -> None:
    values = {"count": [3, 6], "scale": [0.2, 1.0], "min_cutout_px": least_px, "empty_probability": 0.0}
    names = (name for name in PatternMix.model_fields if name != "cutout")
    recipe = Recipe(mode=mode, size=96, cracks={**values, "mix": dict.fromkeys(names, 0.0) | {"cutout": 1.0}})
    assets = Assets(patterns=[drawing()])
    areas = [crack.mask.sum() for index in range(12) for crack in _cracks(recipe, index, assets)]
    assert len(areas) > 5
    assert min(areas) >= least_px


def _cracks(recipe: Recipe, index: int, assets: Assets) -> tuple[SyntheticCrack, ...]:
    recipe = recipe.model_copy(update={"confounders": recipe.confounders.model_copy(update={"over_probability": 0.0})})
    return generate_sample(recipe, seed=0, index=index, assets=assets).cracks
