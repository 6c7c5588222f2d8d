"""Tests of segmentation images and the palette of VOC."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from crackseg.errors import LabelError
from crackseg.files import make_folder
from crackseg.imaging.codec import read_mask_and_void, write_png
from crackseg.imaging.samples import VOID
from crackseg.labels.annotation import LabelledImage, LabelledObject, mask_object, mask_objects
from crackseg.labels.convert import AnnotationSource, convert
from crackseg.labels.reading import Format
from crackseg.labels.segmentation import (
    decode_labelmap,
    decode_segmentation,
    encode_labelmap,
    encode_segmentation,
    index_classes,
    index_objects,
    objects_of_indices,
    voc_palette,
)


def png(pixels: NDArray[np.uint8]) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def test_the_palette_equals_that_of_the_development_kit() -> None:
    palette = voc_palette().tolist()
    assert palette[:5] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]
    assert palette[15] == [192, 128, 128]
    assert palette[VOID] == [224, 224, 192]
    assert len({tuple(colour) for colour in palette}) == 256


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_indices_survive_a_round_trip_and_pillow_reads_them(height: int, width: int, seed: int) -> None:
    indices = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    data = encode_segmentation(indices)
    assert np.array_equal(decode_segmentation(data), indices)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), indices)


def test_a_coloured_image_equals_one_with_a_palette() -> None:
    indices = np.array([[0, 1, 2], [3, 20, 255]], np.uint8)
    assert np.array_equal(decode_segmentation(png(voc_palette()[indices])), indices)


def test_the_values_of_a_grey_image_are_the_indices() -> None:
    assert decode_segmentation(png(np.array([[0, 1, 2]], np.uint8))).tolist() == [[0, 1, 2]]


def test_a_grey_image_of_0_and_255_has_one_class() -> None:
    assert decode_segmentation(png(np.array([[0, 255]], np.uint8))).tolist() == [[0, 1]]


def test_custom_colours_are_read() -> None:
    pixels = np.array([[[0, 0, 0], [9, 9, 200], [224, 224, 192]]], np.uint8)
    assert decode_segmentation(png(pixels), colours=[(0, 0, 0), (9, 9, 200)]).tolist() == [[0, 1, VOID]]


def test_a_colour_that_is_not_in_the_palette_is_named_with_its_pixel() -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[1, 2] = (1, 2, 3)
    with pytest.raises(LabelError, match=r"colour \(1, 2, 3\) at row 1, column 2"):
        decode_segmentation(png(pixels))


def test_a_labelmap_survives_a_round_trip() -> None:
    data = encode_labelmap({"spall": 2, "crack": 1})
    assert decode_labelmap(data) == [("background", (0, 0, 0)), ("crack", (128, 0, 0)), ("spall", (0, 128, 0))]


def test_an_invalid_line_of_a_labelmap_is_named() -> None:
    with pytest.raises(LabelError, match=r"labelmap.txt:2: expected 'name:red,green,blue'"):
        decode_labelmap(b"# comment\ncrack:1,2\n")


def test_small_objects_cover_large_ones_and_none_is_lost() -> None:
    large, small = np.ones((4, 4), np.bool_), np.zeros((4, 4), np.bool_)
    small[1, 1] = True
    items = [mask_object(small, "spall"), mask_object(large, "crack")]
    image = LabelledImage("a.png", (4, 4), tuple(item for item in items if item is not None))
    numbers, classes = index_objects(image), index_classes(image, {"crack": 1, "spall": 2})
    assert numbers is not None
    assert (numbers[1, 1], numbers[0, 0]) == (1, 2)
    assert (classes[1, 1], classes[0, 0]) == (2, 1)


def test_an_object_that_another_covers_cannot_be_numbered() -> None:
    whole = mask_object(np.ones((2, 2), np.bool_), "crack")
    assert whole is not None
    assert index_objects(LabelledImage("a.png", (2, 2), (whole, whole))) is None


def test_more_objects_than_indices_cannot_be_numbered() -> None:
    dots = np.zeros((40, 40), np.bool_)
    dots[::2, ::2] = True
    image = LabelledImage("a.png", (40, 40), mask_objects(dots, "crack"))
    assert len(image.objects) == 400
    assert index_objects(image) is None
    classes = index_classes(image, {"crack": 1})
    again = objects_of_indices(LabelledImage("a.png", (40, 40)), classes, None, {1: "crack"})
    assert len(again.objects) == 400


def test_void_pixels_belong_to_no_object() -> None:
    indices = np.array([[0, VOID, 1]], np.uint8)
    image = objects_of_indices(LabelledImage("a.png", (1, 3)), indices, None, {1: "crack"})
    assert [item.box for item in image.objects] == [(0, 2, 1, 3)]


def test_a_segmentation_of_another_size_is_refused() -> None:
    with pytest.raises(
        LabelError, match=r"expected a segmentation of the image's size 1x4 \(height x width\), got 1x3"
    ):
        objects_of_indices(LabelledImage("a.png", (1, 4)), np.zeros((1, 3), np.uint8), None, {})


@pytest.mark.parametrize(
    ("boxes", "names", "category"),
    [
        pytest.param((), {}, "pottedplant", id="the classes of VOC"),
        pytest.param((LabelledObject("crack", (0, 0, 1, 1)),), {}, "crack", id="the only class of the XML file"),
        pytest.param((), {16: "spall"}, "spall", id="labelmap"),
    ],
)
def test_a_class_without_objects_is_named_by_the_best_source(
    boxes: tuple[LabelledObject, ...], names: dict[int, str], category: str
) -> None:
    indices = np.array([[0, 0, 16]], np.uint8)
    image = objects_of_indices(LabelledImage("a.png", (1, 3), boxes), indices, None, names)
    assert image.objects[0].category == category
    assert image.objects[0].box == (0, 2, 1, 3)


def test_an_object_without_box_takes_the_class_of_most_of_its_pixels() -> None:
    objects, classes = np.array([[1, 1, 1, 2]], np.uint8), np.array([[3, 3, 4, 0]], np.uint8)
    image = objects_of_indices(LabelledImage("a.png", (1, 4)), classes, objects, {3: "crack"})
    assert [item.category for item in image.objects] == ["crack", "object"]
    assert [item.box for item in image.objects] == [(0, 0, 1, 3), (0, 3, 1, 4)]
    plain = objects_of_indices(LabelledImage("a.png", (1, 4)), None, objects, {})
    assert [item.category for item in plain.objects] == ["object", "object"]


@pytest.mark.parametrize("kind", ["masks", "voc"])
def test_void_pixels_survive_a_conversion(kind: Format, tmp_path: Path) -> None:
    values = np.zeros((20, 30), np.uint8)
    values[4:8, 3:20], values[8:10, 3:20] = 1, 255
    lone = np.where(values == 255, np.uint8(255), np.uint8(0))
    make_folder(tmp_path / "in")
    write_png(tmp_path / "in" / "a.png", values)
    (tmp_path / "in" / "b.png").write_bytes(encode_segmentation(lone))
    convert(AnnotationSource(tmp_path / "in", "masks"), tmp_path / "mid", kind)
    convert(AnnotationSource(tmp_path / "mid", kind), tmp_path / "out", "masks")
    for name, crack in (("a", values == 1), ("b", values < 0)):
        mask, void = read_mask_and_void(tmp_path / "out" / f"{name}.png")
        assert np.array_equal(mask, crack)
        assert void is not None
        assert np.array_equal(void, values == 255)
    result = convert(AnnotationSource(tmp_path / "in", "masks"), tmp_path / "coco", "coco")
    assert result.changes == {"void region read as background": 2}
