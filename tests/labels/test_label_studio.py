"""Tests of Label Studio exports."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from crackseg.errors import LabelError, UsageError
from crackseg.labels.annotation import LabelledImage, LabelledObject, Polygons, mask_objects, ring_object
from crackseg.labels.brush import encode_brush
from crackseg.labels.label_studio import (
    decode_label_studio,
    encode_label_studio,
    encode_label_studio_task,
    read_label_studio_task,
)
from tests.labels.strategies import draw_image, masks


def unknown(name: str) -> tuple[int, int]:
    raise UsageError("no size", where=name)


def read(data: bytes) -> list[LabelledImage]:
    tasks = decode_label_studio(data, name="a.json")
    return [read_label_studio_task(image, task, unknown, name="a.json") for image, task in tasks]


def write(*images: LabelledImage) -> bytes:
    return encode_label_studio([encode_label_studio_task(image, at) for at, image in enumerate(images, start=1)])


def task(*regions: dict[str, Any], image: str = "wall.png") -> dict[str, Any]:
    size = {"original_height": 8, "original_width": 10}
    return {"data": {"image": image}, "annotations": [{"result": [{**size, **region} for region in regions]}]}


def region(kind: str, **value: Any) -> dict[str, Any]:
    return {"type": kind, "value": {kind: ["crack"], **value}}


@given(masks())
def test_masks_survive_a_round_trip(mask: NDArray[np.bool_]) -> None:
    shape = mask.shape[0], mask.shape[1]
    objects = mask_objects(mask, "crack")
    (image,) = read(write(LabelledImage("folder/wall.png", shape, objects))) if objects else [None]
    if image is not None:
        assert (image.name, image.shape, len(image.objects)) == ("folder/wall.png", shape, len(objects))
        assert np.array_equal(draw_image(image), mask)


def test_polygons_and_rectangles_are_stored_in_percent() -> None:
    ring = np.array([(1.5, 2.5), (6.5, 7.5), (3.5, 9.5)])
    objects = (ring_object([ring], "touch", "crack"), LabelledObject("spall", (2, 5, 6, 10)))
    data = write(LabelledImage("a.png", (8, 10), objects))
    results = json.loads(data)[0]["annotations"][0]["result"]
    assert results[0]["value"]["points"][0] == [25.0, 18.75]
    assert [results[1]["value"][key] for key in ("x", "y", "width", "height")] == [50, 25, 50, 50]
    (image,) = read(data)
    assert [item.category for item in image.objects] == ["crack", "spall"]
    assert isinstance(image.objects[0].outline, Polygons)
    assert np.allclose(image.objects[0].outline.rings[0], ring)
    assert image.objects[1].box == (2, 5, 6, 10)


def test_a_rotated_rectangle_becomes_a_polygon_about_its_corner() -> None:
    (image,) = read(
        json.dumps([task(region("rectanglelabels", x=50, y=25, width=30, height=25, rotation=90))]).encode()
    )
    # Three columns to the right become three rows down; two rows down become two columns to the left.
    assert image.objects[0].box == (2, 3, 6, 6)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        pytest.param("wall.png", "wall.png", id="name"),
        pytest.param("/data/upload/3/1a2b-wall%201.png", "/data/upload/3/1a2b-wall%201.png", id="upload"),
        pytest.param("/data/local-files/?d=photos/wall.png", "photos/wall.png", id="local file"),
        pytest.param("https://host/x/wall%201.png?token=3", "/x/wall 1.png", id="address"),
        pytest.param("s3://bucket/x/wall.png", "/x/wall.png", id="bucket"),
    ],
)
def test_the_name_of_an_image_is_found_in_its_address(address: str, name: str) -> None:
    ((image, _),) = decode_label_studio(json.dumps([task(image=address)]).encode())
    assert image == name


def test_the_first_annotation_that_was_not_cancelled_counts() -> None:
    export = task(region("rectanglelabels", x=0, y=0, width=50, height=50))
    first = export["annotations"][0]
    export["annotations"] = [{"was_cancelled": True, "result": []}, first, {"result": []}]
    (image,) = read(json.dumps([export]).encode())
    assert (len(image.objects), image.left_out, image.passed_over) == (1, (), ("further annotation",))


def test_labels_in_separate_results_are_matched_by_id() -> None:
    brush = {"id": "x", "type": "brush", "value": {"format": "rle", "rle": encode_brush(np.ones((8, 10), np.bool_))}}
    labels = {"id": "x", "type": "labels", "value": {"labels": ["spall"]}}
    (image,) = read(json.dumps([task(brush, labels)]).encode())
    assert [item.category for item in image.objects] == ["spall"]
    assert draw_image(image).all()


def test_an_old_export_has_completions() -> None:
    export = task(region("rectanglelabels", x=0, y=0, width=50, height=50))
    export["completions"] = export.pop("annotations")
    assert len(read(json.dumps([export]).encode())[0].objects) == 1


def test_other_regions_are_left_out_by_kind() -> None:
    regions = [
        region("keypointlabels", x=1),
        region("choices"),
        region("polygonlabels", points=[[1, 1], [2, 2]]),
        region("rectanglelabels", x=120, y=0, width=5, height=5),
    ]
    (image,) = read(json.dumps([task(*regions)]).encode())
    assert image.objects == ()
    assert image.passed_over == ("choices",)
    assert image.left_out == (
        "keypointlabels",
        "polygon of fewer than three points",
        "box outside the image",
    )


def test_a_task_without_annotations_is_an_image_without_objects() -> None:
    ((name, export),) = decode_label_studio(b'{"data": {"photo": "a.png"}}')
    assert read_label_studio_task(name, export, lambda name: (len(name), 3), name="a.json").shape == (5, 3)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        pytest.param(region("brushlabels", rle=[1, 2]), "value.rle: the stream ends after 2 bytes", id="brush"),
        pytest.param(region("brushlabels"), "value.rle: expected a list", id="no rle"),
        pytest.param(region("polygonlabels", points=[[1, 2], [3], [4, 5]]), "points[1]: expected 2", id="half a point"),
        pytest.param(region("rectanglelabels", x=1, y=2, width=3), "value.height: expected a number", id="half a box"),
        pytest.param({"type": "brushlabels", "value": 3}, "value: expected an object", id="no value"),
        pytest.param({"value": {}}, "type: expected text", id="no type"),
        pytest.param({"type": [], "value": {}}, "type: expected text", id="list as type"),
        pytest.param({**region("brushlabels", rle=[]), "image_rotation": 90}, "rotated in the editor", id="rotated"),
    ],
)
def test_an_error_in_a_region_names_its_index(item: dict[str, Any], message: str) -> None:
    with pytest.raises(LabelError) as caught:
        read(json.dumps([task(item)]).encode())
    assert str(caught.value).startswith("a.json: image 'wall.png': result[0]")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "content", [3, [3], [{}], [{"data": {}}], [{"data": {"image": "http://[x"}}], [{"data": {"image": None}}]]
)
def test_a_file_that_is_not_an_export_is_refused(content: Any) -> None:
    with pytest.raises(LabelError, match=r"a\.json"):
        decode_label_studio(json.dumps(content).encode(), name="a.json")


def test_a_region_without_a_type_is_left_out_and_not_ignored() -> None:
    (image,) = read(json.dumps([task({"type": "", "value": {}})]).encode())
    assert image.left_out == ("region without a type",)
