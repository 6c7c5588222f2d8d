"""Pictures of results."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.drawing import BOX_COLOUR, CRACK_COLOUR, contact_sheet, draw_boxes, draw_overlay

Pixels = NDArray[np.uint8]


def wall(shape: tuple[int, int] = (40, 60)) -> Pixels:
    return np.random.default_rng(0).integers(90, 160, (*shape, 3), dtype=np.uint8)


def disc_of_pixels(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Every pixel whose row and column differ by at most one from those of a pixel of the mask."""
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


def test_drawing_leaves_image_and_mask_alone() -> None:
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
