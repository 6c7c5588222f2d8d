"""Tests of LabelMe files against the way LabelMe draws them."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray
from PIL import Image

from crackseg.errors import ImageError, LabelError, UsageError
from crackseg.labels.annotation import LabelledImage, LabelledObject, Polygons, as_polygons, mask_objects
from crackseg.labels.labelme import decode_labelme, encode_labelme
from tests.labels.strategies import draw_image, masks


def unknown(name: str) -> tuple[int, int]:
    raise UsageError("no size", where=name)


def document(*shapes: dict[str, Any], **more: Any) -> bytes:
    content = {"imagePath": "wall.png", "imageHeight": 8, "imageWidth": 9, "shapes": list(shapes), **more}
    return json.dumps(content).encode()


def png(pixels: NDArray[np.uint8]) -> str:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


@given(masks())
def test_masks_survive_a_round_trip(mask: NDArray[np.bool_]) -> None:
    shape = mask.shape[0], mask.shape[1]
    image = decode_labelme(encode_labelme(LabelledImage("a.png", shape, mask_objects(mask, "crack"))), unknown)
    assert (image.name, image.shape) == ("a.png", shape)
    assert np.array_equal(draw_image(image), mask)


@given(masks())
def test_labelme_pastes_the_same_mask_between_its_two_points(mask: NDArray[np.bool_]) -> None:
    shape = mask.shape[0], mask.shape[1]
    again = np.zeros_like(mask)
    for item in json.loads(encode_labelme(LabelledImage("a.png", shape, mask_objects(mask, "crack"))))["shapes"]:
        (x1, y1), (x2, y2) = item["points"]
        with Image.open(io.BytesIO(base64.b64decode(item["mask"]))) as pasted:
            again[y1 : y2 + 1, x1 : x2 + 1] |= np.asarray(pasted).astype(np.bool_)
    assert np.array_equal(again, mask)


@given(masks())
def test_polygons_survive_a_round_trip_to_the_pixel(mask: NDArray[np.bool_]) -> None:
    shape = mask.shape[0], mask.shape[1]
    items = [as_polygons(item, shape, "touch") for item in mask_objects(mask, "crack")]
    written = LabelledImage("a.png", shape, tuple(item for item in items if item is not None))
    image = decode_labelme(encode_labelme(written), unknown)
    assert image.left_out == ()
    assert np.array_equal(draw_image(image), mask)


def test_polygons_of_one_group_are_one_object() -> None:
    triangle = [[0, 0], [3, 0], [0, 3]]
    shapes = [
        {"label": label, "points": triangle, "shape_type": "polygon", "group_id": group}
        for label, group in (("crack", 1), ("crack", 1), ("spall", 1), ("crack", None), ("crack", None))
    ]
    image = decode_labelme(document(*shapes), unknown)
    assert [item.category for item in image.objects] == ["crack", "spall", "crack", "crack"]
    assert isinstance(image.objects[0].outline, Polygons)
    assert len(image.objects[0].outline.rings) == 2
    again = decode_labelme(encode_labelme(image), unknown)
    assert [item.category for item in again.objects] == ["crack", "spall", "crack", "crack"]


def test_a_rectangle_holds_the_pixels_of_both_corners_for_any_pair_of_opposite_corners() -> None:
    shape = {"label": "crack", "points": [[5.5, 1], [2, 6]], "shape_type": "rectangle"}
    (item,) = decode_labelme(document(shape), unknown).objects
    assert (item.box, item.outline) == ((1, 2, 7, 6), None)
    written = encode_labelme(LabelledImage("a.png", (8, 9), (LabelledObject("crack", (1, 2, 6, 5)),)))
    assert decode_labelme(written, unknown).objects[0].box == (1, 2, 6, 5)


def test_a_file_of_an_old_version_has_only_polygons() -> None:
    image = decode_labelme(document({"label": "crack", "points": [[1, 1], [4, 1], [4, 4]]}), unknown)
    assert draw_image(image).sum() == 10


def test_other_shapes_are_left_out_by_kind() -> None:
    kinds = ["line", "linestrip", "point", "cuboid"]
    shapes = [{"label": "a", "points": [[1, 1], [2, 2]], "shape_type": kind} for kind in kinds]
    assert decode_labelme(document(*shapes), unknown).left_out == tuple(kinds)


def test_an_image_without_a_size_is_looked_up() -> None:
    data = document(imageHeight=None)
    assert decode_labelme(data, lambda name: (len(name), 3)).shape == (8, 3)


MASK = {"label": "a", "points": [[1, 2], [3, 3]], "shape_type": "mask"}
FULL = png(np.ones((2, 3), np.uint8))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        pytest.param({**MASK, "mask": "&&&"}, "shapes[0].mask: not valid base64", id="no base64"),
        pytest.param({**MASK, "mask": "QUJD"}, "shapes[0].mask: expected a PNG", id="no PNG"),
        pytest.param({**MASK, "mask": FULL[:-40]}, "shapes[0].mask: cannot be decoded", id="truncated PNG"),
        pytest.param({**MASK, "mask": None}, "shapes[0].mask: expected text, got nothing", id="no mask"),
        pytest.param(
            {**MASK, "mask": png(np.ones((3, 3), np.uint8))},
            "expected a mask of 2x3 pixels (height x width) between its two points, got 3x3",
            id="size",
        ),
        pytest.param({**MASK, "mask": FULL, "points": [[7, 2], [9, 3]]}, "reaches beyond the image", id="beyond"),
        pytest.param(
            {**MASK, "mask": FULL, "points": [[1, 2]]},
            "expected two points, the first and last pixel of the mask, got 1",
            id="one point",
        ),
        pytest.param({"label": "a", "points": [[1, 2], [3]]}, "points[1]: expected 2 numbers", id="half a point"),
        pytest.param({"label": "a", "points": [[1, 2], [3, "x"]]}, "points[1][1]: expected a number", id="text"),
        pytest.param({"label": "a"}, "points: expected a list", id="no points"),
        pytest.param({"points": []}, "label: expected text", id="no label"),
        pytest.param({"label": "a", "points": [[1, 2]], "shape_type": "rectangle"}, "two corners", id="one corner"),
    ],
)
def test_an_error_in_a_shape_names_its_index(shape: dict[str, Any], message: str) -> None:
    with pytest.raises((LabelError, ImageError)) as caught:
        decode_labelme(document(shape), unknown, name="a.json")
    assert str(caught.value).startswith("a.json: shapes[0]")
    assert message in str(caught.value)


def test_a_png_larger_than_its_box_is_never_decoded() -> None:
    bomb = bytearray(base64.b64decode(FULL))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    shape = {**MASK, "mask": base64.b64encode(bytes(bomb)).decode()}
    with pytest.raises(LabelError, match="got 60000x60000"):
        decode_labelme(document(shape), unknown)


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"imagePath": "a"}', b'{"imagePath": "a", "shapes": 3}'])
def test_a_file_of_another_kind_is_a_typed_error(content: bytes) -> None:
    with pytest.raises((LabelError, UsageError)):
        decode_labelme(content, unknown)
