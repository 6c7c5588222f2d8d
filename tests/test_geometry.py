"""Test regions, scales and scale sources."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackseg.errors import UsageError
from crackseg.geometry import Region, Scale, as_scale_source

SIDE = st.integers(0, 12)


@given(row0=SIDE, col0=SIDE, height=SIDE, width=SIDE, origin=st.tuples(SIDE, SIDE))
def test_a_region_cuts_exactly_its_half_open_pixels_from_an_array(
    row0: int, col0: int, height: int, width: int, origin: tuple[int, int]
) -> None:
    region = Region(row0, col0, row0 + height, col0 + width)
    rows, cols = np.mgrid[0:24, 0:24]
    inside = (rows >= row0) & (rows < row0 + height) & (cols >= col0) & (cols < col0 + width)
    assert region.shape == (region.height, region.width) == (height, width)
    np.testing.assert_array_equal(rows[region.slices()].ravel(), rows[inside])
    np.testing.assert_array_equal(cols[region.slices()].ravel(), cols[inside])
    moved = Region(row0 + origin[0], col0 + origin[1], row0 + origin[0] + height, col0 + origin[1] + width)
    assert moved.slices(origin) == region.slices()


@pytest.mark.parametrize(
    "corners",
    [pytest.param((3, 0, 2, 5), id="rows swapped"), pytest.param((0, 5, 2, 4), id="columns swapped")],
)
def test_a_region_that_ends_before_it_starts_is_refused(corners: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="row0 <= row1"):
        Region(*corners)


def test_a_region_may_begin_outside_the_image() -> None:
    assert Region(-4, -2, 3, 1).shape == (7, 3)


def test_a_region_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Region(0, 0, 1, 1).row0 = 5  # type: ignore[misc]


@pytest.mark.parametrize("value", [0.0, -0.2, math.nan, math.inf, -math.inf])
def test_a_scale_that_is_no_positive_finite_number_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="more than 0 mm per pixel"):
        Scale(value, "a ruler in the image")


def test_a_scale_keeps_its_source() -> None:
    assert Scale(0.25, "--scale") == Scale(mm_per_px=0.25, source="--scale")


def test_a_scale_is_the_scale_of_every_image() -> None:
    scale = Scale(0.25, "a ruler")
    assert scale.scale_of(np.zeros((2, 3, 3), np.uint8), name="wall.png") is scale
    assert scale.fixed is scale
    assert scale.describe() == "0.25 mm per pixel (a ruler)"
    assert scale.to_dict() == dataclasses.asdict(scale)


@pytest.mark.parametrize("number", [0.2, 1, np.float32(0.5)])
def test_a_number_of_millimetres_per_pixel_is_a_scale_source(number: float) -> None:
    assert as_scale_source(number) == Scale(float(number), "scale=")


def test_a_scale_source_is_returned_unchanged() -> None:
    scale = Scale(0.25, "a ruler")
    assert as_scale_source(scale) is scale
    assert as_scale_source(None) is None


def test_a_number_that_cannot_be_a_scale_is_refused() -> None:
    with pytest.raises(UsageError, match="more than 0 mm per pixel"):
        as_scale_source(-0.2)
