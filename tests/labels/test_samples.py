"""Tests with files of other tools, kept outside the repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as cocotools

from crackseg.errors import CracksegError, UsageError
from crackseg.labels.annotation import Cutout, LabelledImage
from crackseg.labels.coco import decode_coco, read_coco_image
from crackseg.labels.counts import compress_counts, encode_counts
from crackseg.labels.document import parse_json
from crackseg.labels.reading import Format, ImageSizes, read_entries
from tests.labels.strategies import draw_image

pytestmark = [
    pytest.mark.shared,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture
def assets(shared_folder: Path) -> Path:
    return shared_folder / "badinputs" / "datumaro-assets" / "files" / "tests" / "assets"


def read(folder: Path, kind: Format, sizes: ImageSizes | None = None) -> list[LabelledImage]:
    return [entry.load() for entry in read_entries(folder, kind, sizes or ImageSizes())[0]]


def boxes(images: list[LabelledImage]) -> list[list[tuple[str, tuple[float, float, float, float]]]]:
    return [[(item.category, item.box) for item in image.objects] for image in images]


def test_every_coco_file_of_datumaro_is_read(assets: Path) -> None:
    files = sorted(assets.rglob("*.json"))
    assert len(files) > 30
    for path in files:
        images = read(path, "coco")
        assert images
        assert {image.shape for image in images} <= {(5, 10), (10, 5)}, path


def test_boxes_of_coco_equal_those_of_the_file(assets: Path) -> None:
    assert boxes(read(assets / "kaggle_dataset" / "relaxed_coco", "coco")) == [
        [("label_0", (1, 2, 2, 5))],
        [("label_1", (0, 0, 4, 2))],
    ]


@pytest.mark.parametrize(
    "name", ["voc_dataset/voc_dataset3", "kaggle_dataset/relaxed_voc1", "kaggle_dataset/relaxed_voc2"]
)
def test_voc_files_of_datumaro_are_read(assets: Path, name: str) -> None:
    (image,) = read(assets / name, "voc")
    assert (image.name, image.shape) == ("2007_000001.jpg", (10, 20))
    assert boxes([image])[0][0] == ("cat", (1, 0, 4, 3))


def test_the_segmentations_of_a_voc_file_are_read(assets: Path) -> None:
    (image,) = read(assets / "voc_dataset" / "voc_dataset1", "voc")
    cat, person = image.objects
    assert (cat.category, person.category) == ("cat", "person")
    assert isinstance(cat.outline, Cutout)
    assert draw_image(image, "cat").all()
    assert person.box == (4, 3, 7, 6)


def test_voc_files_without_a_size_use_the_given_one(assets: Path) -> None:
    folder = assets / "voc_dataset" / "voc_dataset2"
    images = read(folder, "voc", ImageSizes((20, 30)))
    assert boxes(images)[1:] == [
        [("background", (1, 0, 6, 4))],
        [("aeroplane", (1, 1, 6, 7))],
        [("bicycle", (0, 2, 6, 11))],
        [("bird", (3, 3, 8, 8))],
    ]
    with pytest.raises(UsageError, match="add --shape"):
        read(folder, "voc")


@pytest.mark.parametrize("name", ["export_task/train.xml", "export_project"])
def test_cvat_images_of_datumaro_are_read(assets: Path, name: str) -> None:
    images = read(assets / "cvat_dataset" / "for_images" / name, "cvat")
    assert (images[0].name, images[0].shape, images[0].left_out) == ("img0.jpg", (8, 8), ("polyline",))
    assert boxes(images)[0] == [("label1", (2, 0, 4, 4))]
    assert draw_image(images[1]).any()
    assert images[1].left_out == ("points",)


def test_a_cvat_video_of_datumaro_is_read(assets: Path) -> None:
    images = read(assets / "cvat_dataset" / "for_video", "cvat")
    assert [(image.name, image.shape) for image in images] == [(f"frame_{at:06d}", (20, 25)) for at in (10, 13, 16)]
    assert boxes(images) == [[("II", (4, 3, 5, 10))], [], []]


@pytest.mark.parametrize("name", ["labels", "annotations", "strict"])
def test_yolo_files_of_datumaro_are_read_with_the_sizes_of_their_images(assets: Path, name: str) -> None:
    for image in read(assets / "yolo_dataset" / name, "yolo"):
        assert (image.name, image.shape) == ("1.jpg", (10, 15))
        assert boxes([image]) == [[("label_2", (2, 0, 4, 4)), ("label_4", (3, 3, 6, 5))]]


def test_masks_of_datumaro_are_read_and_class_numbers_are_refused(assets: Path) -> None:
    masks = read(assets / "kaggle_dataset" / "image_mask", "masks")
    assert draw_image(masks[0]).tolist() == [[True, True, False, False, True]]
    with pytest.raises(CracksegError, match="class numbers can be read with --from voc"):
        read(assets / "kaggle_dataset" / "image_mask_with_labelmap", "masks")


def test_every_mask_of_coco_results_equals_that_of_pycocotools(shared_folder: Path) -> None:
    path = shared_folder / "badinputs" / "cocoapi" / "files" / "results" / "instances_val2014_fakesegm100_results.json"
    data = path.read_bytes()
    document = decode_coco(data, name=path.name)
    images = {number: read_coco_image(document, number, lambda _: (1, 1)) for number in document.annotations}
    assert sum(len(image.objects) for image in images.values()) == 734
    for number, image in images.items():
        union = np.zeros(image.shape, np.bool_)
        for _, item in document.annotations[number]:
            segmentation = item["segmentation"]
            theirs = cocotools.decode(segmentation).astype(np.bool_)
            assert compress_counts(encode_counts(theirs)) == segmentation["counts"]
            union |= theirs
        assert np.array_equal(draw_image(image), union)


def test_results_of_coco_without_masks_are_read_if_the_size_is_known(shared_folder: Path) -> None:
    folder = shared_folder / "badinputs" / "cocoapi" / "files" / "results"
    boxed = read(folder / "instances_val2014_fakebbox100_results.json", "coco", ImageSizes((640, 640)))
    assert sum(len(image.objects) for image in boxed) == len(
        parse_json((folder / "instances_val2014_fakebbox100_results.json").read_bytes(), "results")
    )
    points = read(folder / "person_keypoints_val2014_fakekeypoints100_results.json", "coco", ImageSizes((640, 640)))
    assert {kind for image in points for kind in image.left_out} == {"keypoints"}
