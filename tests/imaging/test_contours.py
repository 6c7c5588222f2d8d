"""Test outlines, boxes and areas against scikit-image and closed forms."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from skimage import measure

from crackseg.imaging.contours import Contour, find_boxes, find_outlines, rotated_box

Mask = NDArray[np.bool_]

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def fill(shape: tuple[int, int], outer: Contour, holes: tuple[Contour, ...]) -> Mask:
    """Fill an outline without its holes, by the even-odd rule of OpenCV."""
    plane = np.zeros(shape, np.uint8)
    cv2.drawContours(plane, [contour[:, None, ::-1] for contour in (outer, *holes)], -1, 1, cv2.FILLED)
    return plane.astype(np.bool_)


@given(MASKS)
def test_the_outlines_of_a_mask_filled_again_are_the_mask(mask: Mask) -> None:
    again = np.zeros_like(mask)
    for outline in find_outlines(mask):
        again |= fill(mask.shape, outline.outer, outline.holes)
    np.testing.assert_array_equal(again, mask)


@given(MASKS)
def test_boxes_areas_and_holes_are_those_of_scikit_image(mask: Mask) -> None:
    # Foreground is 8-connected, so a hole is 4-connected: the Euler number counts 8-connected parts less such holes.
    expected = sorted(
        (tuple(int(value) for value in region.bbox), int(region.area), 1 - int(region.euler_number))
        for region in measure.regionprops(measure.label(mask, connectivity=2))  # type: ignore[no-untyped-call]
    )
    outlines = find_outlines(mask)
    assert sorted((item.box, item.area_px, len(item.holes)) for item in outlines) == expected
    assert find_boxes(mask) == tuple(sorted(item.box for item in outlines))


@given(MASKS)
def test_components_are_sorted_from_the_top_down(mask: Mask) -> None:
    labels = measure.label(mask, connectivity=2)  # type: ignore[no-untyped-call]
    first = {int(label): place for place, label in reversed(list(enumerate(labels.ravel()))) if label}
    expected = [tuple(divmod(place, mask.shape[1])) for place in sorted(first.values())]
    assert [tuple(item.outer[0].tolist()) for item in find_outlines(mask)] == expected


@given(MASKS)
def test_a_rotated_box_holds_the_whole_square_of_every_pixel_and_is_no_larger_than_the_upright_one(mask: Mask) -> None:
    for outline in find_outlines(mask):
        box = outline.rotated
        row0, col0, row1, col1 = outline.box
        assert box.length_px * box.width_px <= (row1 - row0) * (col1 - col0) + 1e-2
        assert box.length_px * box.width_px >= outline.area_px - 1e-2
        angle = np.radians(box.angle_deg)
        corners = (outline.outer[:, None] + np.array([[0, 0], [0, 1], [1, 0], [1, 1]])).reshape(-1, 2) - box.centre
        along = corners @ [-np.sin(angle), np.cos(angle)]
        across = corners @ [np.cos(angle), np.sin(angle)]
        assert np.abs(along).max() <= box.length_px / 2 + 1e-2
        assert np.abs(across).max() <= box.width_px / 2 + 1e-2
        assert 0 <= box.angle_deg < 180
        assert box.length_px >= box.width_px


@pytest.mark.parametrize(
    ("box", "length", "width", "angle"),
    [
        pytest.param((4, 6, 9, 20), 14, 5, 0, id="lying"),
        pytest.param((4, 6, 20, 9), 16, 3, 90, id="standing"),
        pytest.param((7, 7, 8, 8), 1, 1, None, id="one pixel"),
    ],
)
def test_the_rotated_box_of_an_upright_rectangle_is_that_rectangle(
    box: tuple[int, int, int, int], length: float, width: float, angle: float | None
) -> None:
    mask = np.zeros((30, 40), np.bool_)
    mask[box[0] : box[2], box[1] : box[3]] = True
    (outline,) = find_outlines(mask)
    assert outline.box == box
    assert (outline.rotated.length_px, outline.rotated.width_px) == pytest.approx((length, width), abs=1e-3)
    assert outline.rotated.centre == pytest.approx(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), abs=1e-3)
    assert angle is None or outline.rotated.angle_deg == pytest.approx(angle, abs=1e-3)
    corners = outline.rotated.corners
    assert (corners.min(axis=0), corners.max(axis=0)) == (
        pytest.approx(box[:2], abs=1e-3),
        pytest.approx(box[2:], abs=1e-3),
    )


@pytest.mark.parametrize("angle_deg", [0, 17, 30, 45, 60, 90, 120, 135, 163])
def test_a_strip_at_any_angle_has_the_rotated_box_it_was_drawn_with(angle_deg: int) -> None:
    rows, cols = np.mgrid[0:200, 0:200] + 0.5
    angle = np.radians(angle_deg)
    along = -(rows - 100) * np.sin(angle) + (cols - 100) * np.cos(angle)
    across = (rows - 100) * np.cos(angle) + (cols - 100) * np.sin(angle)
    (outline,) = find_outlines((np.abs(along) < 70) & (np.abs(across) < 8))
    turned = abs(outline.rotated.angle_deg - angle_deg)
    assert min(turned, 180 - turned) < 1
    assert outline.rotated.length_px == pytest.approx(140, abs=2)
    assert outline.rotated.width_px == pytest.approx(16, abs=2)
    assert outline.rotated.centre == pytest.approx((100, 100), abs=1)


def test_an_empty_mask_has_no_outlines_and_no_boxes() -> None:
    assert find_outlines(np.zeros((5, 6), np.bool_)) == ()
    assert find_boxes(np.zeros((5, 6), np.bool_)) == ()


def test_components_below_the_least_area_get_no_box() -> None:
    mask = np.zeros((20, 20), np.bool_)
    mask[2:5, 2:5], mask[10, 10] = True, True
    assert find_boxes(mask, min_area_px=2) == ((2, 2, 5, 5),)
    assert find_boxes(mask, min_area_px=9) == ((2, 2, 5, 5),)
    assert find_boxes(mask, min_area_px=10) == ()


def test_a_rotated_box_is_found_from_the_pixels_of_any_part() -> None:
    diagonal = np.arange(50)
    box = rotated_box(np.stack([diagonal, diagonal], axis=1))
    assert box.angle_deg == pytest.approx(135, abs=0.01)
    assert box.length_px == pytest.approx(50 * np.sqrt(2), rel=1e-4)
    assert box.width_px == pytest.approx(np.sqrt(2), rel=1e-4)
