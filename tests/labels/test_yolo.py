"""YOLO segmentation labels, read as their trainers read them."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.labels.yolo import YoloObject, encode_yolo, outline_mask
from tests.labels.strategies import masks


def mask_as_trained_on(data: bytes, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A label file as a trainer draws it: single precision, cut to whole pixels, filled by OpenCV."""
    canvas = np.zeros(shape, np.uint8)
    for line in data.decode().splitlines():
        values = np.array(line.split(), dtype=np.float32)
        assert len(values) >= 7
        assert (values[1:] >= 0).all()
        assert (values[1:] <= 1).all()
        points = values[1:].reshape(-1, 2) * np.array(shape[::-1], np.float32)
        cv2.fillPoly(canvas, [points.astype(np.int32)], 1)
    return canvas.astype(np.bool_)


@given(masks())
def test_a_trainer_sees_the_mask_that_went_in_with_every_hole(mask: NDArray[np.bool_]) -> None:
    shape = mask.shape[0], mask.shape[1]
    assert np.array_equal(mask_as_trained_on(encode_yolo(outline_mask(mask), shape), shape), mask)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(0, 2**32 - 1))
def test_no_pixel_of_a_large_image_is_moved_by_rounding(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = np.stack((rng.integers(0, height, 50), rng.integers(0, width, 50)), axis=1)
    (line,) = encode_yolo([YoloObject((places + 0.5).astype(np.float64))], (height, width)).decode().splitlines()
    shares = np.array(line.split()[1:], dtype=np.float32).reshape(-1, 2)
    again = (shares * np.array([width, height], np.float32)).astype(np.int32)
    assert np.array_equal(again[:, ::-1], places)


def test_a_line_begins_with_the_number_of_its_class() -> None:
    mask = np.zeros((4, 4), np.bool_)
    mask[0, 0] = mask[3, 3] = True
    lines = encode_yolo(outline_mask(mask, number=2), (4, 4)).decode().splitlines()
    assert lines == ["2" + " 0.125000" * 6, "2" + " 0.875000" * 6]


def test_an_image_without_cracks_has_an_empty_file() -> None:
    assert encode_yolo(outline_mask(np.zeros((4, 4), np.bool_)), (4, 4)) == b""
