"""Test that the fast encoder writes PNG files that other readers accept."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from crackseg.imaging.codec import decode_image, encode_png
from crackseg.imaging.png import encode_quickly
from tests.local_network import noise


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    channels=st.sampled_from([(), (3,)]),
    depth=st.sampled_from([8, 16]),
    seed=st.integers(0, 9),
)
def test_two_other_readers_find_the_pixels_that_were_encoded(
    shape: tuple[int, int], channels: tuple[int, ...], depth: int, seed: int
) -> None:
    values = np.random.default_rng(seed).integers(0, 2**depth, (*shape, *channels))
    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    pixels = values.astype(np.uint8) if depth == 8 else values.astype(np.uint16)
    data = encode_quickly(pixels)
    decoded = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    assert decoded.dtype == pixels.dtype
    np.testing.assert_array_equal(decoded[..., ::-1] if channels else decoded, pixels)
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        assert opened.size == (shape[1], shape[0])
        if depth == 8 or not channels:  # Pillow keeps 8 bits of 16-bit colour
            np.testing.assert_array_equal(np.asarray(opened), pixels)


def test_a_view_is_encoded_like_its_copy() -> None:
    pixels = noise((40, 50))
    for view in (pixels[::2, ::-1], pixels[5:9, 3:], pixels[..., ::-1], pixels[..., 1].T):
        assert encode_quickly(view) == encode_quickly(np.ascontiguousarray(view))


def test_compression_1_is_the_fast_encoder_and_about_as_small_as_the_usual_one() -> None:
    rows, cols = np.mgrid[:300, :400]
    smooth = np.stack([(rows + cols) // 3, rows // 2, cols // 2], axis=2).astype(np.uint8)
    data = encode_png(smooth, compression=1)
    assert data == encode_quickly(smooth)
    assert len(data) < 2 * len(encode_png(smooth, compression=3))
    np.testing.assert_array_equal(decode_image(data), smooth)


@pytest.mark.parametrize("at", [60, -30, -6])
def test_a_flipped_byte_is_found_by_its_checksum(at: int) -> None:
    data = bytearray(encode_quickly(noise((30, 30))))
    data[at] ^= 0xFF
    with Image.open(io.BytesIO(bytes(data))) as opened, pytest.raises((OSError, SyntaxError)):
        opened.verify()
