"""Tests of CVAT files against the unpacking of its maintainers and the standard XML parser."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from crackseg.errors import LabelError, UsageError
from crackseg.labels.annotation import LabelledImage, Polygons, mask_objects, ring_object
from crackseg.labels.cvat import decode_cvat_xml, encode_cvat_image, encode_cvat_xml, read_cvat_image
from tests.labels.strategies import draw_image, masks


def unknown(name: str) -> tuple[int, int]:
    raise UsageError("no size", where=name)


def read(data: bytes) -> list[LabelledImage]:
    return [read_cvat_image(name, image, unknown, name="a.xml") for name, image in decode_cvat_xml(data, name="a.xml")]


def write(*images: LabelledImage) -> bytes:
    parts = [encode_cvat_image(image, number) for number, image in enumerate(images)]
    return encode_cvat_xml(parts, ["crack"])


def document(body: str, *, height: int = 8, width: int = 9) -> bytes:
    image = f'<image id="0" name="wall.png" width="{width}" height="{height}">{body}</image>'
    return f"<annotations><version>1.1</version>{image}</annotations>".encode()


@given(masks())
def test_masks_survive_a_round_trip(mask: NDArray[np.bool_]) -> None:
    shape = mask.shape[0], mask.shape[1]
    (image,) = read(write(LabelledImage("folder/wall.png", shape, mask_objects(mask, "crack"))))
    assert (image.name, image.shape) == ("folder/wall.png", shape)
    assert np.array_equal(draw_image(image), mask)


@given(masks())
def test_a_mask_equals_the_unpacking_of_its_maintainers(mask: NDArray[np.bool_]) -> None:
    shape = mask.shape[0], mask.shape[1]
    again = np.zeros_like(mask)
    for element in ElementTree.fromstring(write(LabelledImage("a.png", shape, mask_objects(mask, "crack")))).iter(
        "mask"
    ):
        left, top, width, height = (int(element.get(key, "")) for key in ("left", "top", "width", "height"))
        offset, value = 0, False
        for count in map(int, element.get("rle", "").split(",")):
            for place in range(offset, offset + count):
                row, col = divmod(place, width)
                again[row + top, col + left] |= value
            offset, value = offset + count, not value
        assert offset == width * height
    assert np.array_equal(again, mask)


def test_the_labels_of_a_task_are_listed() -> None:
    root = ElementTree.fromstring(encode_cvat_xml([], ["crack", "a<b"]))
    assert [item.findtext("name") for item in root.iter("label")] == ["crack", "a<b"]


def test_polygons_and_boxes_survive_a_round_trip() -> None:
    ring = np.array([(0.5, 1.25), (4.0, 7.75), (6.5, 2.0)])
    body = LabelledImage("a.png", (8, 9), (ring_object([ring], "centre", "crack"),))
    (image,) = read(write(body))
    outline = image.objects[0].outline
    assert isinstance(outline, Polygons)
    assert np.array_equal(outline.rings[0], ring)
    (boxed,) = read(document('<box label="a" xtl="1.5" ytl="2" xbr="4" ybr="20"/>'))
    assert (boxed.objects[0].box, boxed.objects[0].outline) == ((2, 1.5, 8, 4), None)


def test_a_rotated_box_becomes_a_polygon() -> None:
    (image,) = read(document('<box label="a" xtl="2" ytl="3" xbr="6" ybr="5" rotation="90"/>'))
    expected = np.zeros((8, 9), np.bool_)
    expected[2:6, 3:5] = True
    assert np.array_equal(draw_image(image), expected)


def test_lines_points_and_specks_are_left_out_by_kind() -> None:
    body = (
        '<polyline label="a" points="1,2;3,4"/><points label="a" points="1,2"/><tag label="dirty"/>'
        '<polygon label="a" points="1,1;2,2"/><box label="a" xtl="20" ytl="1" xbr="30" ybr="2"/>'
    )
    (image,) = read(document(body))
    assert image.objects == ()
    assert image.left_out == ("polyline", "points", "polygon of fewer than three points", "box outside the image")


def test_frames_of_a_video_are_images() -> None:
    box = '<box frame="{}" outside="{}" xtl="1" ytl="1" xbr="3" ybr="2"/>'
    data = (
        "<annotations><meta><task><original_size><width>9</width><height>8</height></original_size></task></meta>"
        f'<track id="0" label="crack">{box.format(10, 0)}{box.format(13, 1)}</track>'
        f'<track id="1" label="spall">{box.format(10, 0)}</track></annotations>'
    )
    images = read(data.encode())
    assert [(image.name, image.shape) for image in images] == [("frame_000010", (8, 9)), ("frame_000013", (8, 9))]
    assert [[item.category for item in image.objects] for image in images] == [["crack", "spall"], []]


MASK = '<mask label="a" rle="{}" left="{}" top="{}" width="{}" height="{}"/>'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(MASK.format("1, 3", 7, 0, 4, 1), "reaches beyond the image of 8x9", id="beyond the right"),
        pytest.param(MASK.format("1, 3", 0, -1, 4, 1), "reaches beyond the image of 8x9", id="above the top"),
        pytest.param(MASK.format("1, 2", 0, 0, 4, 1), "add up to 4 = 1x4 pixels, got 3", id="too few"),
        pytest.param(MASK.format("1, x", 0, 0, 4, 1), "'x' as number 2", id="text"),
        pytest.param(MASK.format("4", 0, 0, 4, 0), "height: expected a whole number", id="no height"),
        pytest.param(MASK.format("4", "x", 0, 4, 1), "left: expected a number", id="no left"),
        pytest.param('<polygon points="1,2;3;4,5"/>', "expected x and y, got '3' as point 2", id="half a point"),
        pytest.param('<polygon points="1,2;3,x;4,5"/>', "point 2: expected a number", id="point of text"),
        pytest.param("<polygon/>", "expected x and y", id="no points"),
        pytest.param('<box xtl="1" ytl="1" xbr="2"/>', "ybr: expected a number, got nothing", id="half a box"),
    ],
)
def test_an_error_in_an_object_names_the_object(body: str, message: str) -> None:
    with pytest.raises(LabelError) as caught:
        read(document(body))
    assert str(caught.value).startswith("a.xml: image 'wall.png'")
    assert message in str(caught.value)


def test_an_image_without_a_size_is_looked_up() -> None:
    ((name, image),) = decode_cvat_xml(b'<annotations><image name="a.png"/></annotations>')
    assert read_cvat_image(name, image, lambda name: (len(name), 3), name="a.xml").shape == (5, 3)


def test_an_image_without_a_name_is_refused() -> None:
    with pytest.raises(LabelError, match="image 1: the image has no name"):
        decode_cvat_xml(b"<annotations><image/></annotations>")
