"""Tests of COCO documents, with pycocotools as the second reader."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray
from pycocotools.coco import COCO

from crackseg.errors import LabelError, UsageError
from crackseg.labels.annotation import LabelledImage
from crackseg.labels.coco import (
    CocoImage,
    Outline,
    decode_coco,
    describe_mask,
    describe_object,
    encode_coco,
    read_coco_image,
)
from tests.labels.strategies import draw_image, masks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OUTLINES: tuple[Outline, ...] = ("rle", "counts", "polygon")


@pytest.mark.parametrize("outline", OUTLINES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(mask=masks().filter(lambda mask: bool(mask.any())))
def test_pycocotools_loads_a_document_and_draws_the_same_mask(
    outline: Outline, mask: NDArray[np.bool_], tmp_path: Path
) -> None:
    path = tmp_path / "instances.json"
    shape = mask.shape[0], mask.shape[1]
    images = [CocoImage("empty.png", (3, 4)), CocoImage("wall.png", shape, [describe_mask(mask, outline=outline)])]
    path.write_bytes(encode_coco(images))
    with contextlib.redirect_stdout(io.StringIO()):
        document = COCO(str(path))
    (item,) = document.loadAnns(document.getAnnIds(imgIds=[2]))
    assert np.array_equal(document.annToMask(item), mask)
    assert document.loadCats([item["category_id"]])[0]["name"] == "crack"
    rows, cols = np.nonzero(mask)
    assert item["area"] == len(rows)
    assert item["bbox"] == [cols.min(), rows.min(), np.ptp(cols) + 1, np.ptp(rows) + 1]
    assert item["iscrowd"] == 0


def test_images_annotations_and_classes_are_numbered_from_1_in_their_order() -> None:
    dot = np.ones((1, 1), np.bool_)
    images = [
        CocoImage("b.png", (1, 1), [describe_mask(dot, category="spall"), describe_mask(dot)]),
        CocoImage("a.png", (1, 1), [describe_mask(dot)]),
    ]
    document = json.loads(encode_coco(images))
    assert [(image["id"], image["file_name"]) for image in document["images"]] == [(1, "b.png"), (2, "a.png")]
    assert [(item["id"], item["image_id"], item["category_id"]) for item in document["annotations"]] == [
        (1, 1, 2),
        (2, 1, 1),
        (3, 2, 1),
    ]
    assert [(item["id"], item["name"]) for item in document["categories"]] == [(1, "crack"), (2, "spall")]


def test_an_empty_mask_cannot_be_described() -> None:
    with pytest.raises(UsageError, match="empty"):
        describe_mask(np.zeros((3, 3), np.bool_))


def read(content: Any) -> list[LabelledImage]:
    """Read a document in which every image has a size."""
    document = decode_coco(json.dumps(content).encode(), name="a.json")
    return [read_coco_image(document, number, unknown) for number in document.annotations]


def unknown(name: str) -> tuple[int, int]:
    raise UsageError("no size", where=name)


def document_of(*annotations: dict[str, Any], height: int = 4, width: int = 6) -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "wall.png", "height": height, "width": width}],
        "categories": [{"id": 3, "name": "crack"}],
        "annotations": [{"image_id": 7, "category_id": 3, **item} for item in annotations],
    }


@pytest.mark.parametrize("outline", OUTLINES)
@given(mask=masks().filter(lambda mask: bool(mask.any())))
def test_a_document_round_trip_restores_the_objects(outline: Outline, mask: NDArray[np.bool_]) -> None:
    shape = mask.shape[0], mask.shape[1]
    images = [CocoImage("empty.png", (3, 4)), CocoImage("wall.png", shape, [describe_mask(mask, outline=outline)])]
    empty, wall = read(json.loads(encode_coco(images)))
    assert (empty.name, empty.shape, empty.objects) == ("empty.png", (3, 4), ())
    assert (wall.name, wall.shape, [item.category for item in wall.objects]) == ("wall.png", shape, ["crack"])
    assert np.array_equal(draw_image(wall), mask)
    again = CocoImage("wall.png", shape, [describe_object(item, shape) for item in wall.objects])
    assert np.array_equal(draw_image(read(json.loads(encode_coco([again])))[0]), mask)


def test_polygons_keep_their_points() -> None:
    polygon = [1.25, 0.5, 4.75, 0.5, 4.75, 3.5]
    (image,) = read(document_of({"segmentation": [polygon], "bbox": [1, 0, 4, 4]}))
    assert describe_object(image.objects[0], (4, 6)).segmentation == [polygon]


def test_a_box_without_segmentation_is_clipped_to_the_image() -> None:
    (image,) = read(document_of({"segmentation": [], "bbox": [-1, 1, 3.5, 2]}))
    (item,) = image.objects
    assert (item.box, item.outline) == ((1, 0, 3, 2.5), None)
    assert describe_object(item, (4, 6)).area_px == 5


def test_annotations_that_are_not_regions_are_left_out_by_kind() -> None:
    (image,) = read(
        document_of(
            {"keypoints": [1, 1, 2]},
            {"caption": "a wall"},
            {"bbox": [9, 9, 2, 2]},
            {"segmentation": [[1, 1, 2, 2]]},
            {"segmentation": {"size": [4, 6], "counts": [24]}},
        )
    )
    assert image.objects == ()
    assert image.left_out == (
        "keypoints",
        "annotation without region",
        "box outside the image",
        "polygon of fewer than three points",
        "mask without a pixel",
    )


def test_a_list_of_results_is_read_with_the_sizes_of_its_masks() -> None:
    results = [{"image_id": 42, "category_id": 18, "segmentation": {"size": [2, 2], "counts": "13"}, "score": 0.5}]
    (image,) = read(results)
    assert (image.name, image.shape, image.objects[0].category) == ("42", (2, 2), "18")
    assert draw_image(image).tolist() == [[False, True], [True, True]]


def test_an_image_without_a_size_is_looked_up() -> None:
    document = decode_coco(b'{"images": [{"id": 1, "file_name": "a.png"}]}')
    assert read_coco_image(document, 1, lambda name: (len(name), 9)).shape == (5, 9)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        pytest.param(
            {"segmentation": {"size": [6, 4], "counts": [24]}},
            "expected the image size 4x6 (height x width), got 6x4",
            id="rotated",
        ),
        pytest.param({"segmentation": {"size": [4], "counts": [24]}}, "expected 2 numbers, got 1", id="half a size"),
        pytest.param({"segmentation": {"size": [4, 6]}}, "segmentation.counts: expected a list", id="no counts"),
        pytest.param({"segmentation": {"size": [4, 6], "counts": [25]}}, "got 25 as count 1", id="too many"),
        pytest.param({"segmentation": {"size": [4, 6], "counts": "P"}}, "incomplete at character 1", id="short string"),
        pytest.param({"segmentation": [[1, 2, 3, 4, 5]]}, "segmentation[0]: expected pairs", id="odd polygon"),
        pytest.param({"segmentation": [[1, 2, 3, 4, "x", 5]]}, "segmentation[0][4]: expected a number", id="text"),
        pytest.param({"segmentation": "rle"}, "segmentation: expected a list", id="another type"),
        pytest.param({"bbox": [1, 2, 3]}, "bbox: expected 4 numbers, got 3", id="three numbers"),
        pytest.param({"category_id": None, "bbox": [0, 0, 1, 1]}, "category_id: expected a number", id="no class"),
    ],
)
def test_an_error_in_an_annotation_names_its_index(annotation: dict[str, Any], message: str) -> None:
    with pytest.raises(LabelError) as caught:
        read(document_of({"bbox": [0, 0, 1, 1]}, annotation))
    assert "a.json: annotations[1]" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [{}, [], 3, {"images": 3}, {"images": [3]}, {"images": [{}]}, {"annotations": [{"image_id": "x"}]}, {"a": 1}],
)
def test_a_file_that_is_not_a_document_is_refused(content: Any) -> None:
    with pytest.raises(LabelError, match=r"a\.json"):
        decode_coco(json.dumps(content).encode(), name="a.json")


def test_an_annotation_without_an_image_fails_and_others_are_read() -> None:
    content = document_of({"bbox": [0, 0, 1, 1]})
    content["annotations"].append({"image_id": 8, "category_id": 3, "bbox": [0, 0, 1, 1]})
    document = decode_coco(json.dumps(content).encode())
    assert len(read_coco_image(document, 7, unknown).objects) == 1
    with pytest.raises(LabelError, match=r"annotations\[1\].image_id: no image has the id 8"):
        read_coco_image(document, 8, unknown)
