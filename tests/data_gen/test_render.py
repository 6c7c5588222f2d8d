"""Tests of rendered strokes against plane geometry."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen.render import render
from data_gen.stroke import Stroke

SIDE = 160


def straight(angle_deg: float, width_px: float, length_px: float = 100.0) -> Stroke:
    """Return a straight stroke through the image centre, off the pixel grid."""
    way = np.array([math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))])
    share = np.linspace(-0.5, 0.5, 60)[:, None]
    points = np.array([79.63, 80.21]) + share * length_px * way
    half = np.full(len(points), width_px / 2)
    return Stroke(points, half, half)


def measured_width(coverage: np.ndarray, stroke: Stroke) -> float:
    """Measure the width from the coverage in a slab across the stroke."""
    way = stroke.points[-1] - stroke.points[0]
    way = way / np.hypot(*way)
    rows, cols = np.indices(coverage.shape)
    along = (rows - 79.63) * way[0] + (cols - 80.21) * way[1]
    slab = np.clip(30.5 - np.abs(along), 0, 1)
    return float((coverage * slab).sum() / 60)


@given(angle_deg=st.floats(0, 360), width_px=st.floats(1, 20))
def test_the_width_in_the_coverage_is_exact_at_any_angle(angle_deg: float, width_px: float) -> None:
    stroke = straight(angle_deg, width_px)
    coverage = render((stroke,), (SIDE, SIDE)).coverage
    assert abs(measured_width(coverage, stroke) - width_px) < 0.02


@given(angle_deg=st.floats(0, 360), width_px=st.floats(0.2, 1))
def test_a_hairline_covers_its_width_times_its_length(angle_deg: float, width_px: float) -> None:
    stroke = straight(angle_deg, width_px)
    raster = render((stroke,), (SIDE, SIDE))
    assert abs(measured_width(raster.coverage, stroke) - width_px) < 0.02


@given(angle_deg=st.floats(0, 360), width_px=st.floats(0.2, 1.2))
def test_a_hairline_has_a_connected_mask_about_one_pixel_wide(angle_deg: float, width_px: float) -> None:
    mask = render((straight(angle_deg, width_px),), (SIDE, SIDE)).mask
    count, _ = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    assert count == 2
    assert 0.65 * 100 <= mask.sum() <= 1.6 * 100


@given(angle_deg=st.floats(0, 360), width_px=st.floats(1, 20))
def test_the_mask_is_coverage_of_a_half_for_widths_of_a_pixel_or_more(angle_deg: float, width_px: float) -> None:
    raster = render((straight(angle_deg, width_px),), (SIDE, SIDE))
    clear = np.abs(raster.coverage - 0.5) > 0.01
    assert (raster.mask == (raster.coverage >= 0.5))[clear].all()


@pytest.mark.parametrize("width_px", [1.0, 3.5, 12.0])
def test_a_disc_of_strokes_has_the_area_of_the_disc(width_px: float) -> None:
    turn = np.linspace(0, 2 * math.pi, 400)
    points = 80 + 40 * np.column_stack([np.sin(turn), np.cos(turn)])
    half = np.full(len(points), width_px / 2)
    area = float(render((Stroke(points, half, half),), (SIDE, SIDE)).coverage.sum())
    assert area == pytest.approx(2 * math.pi * 40 * width_px, rel=0.01)


def test_left_and_right_are_seen_along_the_stroke() -> None:
    points = np.array([[80.0, 20.0], [80.0, 140.0]])
    raster = render((Stroke(points, np.array([2.0, 2.0]), np.array([6.0, 6.0])),), (SIDE, SIDE))
    rows = np.flatnonzero(raster.mask[:, 80])
    assert (rows[0], rows[-1]) == (78, 86)


def test_a_crop_of_the_grid_shows_the_same_pixels() -> None:
    stroke = straight(33.0, 5.0)
    whole = render((stroke,), (SIDE, SIDE))
    part = render((stroke,), (50, 60), origin=(60, 70))
    np.testing.assert_allclose(part.coverage, whole.coverage[60:110, 70:130], atol=1e-5)


def test_strokes_outside_the_grid_draw_nothing() -> None:
    raster = render((straight(10.0, 4.0),), (40, 40), origin=(1000, 1000))
    assert not raster.mask.any()
    assert raster.coverage.sum() == 0
