"""Test masks in every common form, and arrays in place of files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from crackseg.errors import UsageError
from crackseg.imaging.codec import (
    decode_image,
    encode_png,
    mask_pixels,
    read_mask,
    rgb_from_array,
    write_png,
)
from tests.image_files import Pixels, assert_like, encoded

# Masks


MASK = np.random.default_rng(3).random((20, 30)) < 0.3


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode_png(mask_pixels(MASK)), id="0 and 255"),
        pytest.param(encode_png(MASK.astype(np.uint8)), id="0 and 1"),
        pytest.param(encode_png(MASK.astype(np.uint16) * np.uint16(255)), id="0 and 255 in 16 bit"),
        pytest.param(encode_png(MASK.astype(np.uint16) * np.uint16(65535)), id="0 and 65535"),
        pytest.param(encode_png(MASK.astype(np.uint16)), id="0 and 1 in 16 bit"),
        pytest.param(encoded(Image.fromarray(MASK), "PNG"), id="one bit"),
        pytest.param(encoded(Image.fromarray(np.dstack([mask_pixels(MASK)] * 3)), "PNG"), id="white in colour"),
        pytest.param(encode_png(np.dstack([mask_pixels(MASK)] + [np.zeros((20, 30), np.uint8)] * 2)), id="red"),
        pytest.param(encoded(Image.fromarray(mask_pixels(MASK)), "BMP"), id="bmp"),
        pytest.param(encoded(Image.fromarray(MASK.astype(np.float32)), "TIFF"), id="float 0 and 1"),
        pytest.param(
            encoded(Image.fromarray(np.dstack([mask_pixels(MASK)] * 3 + [np.full((20, 30), 255, np.uint8)])), "PNG"),
            id="with an opaque alpha channel",
        ),
    ],
)
def test_a_mask_in_any_common_form_is_the_same_mask(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(data)
    decoded = read_mask(path)
    assert decoded.dtype == np.bool_
    np.testing.assert_array_equal(decoded, MASK)


def test_an_antialiased_mask_is_cut_at_half_of_full_scale(tmp_path: Path) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_png(tmp_path / "soft.png", values)
    np.testing.assert_array_equal(read_mask(tmp_path / "soft.png"), values >= 128)


def test_a_jpeg_mask_is_cleaned_of_its_ringing(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[20:28, 5:60] = True
    (tmp_path / "mask.jpg").write_bytes(encoded(Image.fromarray(mask_pixels(mask)), "JPEG"))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.jpg"), mask)


def test_in_a_palette_every_class_but_background_and_void_is_crack(tmp_path: Path) -> None:
    index = np.zeros((6, 8), np.uint8)
    index[1, 1:4], index[2, 1:4], index[4, 2:6] = 1, 2, 255
    image = Image.fromarray(index).copy()
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * (252 * 3) + [224, 224, 192])
    (tmp_path / "voc.png").write_bytes(encoded(image, "PNG"))
    np.testing.assert_array_equal(read_mask(tmp_path / "voc.png"), (index == 1) | (index == 2))


def test_a_palette_of_black_and_white_is_read_by_its_colours(tmp_path: Path) -> None:
    index = np.zeros((6, 8), np.uint8)
    index[2:4] = 1
    image = Image.fromarray(index)
    image.putpalette([255, 255, 255, 0, 0, 0])
    (tmp_path / "mask.png").write_bytes(encoded(image, "PNG"))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), index == 0)


@pytest.mark.parametrize("value", [0, 255], ids=["empty", "full"])
def test_a_mask_of_one_value_stays_of_one_value(tmp_path: Path, value: int) -> None:
    write_png(tmp_path / "mask.png", np.full((5, 4), value, np.uint8))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), np.full((5, 4), value == 255))


# Arrays


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.zeros((4, 5), np.float32), id="float"),
        pytest.param(np.zeros((4, 5), np.int64), id="int64"),
        pytest.param(np.zeros((4, 5, 2), np.uint8), id="two channels"),
        pytest.param(np.zeros((2, 4, 5, 3), np.uint8), id="a batch"),
        pytest.param(np.zeros(5, np.uint8), id="a line"),
        pytest.param(np.zeros((0, 5, 3), np.uint8), id="no rows"),
        pytest.param(np.zeros((5, 0), np.uint8), id="no columns"),
    ],
)
def test_an_array_that_is_not_an_image_is_refused(values: NDArray[np.generic]) -> None:
    with pytest.raises(UsageError, match="array: expected"):
        rgb_from_array(values)


def test_arrays_of_every_allowed_form_give_the_same_pixels(photo: Pixels) -> None:
    grey = photo[..., 0]
    expected = np.dstack([grey] * 3)
    for form in (grey, grey[..., None], expected, np.dstack([expected, 255 - grey]), grey.astype(np.uint16) * 257):
        assert_like(rgb_from_array(form), expected)
    assert_like(rgb_from_array(grey > 127), np.where(expected > 127, 255, 0))


GREY_OR_COLOUR = st.tuples(st.integers(1, 9), st.integers(1, 9)) | st.tuples(
    st.integers(1, 9), st.integers(1, 9), st.just(3)
)


@given(hnp.arrays(np.uint8, GREY_OR_COLOUR))
def test_what_is_written_as_png_is_read_back_unchanged(pixels: Pixels) -> None:
    assert_like(decode_image(encode_png(pixels)), pixels if pixels.ndim == 3 else np.dstack([pixels] * 3))
    with Image.open(io.BytesIO(encode_png(pixels))) as opened:
        np.testing.assert_array_equal(np.asarray(opened), pixels)


@given(hnp.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_sixteen_bits_are_written_as_sixteen_bits(samples: NDArray[np.uint16]) -> None:
    with Image.open(io.BytesIO(encode_png(samples))) as opened:
        np.testing.assert_array_equal(np.asarray(opened), samples)
