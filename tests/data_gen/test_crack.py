"""Tests of the length, width, area and components of single cracks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_gen.crack import place
from data_gen.geometry import Turn, clip_strokes, displace, draw_displacement, transform
from data_gen.recipe import CracksRecipe
from data_gen.shape import draw_shape
from data_gen.stroke import Stroke, polyline_length, resample

SHAPE = (400, 400)


def arc(radius_px: float, span_rad: float, width_px: float) -> Stroke:
    """Return a stroke of even width along an arc."""
    turn = np.linspace(0, span_rad, 300)
    points = 199.7 + radius_px * np.column_stack([np.sin(turn), np.cos(turn)])
    half = np.full(len(points), width_px / 2)
    return Stroke(points, half, half)


@settings(max_examples=25, deadline=None)
@given(
    radius_px=st.floats(60, 180), span_rad=st.floats(1.0, 6.0), width_px=st.floats(1, 20), angle_deg=st.floats(0, 360)
)
def test_length_and_width_equal_those_of_the_arc(
    radius_px: float, span_rad: float, width_px: float, angle_deg: float
) -> None:
    matrix = Turn(angle_deg).matrix((199.7, 199.7))
    (crack,) = place(transform((arc(radius_px, span_rad, width_px),), matrix), "single", SHAPE)
    length = radius_px * span_rad
    assert crack.exact.length_px == pytest.approx(length, rel=0.01)
    assert crack.exact.width_mean_px == pytest.approx(width_px, abs=0.01)
    round_ends = math.pi * width_px**2 / 4
    assert crack.exact.area_px == pytest.approx(length * width_px + round_ends, rel=0.01, abs=3)
    assert (crack.exact.area_px - round_ends) / crack.exact.length_px == pytest.approx(width_px, abs=0.25)


def test_a_crack_that_leaves_and_reenters_the_image_is_two_cracks() -> None:
    points = resample(np.array([[50.0, 100.0], [-40.0, 200.0], [50.0, 300.0]]), 1.5)
    half = np.full(len(points), 2.0)
    cracks = place((Stroke(points, half, half),), "single", SHAPE)
    assert len(cracks) == 2
    for crack in cracks:
        assert crack.exact.box[0] == 0
        inside = 50.5 * math.hypot(100, 90) / 90
        assert crack.exact.length_px == pytest.approx(inside, rel=0.01)


def test_a_crack_outside_the_image_is_dropped() -> None:
    stroke = arc(50, 1.0, 3.0)
    assert place((Stroke(stroke.points + 900, stroke.left_px, stroke.right_px),), "single", SHAPE) == ()


@settings(max_examples=25, deadline=None)
@given(angle_deg=st.floats(0, 360), scale=st.floats(0.3, 3), flip=st.booleans(), seed=st.integers(0, 1000))
def test_rotation_scaling_and_flips_scale_length_and_width_alike(
    angle_deg: float,
    scale: float,
    flip: bool,  # noqa: FBT001
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    strokes = draw_shape(rng, CracksRecipe(), "branched", 300)
    together = transform(strokes, Turn(angle_deg, scale, flip).matrix((150, 150), (3, -5)))
    for stroke, moved in zip(strokes, together, strict=True):
        assert moved.length_px == pytest.approx(scale * stroke.length_px, rel=1e-6)
        np.testing.assert_allclose(moved.width_px, scale * stroke.width_px, rtol=1e-6)


def test_a_flip_swaps_left_and_right() -> None:
    stroke = Stroke(np.array([[0.0, 0.0], [0.0, 9.0]]), np.array([1.0, 1.0]), np.array([3.0, 3.0]))
    (moved,) = transform((stroke,), Turn(flip=True).matrix((0, 0)))
    np.testing.assert_array_equal(moved.left_px, [3.0, 3.0])


@settings(max_examples=25, deadline=None)
@given(shear=st.floats(-0.5, 0.5), angle_deg=st.floats(0, 360), flip=st.booleans())
def test_shear_keeps_the_area_and_widths_follow(shear: float, angle_deg: float, flip: bool) -> None:  # noqa: FBT001
    matrix = Turn(angle_deg, 1.0, flip, shear).matrix((199.7, 199.7))
    drawn = (arc(90, 2, 6),)
    before, after = (place(strokes, "single", SHAPE)[0].exact for strokes in (drawn, transform(drawn, matrix)))
    assert after.area_px == pytest.approx(before.area_px, rel=0.02)
    assert after.width_mean_px * after.length_px == pytest.approx(before.width_mean_px * before.length_px, rel=0.01)
    if abs(shear) > 0.2:
        assert np.ptp(after.widths_px[0]) > 0.3


def test_elastic_deformation_moves_points_by_the_field_and_widths_with_the_stretch() -> None:
    rng = np.random.default_rng(0)
    field = draw_displacement(rng, SHAPE, 6.0, 40.0)
    stroke = arc(120, 5.0, 4.0)
    (moved,) = displace((stroke,), field)
    np.testing.assert_allclose(moved.points - stroke.points, field.at(stroke.points))
    assert 0.5 < np.std(field.at(rng.uniform(0, 399, (500, 2)))) / 6.0 < 1.6
    (crack,) = place((moved,), "single", SHAPE)
    swept = float((np.diff(moved.points, axis=0) ** 2).sum(axis=1) ** 0.5 @ moved.width_px[1:])
    assert crack.exact.area_px == pytest.approx(swept, rel=0.03)
    assert 2.0 < moved.width_px.min() < 4.0 < moved.width_px.max() < 8.0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_clipping_keeps_exactly_what_lies_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for stroke in draw_shape(rng, CracksRecipe(), "single", 200):
        parts = clip_strokes((stroke,), (200, 200))
        fine = resample(stroke.points, 0.05)
        inside = np.all((fine >= -0.5) & (fine <= 199.5), axis=1).mean() * polyline_length(stroke.points)
        assert sum(part.length_px for part in parts) == pytest.approx(inside, rel=0.01, abs=1.0)
        for part in parts:
            assert part.points.min() >= -0.5
            assert part.points.max() <= 199.5


@pytest.mark.parametrize("kind", ["single", "branched", "crossing", "network", "parallel", "hairline"])
def test_every_kind_of_pattern_draws_cracks(kind: str) -> None:
    for seed in range(8):
        strokes = draw_shape(np.random.default_rng(seed), CracksRecipe(), kind, 256)
        assert strokes
        for stroke in strokes:
            assert np.isfinite(stroke.points).all()
            assert (stroke.left_px >= 0).all()
            assert (stroke.right_px >= 0).all()
            assert (stroke.width_px > 0).all()


def test_branches_start_on_their_parent() -> None:
    strokes = draw_shape(np.random.default_rng(3), CracksRecipe(), "branched", 256)
    assert len(strokes) > 1
    for number, branch in enumerate(strokes[1:], start=1):
        gaps = [np.hypot(*(parent.points - branch.points[0]).T).min() for parent in strokes[:number]]
        assert min(gaps) < 1e-9
