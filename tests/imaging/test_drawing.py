"""Test overlays, boxes and contact sheets."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.imaging.drawing import BOX_COLOUR, CRACK_COLOUR, contact_sheet, draw_boxes, draw_components, draw_overlay

Pixels = NDArray[np.uint8]


def wall(shape: tuple[int, int] = (40, 60)) -> Pixels:
    return np.random.default_rng(0).integers(90, 160, (*shape, 3), dtype=np.uint8)


def disc_of_pixels(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels within one row and column of the mask."""
    padded = np.pad(mask, 1)
    grown = np.zeros_like(mask)
    for row in range(3):
        for col in range(3):
            grown |= padded[row : row + mask.shape[0], col : col + mask.shape[1]]
    return grown


@settings(max_examples=30)
@given(shape=st.tuples(st.integers(1, 40), st.integers(1, 40)), seed=st.integers(0, 999))
def test_an_overlay_tints_the_crack_outlines_it_and_leaves_the_rest(shape: tuple[int, int], seed: int) -> None:
    image = wall(shape)
    mask = np.random.default_rng(seed).random(shape) < 0.03
    drawn = draw_overlay(image, mask)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    expected = image[mask] * 0.55 + np.array(CRACK_COLOUR) * 0.45
    np.testing.assert_allclose(drawn[mask], expected, atol=0.51)
    outline = (drawn == CRACK_COLOUR).all(axis=2) & ~mask
    assert not (outline & ~disc_of_pixels(mask)).any()
    for row, col in np.argwhere(mask):
        for near in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            if 0 <= near[0] < shape[0] and 0 <= near[1] < shape[1] and not mask[near]:
                assert outline[near]
    untouched = ~mask & ~outline
    np.testing.assert_array_equal(drawn[untouched], image[untouched])


def test_an_overlay_of_nothing_is_the_image_in_a_new_array() -> None:
    image = wall()
    drawn = draw_overlay(image, np.zeros((40, 60), np.bool_))
    np.testing.assert_array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_drawing_does_not_change_image_and_mask() -> None:
    image, mask = wall(), np.zeros((40, 60), np.bool_)
    mask[5:9, 5:30] = True
    before = image.copy(), mask.copy()
    draw_overlay(image, mask)
    draw_boxes(image, mask, [(5, 5, 9, 30)])
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


def test_the_outline_grows_with_the_image_so_that_it_can_be_seen() -> None:
    widths = []
    for side in (300, 3000):
        mask = np.zeros((side, 100), np.bool_)
        mask[side // 2 : side // 2 + 4] = True
        drawn = draw_overlay(np.full((side, 100, 3), 100, np.uint8), mask)
        widths.append(int(((drawn == CRACK_COLOUR).all(axis=2) & ~mask)[:, 50].sum()))
    assert widths == [2, 4]


def test_a_box_is_drawn_on_its_outermost_pixels() -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    drawn = draw_boxes(image, np.zeros((30, 40), np.bool_), [(4, 6, 20, 33)])
    rows, cols = np.nonzero((drawn == BOX_COLOUR).all(axis=2))
    assert (rows.min(), cols.min(), rows.max() + 1, cols.max() + 1) == (4, 6, 20, 33)
    assert len(rows) == 2 * 27 + 2 * 16 - 4
    assert not drawn[5:19, 7:32].any()


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance of a colour, 0 to 1 (WCAG 2.2)."""
    values = np.array(colour) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("colour", [pytest.param(CRACK_COLOUR, id="crack"), pytest.param(BOX_COLOUR, id="box")])
def test_colours_are_visible_on_light_and_on_dark(colour: tuple[int, int, int]) -> None:
    """WCAG 2.2 requires 3 : 1 for graphics. On greys in between the hue must differ."""
    assert (1 + 0.05) / (luminance(colour) + 0.05) >= 3
    assert (luminance(colour) + 0.05) / 0.05 >= 3
    greys = np.repeat(np.arange(256)[:, None], 3, axis=1)[None].astype(np.float32) / 255
    own = np.full((1, 1, 3), colour, np.float32) / 255
    lab = [cv2.cvtColor(value, cv2.COLOR_RGB2LAB) for value in (greys, own)]
    assert float(np.linalg.norm(lab[0] - lab[1], axis=2).min()) > 60


def tilted() -> NDArray[np.bool_]:
    """A strip at 30 degrees, and a speck."""
    rows, cols = np.mgrid[0:120, 0:160].astype(float)
    along = -(rows - 60) * 0.5 + (cols - 80) * np.sqrt(0.75)
    across = (rows - 60) * np.sqrt(0.75) + (cols - 80) * 0.5
    mask = np.asarray((np.abs(along) < 60) & (np.abs(across) < 4))
    mask[10, 10] = True
    return mask


def test_every_component_gets_a_tight_box() -> None:
    mask, image = tilted(), np.zeros((120, 160, 3), np.uint8)
    strip, speck = box_of(mask[11:], 11), (10, 10, 11, 11)
    np.testing.assert_array_equal(draw_components(image, mask), draw_boxes(image, mask, [strip, speck]))
    np.testing.assert_array_equal(draw_components(image, mask, min_area_px=2), draw_boxes(image, mask, [strip]))


def box_of(mask: NDArray[np.bool_], row: int) -> tuple[int, int, int, int]:
    rows, cols = np.nonzero(mask)
    return int(rows.min()) + row, int(cols.min()), int(rows.max()) + 1 + row, int(cols.max()) + 1


def test_a_rotated_box_lies_close_around_its_component() -> None:
    mask, image = tilted(), np.zeros((120, 160, 3), np.uint8)
    drawn = draw_components(image, mask, boxes="rotated", min_area_px=2)
    rows, cols = np.nonzero((drawn == BOX_COLOUR).all(axis=2))
    across = np.abs((rows - 60) * np.sqrt(0.75) + (cols - 80) * 0.5)
    assert across.max() < 6
    assert len(rows) > 200
    assert tuple(drawn[10, 10]) != BOX_COLOUR


@pytest.mark.parametrize(
    ("count", "columns", "expected"),
    [
        pytest.param(1, 4, (50, 50, 3), id="one image is one cell"),
        pytest.param(3, 4, (50, 150, 3), id="a row that is not full is as short as it is"),
        pytest.param(4, 4, (50, 200, 3), id="a full row"),
        pytest.param(5, 4, (100, 200, 3), id="two rows"),
        pytest.param(6, 2, (150, 100, 3), id="two columns"),
    ],
)
def test_a_contact_sheet_has_room_for_every_image(count: int, columns: int, expected: tuple[int, int, int]) -> None:
    colours = [np.full((20, 30, 3), 20 * index + 10, np.uint8) for index in range(count)]
    sheet = contact_sheet(colours, columns=columns, side=50)
    assert sheet.shape == expected
    assert set(np.unique(sheet)) == {20 * index + 10 for index in range(count)} | {255}


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (7, 1000), (2000, 2000)])
def test_an_image_of_any_shape_fits_its_cell(shape: tuple[int, int]) -> None:
    sheet = contact_sheet([np.zeros((*shape, 3), np.uint8)], side=64)
    assert sheet.shape == (64, 64, 3)
    assert (sheet == 0).any()
    assert (sheet[-1] == 255).all()
