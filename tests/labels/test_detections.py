"""Tests of label files of detected cracks, read by other tools."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO

from crackseg.errors import UsageError
from crackseg.labels.annotation import draw_objects, mask_iou
from crackseg.labels.detections import LABEL_FORMATS, ImageDetections, LabelFiles, detected_objects, parse_formats
from crackseg.labels.reading import ImageSizes, read_entries
from crackseg.measurement.crack import measure_cracks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHAPE = (60, 90)


def mask(turn: int) -> NDArray[np.bool_]:
    """Return a bar, a ring and a pixel, shifted by ``turn``."""
    pixels = np.zeros(SHAPE, np.bool_)
    pixels[5 + turn : 9 + turn, 4:70] = True
    pixels[20 + turn : 40, 30:50] = True
    pixels[24 + turn : 36, 34:46] = False
    pixels[55, 80 - turn] = True
    return pixels


def probability(turn: int) -> NDArray[np.float32]:
    """Return a probability that grows from top to bottom."""
    rows = np.linspace(0.5, 0.9, SHAPE[0], dtype=np.float32)[:, None]
    return np.where(mask(turn), rows, 0).astype(np.float32)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Write labels in every format for two images in nested folders."""
    files = LabelFiles(tmp_path / "labels", LABEL_FORMATS)
    for turn, name in enumerate(("wall.jpg", "north/wall.jpg")):
        cracks = measure_cracks(mask(turn), probability=probability(turn), threshold=0.3)
        objects = detected_objects(mask(turn), [crack.to_dict() for crack in cracks])
        files.add(ImageDetections(name=name, path=tmp_path / "photos" / name, shape=SHAPE, objects=objects))
    files.finish()
    return tmp_path / "labels"


def test_every_component_is_a_detection_with_box_pixels_and_score() -> None:
    cracks = measure_cracks(mask(0), probability=probability(0), threshold=0.3)
    objects = detected_objects(mask(0), [crack.to_dict() for crack in cracks])
    assert [item.box for item in objects] == [(5, 4, 9, 70), (20, 30, 40, 50), (55, 80, 56, 81)]
    scores = {crack.box: crack.score for crack in cracks}
    for item in objects:
        assert item.score == pytest.approx(scores[tuple(int(side) for side in item.box)], abs=0.001)  # type: ignore[index]
    assert 0.5 < (objects[0].score or 0) < (objects[1].score or 0) < 0.8
    assert mask_iou(draw_objects(objects, SHAPE), mask(0)) == 1


def test_pycocotools_reads_the_boxes_scores_and_pixels(labels: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(labels / "coco" / "annotations" / "instances.json"))
    assert [image["file_name"] for image in coco.dataset["images"]] == ["wall.jpg", "north/wall.jpg"]
    for turn, image in enumerate(coco.dataset["images"]):
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        assert annotations[0]["bbox"] == [4, 5 + turn, 66, 4]
        assert all(0.4 < item["score"] < 1 for item in annotations)
        drawing = sum(coco.annToMask(item) for item in annotations)
        np.testing.assert_array_equal(drawing.astype(np.bool_), mask(turn))


@pytest.mark.parametrize(
    ("kind", "place", "least_iou"), [("voc", "voc", 1.0), ("yolo", "yolo", 1.0), ("labelme", "labelme", 0.9)]
)
@pytest.mark.parametrize("folder", ["", "north"])
def test_the_other_formats_mirror_the_folders_and_keep_the_cracks(
    labels: Path, kind: str, place: str, least_iou: float, folder: str
) -> None:
    sizes = ImageSizes(shape=SHAPE)
    target = labels / place / folder
    if kind == "labelme":
        entries, _ = read_entries(target / "wall.json", "labelme", sizes)
    else:
        entries, _ = read_entries(target, kind, sizes)  # type: ignore[arg-type]
    (image,) = (entry.load() for entry in entries)
    assert len(image.objects) == 3
    assert mask_iou(draw_objects(image.objects, SHAPE), mask(1 if folder else 0)) >= least_iou


def test_labelme_files_link_to_the_images_and_hold_polygons_and_scores(labels: Path) -> None:
    for name in ("wall", "north/wall"):
        path = labels / "labelme" / f"{name}.json"
        document = json.loads(path.read_text())
        assert (path.parent / document["imagePath"]).resolve() == (labels.parent / "photos" / f"{name}.jpg").resolve()
        assert {shape["shape_type"] for shape in document["shapes"]} == {"polygon"}
        assert all(shape["description"].startswith("score 0.") for shape in document["shapes"])


def test_an_image_without_cracks_has_empty_labels(tmp_path: Path) -> None:
    files = LabelFiles(tmp_path, LABEL_FORMATS)
    files.add(ImageDetections(name="clean.png", path=tmp_path / "clean.png", shape=SHAPE, objects=()))
    files.finish()
    assert json.loads((tmp_path / "labelme" / "clean.json").read_text())["shapes"] == []
    assert (tmp_path / "yolo" / "labels" / "clean.txt").read_bytes() == b""
    assert (tmp_path / "voc" / "Annotations" / "clean.xml").is_file()
    assert len(json.loads((tmp_path / "coco" / "annotations" / "instances.json").read_text())["images"]) == 1


def test_formats_are_separated_by_commas() -> None:
    assert parse_formats(None) == ()
    assert parse_formats("coco, VOC,coco") == ("coco", "voc")
    for text in ("", "cvat", "voc,,coco"):
        with pytest.raises(UsageError, match="voc, coco, yolo, labelme"):
            parse_formats(text)
