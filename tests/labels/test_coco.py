"""COCO documents, read by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray
from pycocotools.coco import COCO

from crackseg.errors import UsageError
from crackseg.labels.coco import CocoImage, Outline, describe_mask, encode_coco
from tests.labels.strategies import masks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OUTLINES: tuple[Outline, ...] = ("rle", "counts", "polygon")


@pytest.mark.parametrize("outline", OUTLINES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(mask=masks().filter(lambda mask: bool(mask.any())))
def test_pycocotools_loads_a_document_and_draws_the_mask_that_went_in(
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


def test_an_empty_mask_is_no_object() -> None:
    with pytest.raises(UsageError, match="empty"):
        describe_mask(np.zeros((3, 3), np.bool_))
