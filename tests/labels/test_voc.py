"""Tests of Pascal VOC files, read by the parser of the standard library."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackseg.errors import LabelError, UsageError
from crackseg.labels.annotation import LabelledImage, LabelledObject
from crackseg.labels.voc import VocAnnotation, decode_voc, describe_voc, encode_voc


def boxes_of(data: bytes) -> list[tuple[int, int, int, int]]:
    """Return the boxes of a VOC file, half-open and 0-based."""
    boxes = []
    for item in ElementTree.fromstring(data).findall("object"):
        xmin, ymin, xmax, ymax = (int(item.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax"))
        boxes.append((ymin - 1, xmin - 1, ymax, xmax))
    return boxes


@st.composite
def descriptions(draw: st.DrawFn) -> VocAnnotation:
    height, width = draw(st.integers(1, 500)), draw(st.integers(1, 500))
    boxes = []
    for _ in range(draw(st.integers(0, 4))):
        row0, col0 = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        boxes.append((row0, col0, draw(st.integers(row0 + 1, height)), draw(st.integers(col0 + 1, width))))
    return VocAnnotation("images", draw(st.text("abc<&>'\"é", min_size=1)) + ".png", (height, width), boxes)


@given(descriptions())
def test_boxes_and_names_survive_a_round_trip(annotation: VocAnnotation) -> None:
    data = encode_voc(annotation)
    root = ElementTree.fromstring(data)
    assert boxes_of(data) == list(annotation.boxes)
    assert root.findtext("filename") == annotation.filename
    assert root.findtext("path") == f"images/{annotation.filename}"
    assert (int(root.findtext("size/height", "")), int(root.findtext("size/width", ""))) == annotation.shape


@given(descriptions())
def test_boxes_lie_between_1_and_the_size_of_the_image(annotation: VocAnnotation) -> None:
    root = ElementTree.fromstring(encode_voc(annotation))
    for box in root.iter("bndbox"):
        values = {child.tag: int(child.text or "") for child in box}
        assert 1 <= values["xmin"] <= values["xmax"] <= annotation.shape[1]
        assert 1 <= values["ymin"] <= values["ymax"] <= annotation.shape[0]


def test_one_pixel_is_a_box_whose_corners_are_equal() -> None:
    mask = np.zeros((5, 7), np.bool_)
    mask[2, 4] = True
    rows, cols = np.nonzero(mask)
    box = (int(rows.min()), int(cols.min()), int(rows.max()) + 1, int(cols.max()) + 1)
    root = ElementTree.fromstring(encode_voc(VocAnnotation("images", "a.png", (5, 7), [box])))
    assert [child.text for child in root.find("object/bndbox") or ()] == ["5", "3", "5", "3"]


@pytest.mark.parametrize(
    ("box", "truncated"),
    [
        pytest.param((1, 1, 9, 19), "0", id="inside"),
        pytest.param((0, 1, 9, 19), "1", id="touches the top"),
        pytest.param((1, 0, 9, 19), "1", id="touches the left"),
        pytest.param((1, 1, 10, 19), "1", id="touches the bottom"),
        pytest.param((1, 1, 9, 20), "1", id="touches the right"),
    ],
)
def test_an_object_at_the_image_border_is_marked_truncated(box: tuple[int, int, int, int], truncated: str) -> None:
    root = ElementTree.fromstring(encode_voc(VocAnnotation("images", "a.png", (10, 20), [box])))
    assert root.findtext("object/truncated") == truncated


def test_a_file_has_the_elements_of_the_development_kit_in_order() -> None:
    root = ElementTree.fromstring(encode_voc(VocAnnotation("images", "a.png", (10, 20), [(0, 0, 5, 5)], name="spall")))
    assert root.tag == "annotation"
    assert [child.tag for child in root] == ["folder", "filename", "path", "source", "size", "segmented", "object"]
    assert [child.tag for child in root.find("size") or ()] == ["width", "height", "depth"]
    assert [child.tag for child in root.find("object") or ()] == ["name", "pose", "truncated", "difficult", "bndbox"]
    assert root.findtext("object/name") == "spall"


def test_an_image_without_cracks_has_a_file_without_objects() -> None:
    data = encode_voc(VocAnnotation("images", "a.png", (10, 20), []))
    assert data.startswith(b"<?xml")
    assert boxes_of(data) == []


def unknown(name: str) -> tuple[int, int]:
    raise UsageError("no size", where=name)


@given(descriptions())
def test_a_file_survives_a_round_trip(annotation: VocAnnotation) -> None:
    image = decode_voc(encode_voc(annotation), unknown)
    assert (image.name, image.shape) == (annotation.filename, annotation.shape)
    assert [item.box for item in image.objects] == list(annotation.boxes)
    assert encode_voc(describe_voc(image, folder="images")) == encode_voc(annotation)


def test_objects_keep_their_classes() -> None:
    objects = (LabelledObject("crack", (0, 0, 1, 1)), LabelledObject("spall", (1.5, 2.25, 3, 4)))
    annotation = describe_voc(LabelledImage("folder/a.png", (10, 20), objects))
    assert (annotation.filename, annotation.names) == ("a.png", ["crack", "spall"])
    assert list(annotation.boxes) == [(0, 0, 1, 1), (1, 2, 3, 4)]
    assert [item.category for item in decode_voc(encode_voc(annotation), unknown).objects] == ["crack", "spall"]


XML = "<annotation><filename>a.png</filename>{}</annotation>"
SIZE = "<size><width>20</width><height>10</height></size>"
OBJECT = "<object><name>crack</name>{}</object>"
BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def test_a_0_based_or_too_large_box_is_clipped_to_the_image() -> None:
    data = XML.format(SIZE + OBJECT.format(BOX.format(0, 0, 20, 10)) + OBJECT.format(BOX.format(19, 9, 25, 12)))
    assert [item.box for item in decode_voc(data.encode(), unknown).objects] == [(0, 0, 10, 20), (8, 18, 10, 20)]


def test_a_box_outside_the_image_is_left_out() -> None:
    image = decode_voc(XML.format(SIZE + OBJECT.format(BOX.format(30, 1, 40, 5))).encode(), unknown)
    assert (image.objects, image.left_out) == ((), ("box outside the image",))


@pytest.mark.parametrize("size", ["", "<size><width>0</width><height>0</height></size>", "<size/>"])
def test_a_missing_size_is_looked_up(size: str) -> None:
    assert decode_voc(XML.format(size).encode(), lambda name: (len(name), 7)).shape == (5, 7)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            SIZE + OBJECT.format(""), "object 1: the elements 'bndbox' and 'polygon' are missing", id="no box"
        ),
        pytest.param(SIZE + OBJECT.format("<bndbox/>"), "object 1: ymin: expected a number, got nothing", id="empty"),
        pytest.param(SIZE + OBJECT.format(BOX.format("x", 1, 2, 3)), "xmin: expected a number, got 'x'", id="text"),
        pytest.param("<size><width>-1</width><height>1</height></size>", "size/width: expected a whole", id="size"),
    ],
)
def test_an_error_in_a_file_names_its_object(body: str, message: str) -> None:
    with pytest.raises(LabelError) as caught:
        decode_voc(XML.format(body).encode(), unknown, name="a.xml")
    assert str(caught.value).startswith("a.xml: ")
    assert message in str(caught.value)


def test_a_file_without_an_image_name_is_refused() -> None:
    with pytest.raises(LabelError, match="the element 'filename' is missing"):
        decode_voc(b"<annotation/>", unknown)
