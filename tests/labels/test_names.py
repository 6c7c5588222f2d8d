"""Tests that no image is renamed, mis-sized, doubled or overwritten."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crackseg.errors import LabelError, UsageError
from crackseg.imaging.codec import read_mask, write_png
from crackseg.labels.convert import AnnotationSource, ConversionResult, convert
from crackseg.labels.kaggle import decode_kaggle
from crackseg.labels.label_studio import decode_label_studio
from crackseg.labels.reading import Format, ImageSizes
from tests.labels.test_completeness import BOX, coco, save

TRIANGLE = '<polygon label="crack" points="5,5;30,5;30,20"/>'


def files_below(folder: Path) -> set[str]:
    """Return the relative paths of all files of a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def photo(path: Path, height: int = 40, width: int = 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, np.zeros((height, width), np.uint8))
    return path


def labelme(name: str = "a.png") -> dict[str, Any]:
    shape = {"label": "crack", "points": [[5, 5], [30, 5], [30, 20]], "shape_type": "polygon"}
    return {"imagePath": name, "imageHeight": 40, "imageWidth": 60, "shapes": [shape]}


def voc(name: str = "a.png", width: int = 60, height: int = 40) -> str:
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    box = BOX.format(5, 5, 30, 30)
    return f"<annotation><filename>{name}</filename>{size}<object><name>crack</name>{box}</object></annotation>"


def studio(address: str, **data: str) -> list[dict[str, Any]]:
    value = {"rectanglelabels": ["crack"], "x": 0, "y": 0, "width": 50, "height": 50}
    region = {"type": "rectanglelabels", "original_height": 40, "original_width": 60, "value": value}
    return [{"id": 1, "data": {**data, "image": address}, "annotations": [{"result": [region]}]}]


def cvat(*images: str) -> str:
    return f"<annotations>{''.join(images)}</annotations>"


def run(source: Path, kind: Format, target: Path, images: Path | None = None, to: Format = "masks") -> ConversionResult:
    return convert(AnnotationSource(source, kind, ImageSizes(images=images)), target, to)


CONTENT: dict[Format, tuple[str, Any]] = {
    "labelme": ("a.json", labelme()),
    "voc": ("a.xml", voc()),
    "coco": ("a.json", coco("a.png", bbox=[5, 5, 10, 4])),
    "cvat": ("a.xml", cvat(f'<image name="a.png" width="60" height="40">{TRIANGLE}</image>')),
    "label-studio": ("a.json", studio("a.png")),
    "kaggle-rle": ("a.csv", "ImageId,EncodedPixels,height,width\na.png,5 9,40,60\n"),
    "yolo": ("a.txt", "0 .5 .5 .1 .1\n"),
}  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in CONTENT if kind != "yolo"])
def test_a_stated_size_that_is_not_that_of_the_image_is_an_error(kind: Format, tmp_path: Path) -> None:
    name, content = CONTENT[kind]
    save(tmp_path / "in" / name, content)
    photo(tmp_path / "photos" / "a.png", 60, 40)
    result = run(tmp_path / "in" / name, kind, tmp_path / "out", tmp_path / "photos")
    assert "an image of 40x60 pixels (height x width), but a.png has 60x40" in str(result.failed[0])
    assert not files_below(tmp_path / "out")
    photo(tmp_path / "in" / "a.png", 60, 40)
    assert "has 60x40" in str(run(tmp_path / "in" / name, kind, tmp_path / "out").failed[0])


@pytest.mark.parametrize("kind", CONTENT)
def test_annotations_in_subfolders_are_found_and_their_folders_kept(kind: Format, tmp_path: Path) -> None:
    name, content = CONTENT[kind]
    for site in ("site1", "site2"):
        save(tmp_path / "in" / site / name, content)
        photo(tmp_path / "in" / site / "a.png")
    result = run(tmp_path / "in", kind, tmp_path / "out")
    assert (len(result.images), result.failed) == (2, ())
    assert files_below(tmp_path / "out") == {"site1/a.png", "site2/a.png"}


@pytest.mark.parametrize("to", ["coco", "cvat", "label-studio", "kaggle-rle", "yolo", "voc", "labelme"])
def test_folders_survive_every_target(to: Format, tmp_path: Path) -> None:
    for site in ("site1", "site2"):
        save(tmp_path / "in" / site / "a.json", labelme())
        photo(tmp_path / "photos" / site / "a.png")
    run(tmp_path / "in", "labelme", tmp_path / "mid", to=to)
    result = run(tmp_path / "mid", to, tmp_path / "out", tmp_path / "photos")
    assert (len(result.images), result.failed) == (2, ())
    assert files_below(tmp_path / "out") == {"site1/a.png", "site2/a.png"}


def test_other_documents_are_named_as_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.json", labelme())
    save(tmp_path / "in" / "settings.json", {"a": 1})
    save(tmp_path / "in" / "deep" / "b.json", labelme("b.png"))
    result = run(tmp_path / "in", "labelme", tmp_path / "out")
    assert (len(result.images), result.passed_over) == (2, ("settings.json",))


@pytest.mark.parametrize(("kind", "content"), [("labelme", labelme("IMG_1.JPG")), ("voc", voc("IMG_1.JPG"))])
def test_the_name_of_the_annotation_file_counts_if_only_its_image_exists(
    kind: Format, content: Any, tmp_path: Path
) -> None:
    suffix = "json" if kind == "labelme" else "xml"
    save(tmp_path / "in" / f"wall_017.{suffix}", content)
    photo(tmp_path / "in" / "wall_017.png")
    run(tmp_path / "in", kind, tmp_path / "out")
    assert files_below(tmp_path / "out") == {"wall_017.png"}


@pytest.mark.parametrize(("kind", "content"), [("labelme", labelme("IMG_1.JPG")), ("voc", voc("IMG_1.JPG"))])
def test_two_files_of_one_stated_name_keep_their_own(kind: Format, content: Any, tmp_path: Path) -> None:
    suffix = "json" if kind == "labelme" else "xml"
    for stem in ("a", "b"):
        save(tmp_path / "in" / f"{stem}.{suffix}", content)
    assert not run(tmp_path / "in", kind, tmp_path / "out").failed
    assert files_below(tmp_path / "out") == {"a.png", "b.png"}


@pytest.mark.parametrize(("kind", "content"), [("labelme", labelme()), ("voc", voc())])
def test_an_image_that_nobody_labelled_is_named_and_not_written(kind: Format, content: Any, tmp_path: Path) -> None:
    save(tmp_path / "in" / ("a.json" if kind == "labelme" else "a.xml"), content)
    for name in ("a", "b"):
        photo(tmp_path / "in" / f"{name}.png")
    result = run(tmp_path / "in", kind, tmp_path / "out")
    assert ["b.png: not written" in str(error) for error in result.failed] == [True]
    assert files_below(tmp_path / "out") == {"a.png"}


def test_the_same_image_listed_twice_is_never_half_written(tmp_path: Path) -> None:
    content = coco(bbox=[5, 5, 10, 4])
    content["images"].insert(0, {**content["images"][0], "id": 2})
    result = run(save(tmp_path / "a.json", content), "coco", tmp_path / "out")
    assert (len(result.failed), files_below(tmp_path / "out")) == (2, set())


def test_tasks_of_one_name_are_distinguished_by_subset_or_task(tmp_path: Path) -> None:
    images = [
        f'<image {key} name="1.png" width="60" height="40">{TRIANGLE}</image>' for key in ('task_id="1"', 'task_id="2"')
    ]
    run(save(tmp_path / "a.xml", cvat(*images)), "cvat", tmp_path / "out")
    assert files_below(tmp_path / "out") == {"task_1/1.png", "task_2/1.png"}


def test_a_yolo_image_without_labels_is_background_and_counted(tmp_path: Path) -> None:
    save(tmp_path / "in" / "train" / "labels" / "a.txt", "0 .5 .5 .1 .1 .9\n")
    save(tmp_path / "in" / "README.roboflow.txt", "exported")
    for path in ("train/images/a.png", "train/images/clean.png", "test/images/c.png"):
        photo(tmp_path / "in" / path)
    result = run(tmp_path / "in", "yolo", tmp_path / "out")
    assert files_below(tmp_path / "out") == {"a.png", "clean.png"}
    assert not read_mask(tmp_path / "out" / "clean.png").any()
    assert result.changes["image without a label file read as background"] == 1
    assert result.passed_over == ("README.roboflow.txt", "test/images (no labels next to it)")


def test_a_text_with_an_image_is_a_label_file_whatever_it_holds(tmp_path: Path) -> None:
    save(tmp_path / "in" / "labels" / "a.txt", "crack .5 .5 .1 .1\n")
    photo(tmp_path / "in" / "images" / "a.png")
    result = run(tmp_path / "in", "yolo", tmp_path / "out")
    assert "expected a number, got 'crack'" in str(result.failed[0])
    assert not files_below(tmp_path / "out")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"building": "north tower", "photo": "https://x.example/p/1.jpg"}, "/p/1.jpg"),
        ({"image": "north tower", "photo": "2.png"}, "2.png"),
        ({"thumb": "t.png", "picture": "3.png"}, "3.png"),
        ({"text": "no suffix"}, "no suffix"),
    ],
)
def test_the_field_that_holds_an_image_names_it(data: dict[str, str], name: str) -> None:
    task = {"data": data, "annotations": [{"result": [{"to_name": "picture", "type": "choices"}]}]}
    assert [image for image, _ in decode_label_studio(json.dumps([task]).encode())] == [name]


@pytest.mark.parametrize("existing", ["wall_01.png", "9f3c2a1b-wall_01.png"])
def test_the_prefix_of_an_upload_is_cut_only_if_that_image_exists(existing: str, tmp_path: Path) -> None:
    source = save(tmp_path / "t.json", studio("/data/upload/1/9f3c2a1b-wall_01.png"))
    photo(tmp_path / "photos" / existing)
    run(source, "label-studio", tmp_path / "out", tmp_path / "photos")
    assert files_below(tmp_path / "out") == {existing}


def test_only_suffixes_of_images_are_cut_off(tmp_path: Path) -> None:
    for name in ("crack_0.5mm", "crack_0.7mm"):
        save(tmp_path / "in" / f"{name}.xml", voc(name))
    run(tmp_path / "in", "voc", tmp_path / "out")
    assert files_below(tmp_path / "out") == {"crack_0.5mm.png", "crack_0.7mm.png"}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("wall.jpg_long_crack", ("wall.jpg", "long_crack")),
        ("north_wall.jpg_3", ("north_wall.jpg", "3")),
        ("a_wall_3", ("a_wall", "3")),
    ],
)
def test_an_image_and_a_class_in_one_cell_are_divided_after_the_suffix(cell: str, expected: tuple[str, str]) -> None:
    (row,) = decode_kaggle(f"ImageId_ClassId,EncodedPixels\n{cell},1 1\n".encode())
    assert (row.image, row.category) == expected


def test_segmentations_with_a_labelmap_are_read_without_xml(tmp_path: Path) -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[2:6, 3:9], pixels[10:12, 3:9] = (100, 16, 36), (200, 40, 40)
    (tmp_path / "in" / "SegmentationClass").mkdir(parents=True)
    write_png(tmp_path / "in" / "SegmentationClass" / "a.png", pixels)
    save(tmp_path / "in" / "labelmap.txt", "background:0,0,0::\ncrack:100,16,36::\nspall:200,40,40::\n")
    result = run(tmp_path / "in", "voc", tmp_path / "coco", to="coco")
    document = json.loads((tmp_path / "coco/annotations/instances.json").read_text(encoding="utf-8"))
    assert (result.object_count, [item["name"] for item in document["categories"]]) == (2, ["crack", "spall"])
    (tmp_path / "in" / "labelmap.txt").unlink()
    with pytest.raises(UsageError):
        run(tmp_path / "in" / "SegmentationClass" / "none", "voc", tmp_path / "out")


def test_names_of_labelmes_converter_are_read(tmp_path: Path) -> None:
    pixels = np.zeros((20, 30), np.uint8)
    pixels[2:6, 3:9] = 2
    (tmp_path / "in" / "SegmentationClass").mkdir(parents=True)
    write_png(tmp_path / "in" / "SegmentationClass" / "a.png", pixels)
    save(tmp_path / "in" / "class_names.txt", "__ignore__\n_background_\nspall\ncrack\n")
    run(tmp_path / "in", "voc", tmp_path / "coco", to="coco")
    document = json.loads((tmp_path / "coco/annotations/instances.json").read_text(encoding="utf-8"))
    assert [item["name"] for item in document["categories"]] == ["crack"]


def test_an_archive_is_read_as_it_was_downloaded(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("task/annotations.xml", CONTENT["cvat"][1])
    run(tmp_path / "export.zip", "cvat", tmp_path / "out")
    assert files_below(tmp_path / "out") == {"a.png"}


@pytest.mark.parametrize("member", ["../a.xml", "/a.xml", "x/../../a.xml", "..\\a.xml", "C:/a.xml"])
def test_an_archive_never_writes_outside_its_folder(member: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr(member, CONTENT["cvat"][1])
    with pytest.raises(LabelError, match="which leads out of it"):
        run(tmp_path / "export.zip", "cvat", tmp_path / "out")


def test_a_bomb_and_a_broken_archive_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.xml", b"\0" * 110_000_000)
    with pytest.raises(LabelError, match="which is too much"):
        run(tmp_path / "bomb.zip", "cvat", tmp_path / "out")
    (tmp_path / "cut.zip").write_bytes(b"PK\3\4 nothing")
    with pytest.raises(LabelError, match="cannot be unpacked"):
        run(tmp_path / "cut.zip", "cvat", tmp_path / "out")


@pytest.mark.parametrize("name", ["\ud800.png", "a" * 300 + ".png", "x\0y/a.png"])
def test_a_name_that_no_file_can_have_is_an_error(name: str, tmp_path: Path) -> None:
    content = coco(bbox=[5, 5, 10, 4])
    content["images"][0]["file_name"] = name
    content["images"].append({"id": 2, "file_name": "b/b.png", "height": 4, "width": 4})
    result = run(save(tmp_path / "a.json", content), "coco", tmp_path / "out")
    assert (len(result.failed), len(result.images)) == (1, 1)


def test_a_size_that_no_image_can_have_is_an_error(tmp_path: Path) -> None:
    content = coco(bbox=[5, 5, 10, 4])
    content["images"][0]["height"] = 1e300
    assert len(run(save(tmp_path / "a.json", content), "coco", tmp_path / "out").failed) == 1


def test_panoptic_segments_are_drawn_from_their_png(tmp_path: Path) -> None:
    ids = np.zeros((40, 60, 3), np.uint8)
    ids[5:9, 5:15], ids[20:22, 5:15] = (7, 1, 0), (8, 0, 0)
    (tmp_path / "panoptic").mkdir()
    write_png(tmp_path / "panoptic" / "a.png", ids)
    segments = [{"id": 263, "category_id": 1, "iscrowd": 0}, {"id": 8, "category_id": 1, "iscrowd": 1}]
    content = coco("a.jpg")
    content["annotations"] = [{"image_id": 1, "file_name": "a.png", "segments_info": segments}]
    source = save(tmp_path / "panoptic.json", content)
    result = run(source, "coco", tmp_path / "out")
    assert (result.object_count, result.failed) == (2, ())
    assert np.array_equal(read_mask(tmp_path / "out" / "a.png"), ids.any(axis=2))
    segments.pop()
    save(source, content)
    assert "1 x segment without an entry" in str(run(source, "coco", tmp_path / "partial").failed[0])
    (tmp_path / "panoptic" / "a.png").unlink()
    assert "no such PNG of segments" in str(run(source, "coco", tmp_path / "none").failed[0])
