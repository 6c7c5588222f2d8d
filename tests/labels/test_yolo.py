"""Tests of YOLO segmentation labels, read as their trainers read them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.labels.annotation import Polygons
from crackseg.labels.yolo import (
    YoloObject,
    decode_names,
    decode_yolo,
    encode_names,
    encode_yolo,
    encode_yolo_boxes,
    outline_mask,
)
from tests.labels.strategies import draw_image, masks


def mask_as_trained_on(data: bytes, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Draw a label file in the way of a YOLO trainer."""
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
def test_a_trainer_restores_the_mask_with_every_hole(mask: NDArray[np.bool_]) -> None:
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


@given(masks())
def test_a_file_survives_a_round_trip(mask: NDArray[np.bool_]) -> None:
    shape = mask.shape[0], mask.shape[1]
    image = decode_yolo(encode_yolo(outline_mask(mask, number=1), shape), "a.png", shape, ["spall", "crack"])
    assert np.array_equal(draw_image(image), mask)
    assert {item.category for item in image.objects} <= {"crack"}


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(0, 2**32 - 1))
def test_whole_pixels_of_another_tool_are_not_moved_by_truncation(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = np.stack((rng.integers(0, height, 9), rng.integers(0, width, 9)), axis=1)
    words = [f"{share:.6f}" for share in (places / (height, width))[:, ::-1].ravel()]
    image = decode_yolo(f"0 {' '.join(words)}".encode(), "a.png", (height, width))
    outline = image.objects[0].outline
    assert isinstance(outline, Polygons)
    assert np.array_equal(np.floor(outline.rings[0]), places)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 2**32 - 1))
def test_boxes_of_whole_pixels_survive_a_round_trip(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    row0, col0 = int(rng.integers(0, height)), int(rng.integers(0, width))
    box = float(row0), float(col0), float(rng.integers(row0 + 1, height + 1)), float(rng.integers(col0 + 1, width + 1))
    image = decode_yolo(encode_yolo_boxes([(0, box)], (height, width)), "a.png", (height, width))
    assert image.objects[0].box == box
    assert image.objects[0].category == "0"


def test_points_on_the_far_border_belong_to_the_last_pixel() -> None:
    image = decode_yolo(b"0 0 0 1 0 1 1 0 1", "a.png", (3, 4))
    assert draw_image(image).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("0 .1 .1 .2 .2 .3 .3\n0 .1 .1 .2 .2", None, id="an outline and a box"),
        pytest.param("0 .1 .1 .2 .2 3", "YOLO:1: expected a confidence from 0 to 1", id="odd"),
        pytest.param("\n0 .1 .1", "YOLO:2: expected a class number with a box", id="too few"),
        pytest.param("crack .1 .1 .2 .2", "YOLO:1: expected a number, got 'crack'", id="name for number"),
        pytest.param("0.5 .1 .1 .2 .2", "YOLO:1: expected a class number of 0 or more, got '0.5'", id="half a class"),
        pytest.param("-1 .1 .1 .2 .2", "YOLO:1: expected a class number of 0 or more", id="negative class"),
        pytest.param("0 10 10 20 20 30 10", "YOLO:1: expected x and y from 0 to 1", id="pixels for shares"),
        pytest.param("0 nan .1 .2 .2 .3 .3", "YOLO:1: expected a number, got 'nan'", id="not a number"),
    ],
)
def test_an_error_in_a_line_names_its_number(text: str, message: str | None) -> None:
    if message is None:
        assert len(decode_yolo(text.encode(), "a.png", (100, 100)).objects) == 2
        return
    with pytest.raises(LabelError) as caught:
        decode_yolo(text.encode(), "a.png", (100, 100))
    assert message in str(caught.value)


def test_class_names_survive_a_round_trip() -> None:
    assert decode_names(encode_names(["crack", "Spalling: é"]), name="data.yaml") == ["crack", "Spalling: é"]


@pytest.mark.parametrize(
    ("data", "name", "names"),
    [
        pytest.param(b"names: [a, b]", "data.yaml", ["a", "b"], id="list"),
        pytest.param(b"names: {2: c, 0: a}", "data.yaml", ["a", "1", "c"], id="numbers with a gap"),
        pytest.param(b"nc: 2", "data.yaml", [], id="no names"),
        pytest.param(b"a\n\nb\n", "classes.txt", ["a", "b"], id="a line each"),
    ],
)
def test_class_names_are_read_from_either_file(data: bytes, name: str, names: list[str]) -> None:
    assert decode_names(data, name=name) == names


@pytest.mark.parametrize(
    "data", [b"names: [a", b"names: {x: a}", b"names: 3", b"- a", b"names: !!python/object:os.system {}", b"[" * 5000]
)
def test_an_unreadable_list_of_names_is_a_typed_error(data: bytes) -> None:
    with pytest.raises(LabelError):
        decode_names(data, name="data.yaml")
