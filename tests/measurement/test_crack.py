"""Test measurements against shapes of known length, width and angle."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import label, regionprops

from crackseg.geometry import Scale
from crackseg.measurement.crack import measure_cracks
from crackseg.measurement.values import FLAT_NAMES, ROW_NAMES, Measured

Mask = NDArray[np.bool_]


def bar(angle_deg: float, *, length: float, width: float, side: int = 300, offset: float = 0.0) -> Mask:
    """Draw a bar at an angle counted counter-clockwise from a row."""
    rows, cols = np.mgrid[0:side, 0:side] - (side - 1) / 2 - offset
    angle = math.radians(angle_deg)
    along = cols * math.cos(angle) - rows * math.sin(angle)
    across = cols * math.sin(angle) + rows * math.cos(angle)
    return np.asarray((np.abs(along) <= length / 2) & (np.abs(across) <= width / 2))


def angle_between(one: float, two: float) -> float:
    return abs((one - two + 90) % 180 - 90)


@pytest.mark.parametrize("width", [2.3, 4.1, 7.2, 12.4])
@pytest.mark.parametrize("angle_deg", [0, 7, 15, 30, 45, 60, 75, 90, 104, 120, 135, 150, 171])
def test_a_bar_at_any_angle_measures_as_it_was_drawn(angle_deg: int, width: float) -> None:
    mask = bar(angle_deg, length=220, width=width, offset=0.3)
    (crack,) = measure_cracks(mask)
    assert crack.length_px == pytest.approx(220, rel=0.01)
    assert crack.width_mean_px == pytest.approx(int(mask.sum()) / 220, abs=0.1)
    assert crack.width_max_px == pytest.approx(width, abs=0.6)
    assert angle_between(crack.orientation_deg, angle_deg) < 0.6


@settings(max_examples=40)
@given(angle=st.floats(0, 180), width=st.floats(2, 14), length=st.floats(120, 250), offset=st.floats(-0.5, 0.5))
def test_no_bar_is_measured_with_a_large_error(angle: float, width: float, length: float, offset: float) -> None:
    (crack,) = measure_cracks(bar(angle, length=length, width=width, offset=offset))
    assert abs(crack.length_px - length) < 0.01 * length + 1
    assert crack.width_max_px is not None
    assert abs(crack.width_max_px - width) < 1
    assert angle_between(crack.orientation_deg, angle) < 1


@pytest.mark.parametrize("width", range(2, 14))
def test_a_level_line_of_a_whole_number_of_pixels_is_right_to_a_tenth_of_a_pixel(width: int) -> None:
    mask = np.zeros((60, 200), np.bool_)
    mask[20 : 20 + width, 20:180] = True
    (crack,) = measure_cracks(mask)
    assert crack.width_max_px == pytest.approx(width, abs=0.1)
    assert crack.length_px == pytest.approx(160, abs=0.1)
    assert crack.box == (20, 20, 20 + width, 180)
    assert crack.area_px == 160 * width
    assert crack.orientation_deg == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("turn", range(4))
def test_a_band_along_the_edge_of_the_image_has_its_visible_width(turn: int) -> None:
    mask = np.zeros((50, 70), np.bool_)
    mask[:5] = True
    (crack,) = measure_cracks(np.rot90(mask, turn).copy())
    assert crack.width_max_px == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("angle_deg", [12, 38, 60, 107])
@pytest.mark.parametrize("source", ["mask", "probability", "grey"])
def test_a_crack_is_no_wider_where_it_leaves_the_image(angle_deg: int, source: str) -> None:
    width = 9.4 if source == "probability" else 6.4
    mask = bar(angle_deg, length=1000, width=width, side=160)
    grey = 170 - 130 * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.6)
    image = np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2) if source == "grey" else None
    probability = mask.astype(np.float32) if source == "probability" else None
    (crack,) = measure_cracks(mask, probability=probability, image=image)
    assert crack.width.source == source
    assert crack.width_mean_px == pytest.approx(width, abs=0.4)
    assert crack.width_max_px == pytest.approx(width, abs=1.1)


def test_a_wedge_is_as_wide_as_its_widest_place() -> None:
    rows, cols = np.mgrid[-40:41, 0:300]
    wedge = (np.abs(rows) <= 2 + 10 * cols / 299) & (cols >= 20) & (cols < 280)
    (crack,) = measure_cracks(np.asarray(wedge))
    assert crack.width_max_px == pytest.approx(2 * (2 + 10 * 279 / 299), abs=1)
    assert crack.width.max_at[1] == pytest.approx(275, abs=5)
    assert crack.width.median.value == pytest.approx(2 * (2 + 10 * 150 / 299), abs=0.5)
    assert crack.width.p95.value == pytest.approx(2 * (2 + 10 * (20 + 0.95 * 260) / 299), abs=1)


@pytest.mark.parametrize("angle_deg", [0, 30, 100])
def test_turning_a_mask_by_a_quarter_turns_the_measurement(angle_deg: int) -> None:
    mask = bar(angle_deg, length=150, width=5)
    (before,), (after,) = measure_cracks(mask), measure_cracks(np.rot90(mask).copy())
    assert after.area_px == before.area_px
    assert after.length_px == pytest.approx(before.length_px, rel=0.02)
    assert after.width_max_px == pytest.approx(before.width_max_px, abs=0.1)
    assert angle_between(after.orientation_deg, before.orientation_deg + 90) < 0.01


def test_millimetres_are_pixels_times_the_scale() -> None:
    mask = bar(20, length=100, width=6)
    (plain,), (scaled,) = measure_cracks(mask), measure_cracks(mask, scale=Scale(0.25, "--scale"))
    assert (plain.length_mm, plain.width_mean_mm, plain.width_max_mm) == (None,) * 3
    values, plain_values = scaled.to_dict(), plain.to_dict()
    for name in ("length", "width_mean", "width_median", "width_p95", "width_max", "width_max_uncertainty"):
        assert values[f"{name}_mm"] == pytest.approx(plain_values[f"{name}_px"] / 4, rel=0.01)
    millimetres = plain.to_mm(Scale(0.25, "--scale"))
    assert millimetres.area_mm2 == plain.area_px / 16
    assert millimetres.density_per_mm == pytest.approx(4 * plain.density_per_px)
    assert (millimetres.length_mm, millimetres.width.max.value) == (scaled.length_mm, scaled.width_max_mm)
    assert millimetres.width.max_at == plain.width.max_at
    assert scaled.length_px == plain.length_px


def test_the_uncertainty_of_the_scale_goes_into_that_of_the_widths() -> None:
    mask = bar(20, length=100, width=6)
    (crack,) = measure_cracks(mask)
    exact = crack.width.max.to_mm(Scale(0.25, "a ruler"))
    vague = crack.width.max.to_mm(Scale(0.25, "a guess", uncertainty=0.1))
    assert exact.value is not None
    assert exact.uncertainty is not None
    assert vague.value == exact.value
    assert vague.uncertainty == pytest.approx(math.hypot(exact.uncertainty, 0.1 * exact.value))
    (scaled,) = measure_cracks(mask, scale=Scale(0.25, "a guess", uncertainty=0.1))
    assert scaled.flat_values()["width_max_uncertainty_mm"] == vague.uncertainty


def test_the_flat_names_keep_their_order() -> None:
    """Scripts of users read these keys from JSON and CSV files."""
    (crack,) = measure_cracks(
        bar(20, length=100, width=9),
        scale=Scale(0.25, "a ruler"),
        probability=bar(20, length=100, width=9) * np.float32(1),
    )
    names = [
        "box", "rotated_box", "area_px", "length_px", "branches", "endpoints", "junctions", "pattern", "tortuosity",
        "density_per_px", "orientation_deg", "width_source", "width_mean_px", "width_median_px", "width_p95_px",
        "width_max_px", "width_max_at", "width_mean_uncertainty_px", "width_median_uncertainty_px",
        "width_p95_uncertainty_px", "width_max_uncertainty_px", "cannot_measure", "score", "area_mm2", "length_mm",
        "density_per_mm", "width_mean_mm", "width_median_mm", "width_p95_mm", "width_max_mm",
        "width_mean_uncertainty_mm", "width_median_uncertainty_mm", "width_p95_uncertainty_mm",
        "width_max_uncertainty_mm",
    ]  # fmt: skip
    assert list(FLAT_NAMES) == list(crack.flat_values()) == names
    assert list(crack.to_dict()) == [name for name in names if crack.flat_values()[name] is not None]
    corners = ["box_row0", "box_col0", "box_row1", "box_col1"]
    columns = [*corners, *names[2:16], "width_max_at_row", "width_max_at_col", *names[17:]]
    assert list(ROW_NAMES) == list(crack.to_row()) == columns


def test_a_row_holds_the_rounded_values_of_json() -> None:
    (crack,) = measure_cracks(bar(20, length=100, width=6))
    values, row = crack.to_dict(), crack.to_row()
    assert [row[f"box_{side}"] for side in ("row0", "col0", "row1", "col1")] == values["box"] == list(crack.box)
    assert (row["width_max_at_row"], row["width_max_at_col"]) == tuple(values["width_max_at"])
    assert (row["length_px"], row["length_mm"]) == (values["length_px"], None)


def test_numbers_are_rounded_to_a_thousandth_and_small_ones_to_three_digits() -> None:
    (crack,) = measure_cracks(bar(20, length=100, width=6))
    crack = dataclasses.replace(crack, length_px=1441.50049, tortuosity=0.0, density_per_px=0.000123456)
    values = crack.to_dict()
    assert (values["length_px"], values["tortuosity"], values["density_per_px"]) == (1441.5, 0.0, 0.000123)


def test_a_measurement_shows_length_width_and_place_in_one_line() -> None:
    mask = np.zeros((60, 200), np.bool_)
    mask[20:25, 20:180] = True
    mask[50, 20] = True
    bar_, point = measure_cracks(mask)
    assert repr(bar_) == "CrackMeasurement(160.0 px long, 5.0 px wide (mean), box (20, 20, 25, 180))"
    assert repr(point) == "CrackMeasurement(1.0 px long, width unknown, box (50, 20, 51, 21))"


@given(value=st.floats(0.1, 100), uncertainty=st.floats(0, 10), factor=st.floats(0.01, 10), share=st.floats(0, 0.5))
def test_a_measured_value_in_millimetres_adds_both_uncertainties(
    value: float, uncertainty: float, factor: float, share: float
) -> None:
    """Relative uncertainties of a product add in quadrature."""
    millimetres = Measured(value, uncertainty).to_mm(Scale(factor, "a ruler", share))
    assert millimetres.value == pytest.approx(value * factor)
    assert millimetres.uncertainty is not None
    assert (millimetres.uncertainty / (value * factor)) ** 2 == pytest.approx((uncertainty / value) ** 2 + share**2)


def test_an_unknown_value_stays_unknown_in_millimetres() -> None:
    assert Measured().to_mm(Scale(0.5, "a ruler")) == Measured(None, None)


def test_without_a_scale_json_holds_no_millimetres() -> None:
    (plain,) = measure_cracks(bar(20, length=100, width=6))
    assert not [key for key in plain.to_dict() if key.endswith(("_mm", "_mm2"))]
    (scaled,) = measure_cracks(bar(20, length=100, width=6), scale=Scale(1, "a ruler"))
    assert {"length_mm", "width_mean_mm", "width_max_mm"} < set(scaled.to_dict())


@pytest.mark.parametrize("angle_deg", [0, 20, 70])
def test_a_width_that_a_mask_cannot_resolve_is_none_with_a_reason(angle_deg: int) -> None:
    (line,) = measure_cracks(bar(angle_deg, length=100, width=1.0, offset=0.3), scale=Scale(0.1, "--scale"))
    assert line.length_px == pytest.approx(100, abs=1.5)
    assert (line.width.mean, line.width_mean_mm) == (Measured(), None)
    assert "mean" in str(line.width.cannot_measure)
    assert "1.2 px" in str(line.width.cannot_measure)
    assert line.to_dict()["width_mean_px"] is None
    (band,) = measure_cracks(bar(angle_deg, length=100, width=3))
    assert band.width.cannot_measure is None
    assert "cannot_measure" not in band.to_dict()


def test_an_empty_mask_has_no_cracks() -> None:
    assert measure_cracks(np.zeros((30, 40), np.bool_)) == ()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2), (30, 40), (41, 41)])
def test_a_full_mask_is_one_crack_no_wider_than_the_image(shape: tuple[int, int]) -> None:
    (crack,) = measure_cracks(np.ones(shape, np.bool_))
    assert crack.box == (0, 0, *shape)
    assert crack.area_px == shape[0] * shape[1]
    assert crack.length_px == pytest.approx(max(shape), abs=0.05)
    if min(shape) > 2:
        assert crack.width_max_px == pytest.approx(min(shape), rel=0.02)
    elif min(shape) == 1:
        assert crack.width_max_px is None
    assert all(math.isfinite(value) for value in crack.to_dict().values() if isinstance(value, float))


def test_single_pixels_are_cracks_of_one_pixel() -> None:
    mask = np.zeros((9, 9), np.bool_)
    mask[0, 0] = mask[4, 4] = mask[8, 8] = True
    cracks = measure_cracks(mask)
    assert [crack.box for crack in cracks] == [(0, 0, 1, 1), (4, 4, 5, 5), (8, 8, 9, 9)]
    for crack in cracks:
        assert (crack.area_px, crack.width_mean_px, crack.pattern) == (1, None, "single")
        assert crack.length_px == pytest.approx(1, abs=0.01)


def test_pixels_that_touch_at_a_corner_are_one_crack() -> None:
    assert len(measure_cracks(np.eye(9, dtype=np.bool_))) == 1


def test_a_crack_two_pixels_wide_on_the_diagonal_is_long_and_thin() -> None:
    mask = np.zeros((120, 120), np.bool_)
    for step in range(100):
        mask[10 + step, 10 + step : 12 + step] = True
    (crack,) = measure_cracks(mask)
    assert crack.length_px == pytest.approx(100 * math.sqrt(2), rel=0.05)
    assert crack.width_mean_px == pytest.approx(math.sqrt(2), abs=0.2)


def random_mask(seed: int, density: float) -> Mask:
    return np.random.default_rng(seed).random((40, 50)) < density


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), density=st.floats(0.0, 1.0))
def test_components_are_those_of_scikit_image_and_largest_first(seed: int, density: float) -> None:
    mask = random_mask(seed, density)
    cracks = measure_cracks(mask)
    regions = regionprops(label(mask, connectivity=2))  # type: ignore[no-untyped-call]
    expected = sorted((int(region.area), region.bbox) for region in regions)
    assert sorted((crack.area_px, crack.box) for crack in cracks) == expected
    areas = [crack.area_px for crack in cracks]
    assert areas == sorted(areas, reverse=True)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), density=st.floats(0.0, 1.0))
def test_every_measurement_is_a_possible_one(seed: int, density: float) -> None:
    for crack in measure_cracks(random_mask(seed, density)):
        diagonal = math.dist(crack.box[:2], crack.box[2:])
        assert 1 <= crack.length_px <= 2 * crack.area_px + 1
        known = [width.value for width in crack.width.by_name().values() if width.value is not None]
        assert all(1.2 <= width <= diagonal for width in known)
        assert (crack.width.cannot_measure is None) == (len(known) == 4)
        assert crack.width_max_px is None or crack.width_max_px == max(known)
        assert crack.tortuosity is None or crack.tortuosity >= 1
        row, col = crack.width.max_at
        assert crack.box[0] - 1 <= row <= crack.box[2]
        assert crack.box[1] - 1 <= col <= crack.box[3]
        assert (crack.pattern == "single") == (crack.junctions == 0)
        assert 0 <= crack.orientation_deg < 180
        assert 0 <= crack.to_dict()["orientation_deg"] < 180


@pytest.mark.parametrize("seed", range(40))
def test_a_level_crack_has_an_angle_of_0_and_never_of_180(seed: int) -> None:
    """A tiny negative angle from rounding must not become 180."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((60, 120), np.bool_)
    half, top = int(rng.integers(1, 5)), int(rng.integers(0, 40))
    left, right = int(rng.integers(0, 40)), int(rng.integers(60, 120))
    mask[top : top + 2 * half, left:right] = True
    (crack,) = measure_cracks(mask)
    assert 0 <= crack.orientation_deg < 180
    assert angle_between(crack.orientation_deg, 0) < 1e-6
    assert crack.to_dict()["orientation_deg"] == 0


def test_an_angle_just_below_180_is_not_rounded_up_to_180() -> None:
    mask = np.zeros((20, 1100), np.bool_)
    mask[8:10, 50:1050] = True
    mask[10, 1049] = True
    (crack,) = measure_cracks(mask)
    assert 179.9995 < crack.orientation_deg < 180
    assert crack.to_dict()["orientation_deg"] < 180


def test_measuring_does_not_change_the_mask() -> None:
    mask = random_mask(3, 0.4)
    copy = mask.copy()
    measure_cracks(mask)
    np.testing.assert_array_equal(mask, copy)


def test_a_mask_that_is_a_view_measures_like_its_copy() -> None:
    wide = bar(33, length=150, width=5, side=240)
    view = wide[::-1, ::2]
    assert measure_cracks(view) == measure_cracks(view.copy())
