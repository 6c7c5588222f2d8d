"""Tests of conversions between all formats, through files."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from crackseg.errors import LabelError, OutputError, UsageError
from crackseg.imaging.codec import mask_pixels, read_mask, write_png
from crackseg.labels.annotation import Cutout, LabelledImage, LabelledObject, mask_objects, ring_object
from crackseg.labels.convert import AnnotationSource, convert
from crackseg.labels.reading import Format, ImageSizes, read_entries
from crackseg.labels.rle import DIALECTS, Dialect, rle_encode
from crackseg.labels.writing import Layout, open_writer
from crackseg.parallel import Progress
from tests.labels.strategies import draw_image, labelled_images, masks
from tests.runs import files_in

FORMATS: tuple[Format, ...] = get_args(Format)
WITH_OBJECTS: tuple[Format, ...] = ("coco", "voc", "cvat", "labelme", "label-studio")


def write(kind: Format, folder: Path, images: list[LabelledImage], layout: Layout | None = None) -> Counter[str]:
    writer = open_writer(folder, kind, layout or Layout())
    for image in images:
        writer.add(image)
    writer.finish()
    return +writer.changes


def read(kind: Format, folder: Path, shape: tuple[int, int] | None = None) -> list[LabelledImage]:
    return [entry.load() for entry in read_entries(folder, kind, ImageSizes(shape))[0]]


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=15)
@given(image=labelled_images())
def test_a_round_trip_restores_what_the_writer_returned_and_every_pixel(kind: Format, image: LabelledImage) -> None:
    with tempfile.TemporaryDirectory() as name:
        writer = open_writer(Path(name), kind, Layout())
        held = writer.add(image)
        writer.finish()
        (again,) = read(kind, Path(name), image.shape)
    assert np.array_equal(draw_image(held), draw_image(image))
    assert np.array_equal(draw_image(again), draw_image(image))
    assert again.shape == image.shape
    assert again.stem == image.stem


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "masks"])
@settings(max_examples=10)
@given(image=labelled_images(categories=("crack", "spall")))
def test_every_format_except_masks_keeps_classes(kind: Format, image: LabelledImage) -> None:
    with tempfile.TemporaryDirectory() as name:
        write(kind, Path(name), [image])
        (again,) = read(kind, Path(name), image.shape)
    for category in ("crack", "spall"):
        assert np.array_equal(draw_image(again, category), draw_image(image, category))


@pytest.mark.parametrize("kind", WITH_OBJECTS)
@settings(max_examples=10)
@given(image=labelled_images())
def test_formats_with_objects_keep_objects_separate(kind: Format, image: LabelledImage) -> None:
    with tempfile.TemporaryDirectory() as name:
        write(kind, Path(name), [image])
        (again,) = read(kind, Path(name), image.shape)
    assert len(again.objects) == len(image.objects)
    assert all(isinstance(item.outline, Cutout) for item in again.objects) or kind != "voc"


@pytest.mark.parametrize("kind", ["coco", "cvat", "labelme", "label-studio"])
@settings(max_examples=10)
@given(image=labelled_images())
def test_writing_polygons_loses_no_pixel(kind: Format, image: LabelledImage) -> None:
    with tempfile.TemporaryDirectory() as name:
        write(kind, Path(name), [image], Layout(polygons=True))
        (again,) = read(kind, Path(name), image.shape)
    assert not any(isinstance(item.outline, Cutout) for item in again.objects)
    assert np.array_equal(draw_image(again), draw_image(image))


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo", "cvat", "labelme", "label-studio"])
def test_boxes_stay_boxes_in_formats_with_boxes(kind: Format, tmp_path: Path) -> None:
    objects = (LabelledObject("crack", (1, 2, 5, 9)), LabelledObject("spall", (3, 0, 8, 4)))
    image = LabelledImage("wall.png", (10, 12), objects)
    assert not write(kind, tmp_path, [image])
    (again,) = read(kind, tmp_path, (10, 12))
    assert [(item.category, item.box, item.outline) for item in again.objects] == [
        ("crack", (1, 2, 5, 9), None),
        ("spall", (3, 0, 8, 4), None),
    ]


@pytest.mark.parametrize("kind", ["masks", "kaggle-rle"])
def test_boxes_are_filled_and_counted_in_formats_without_boxes(kind: Format, tmp_path: Path) -> None:
    image = LabelledImage("wall.png", (10, 12), (LabelledObject("crack", (1, 2, 5, 9)),))
    assert write(kind, tmp_path, [image]) == {"box without outline written as a filled rectangle": 1}
    assert draw_image(read(kind, tmp_path, (10, 12))[0]).sum() == 28


def test_yolo_fills_boxes_in_images_with_outlines(tmp_path: Path) -> None:
    dot = mask_objects(np.eye(1, dtype=np.bool_), "crack")
    image = LabelledImage("wall.png", (10, 12), (*dot, LabelledObject("crack", (1, 2, 5, 9))))
    assert write("yolo", tmp_path, [image]) == {"box without outline written as a filled rectangle": 1}
    assert draw_image(read("yolo", tmp_path, (10, 12))[0]).sum() == 29


@settings(max_examples=10)
@given(mask=masks(), dialect=st.sampled_from(DIALECTS))
def test_a_csv_file_is_written_and_read_in_any_dialect(mask: NDArray[np.bool_], dialect: Dialect) -> None:
    shape = mask.shape[0], mask.shape[1]
    with tempfile.TemporaryDirectory() as name:
        write("kaggle-rle", Path(name), [LabelledImage("a.png", shape, mask_objects(mask, "crack"))], Layout(dialect))
        entries, why = read_entries(Path(name), "kaggle-rle", ImageSizes(shape), dialect=dialect)
    assert why is None
    assert np.array_equal(draw_image(entries[0].load()), mask)


def walls(folder: Path) -> dict[str, NDArray[np.bool_]]:
    """Write three masks, one of them empty."""
    rng = np.random.default_rng(3)
    mask_by_stem = {f"wall{number}": rng.random((12 + number, 20)) < 0.3 * number for number in range(3)}
    folder.mkdir()
    for stem, mask in mask_by_stem.items():
        write_png(folder / f"{stem}.png", mask_pixels(mask))
    return mask_by_stem


@pytest.mark.parametrize("second", FORMATS)
@pytest.mark.parametrize("first", FORMATS)
def test_masks_survive_any_two_formats(first: Format, second: Format, tmp_path: Path) -> None:
    mask_by_stem = walls(tmp_path / "masks")
    sizes = ImageSizes(images=tmp_path / "masks")
    convert(AnnotationSource(tmp_path / "masks", "masks"), tmp_path / "one", first)
    result = convert(AnnotationSource(tmp_path / "one", first, sizes), tmp_path / "two", second)
    assert ([image.iou for image in result.images], result.failed, result.iou_mean) == ([1, 1, 1], (), 1)
    convert(AnnotationSource(tmp_path / "two", second, sizes), tmp_path / "back", "masks")
    assert files_in(tmp_path / "back") == {f"{stem}.png" for stem in mask_by_stem}
    for stem, mask in mask_by_stem.items():
        assert np.array_equal(read_mask(tmp_path / "back" / f"{stem}.png"), mask)


def test_a_simplified_outline_loses_pixels_and_reports_the_iou(tmp_path: Path) -> None:
    walls(tmp_path / "masks")
    source = AnnotationSource(tmp_path / "masks", "masks")
    result = convert(source, tmp_path / "out", "yolo", Layout(simplify_px=2))
    assert result.worst is not None
    assert 0 < result.worst.iou < 1
    assert result.worst.name in ("wall1.png", "wall2.png")
    sizes = ImageSizes(images=tmp_path / "masks")
    back = convert(AnnotationSource(tmp_path / "out", "yolo", sizes), tmp_path / "back", "masks")
    masks_of = [(read_mask(tmp_path / name / result.worst.name)) for name in ("masks", "back")]
    assert np.count_nonzero(masks_of[0] & masks_of[1]) / np.count_nonzero(masks_of[0] | masks_of[1]) == pytest.approx(
        result.worst.iou
    )
    assert back.worst is not None
    assert back.worst.iou == 1


def test_an_unreadable_image_fails_and_others_are_converted(tmp_path: Path) -> None:
    walls(tmp_path / "masks")
    (tmp_path / "masks" / "wall1.png").write_bytes(b"no image")
    result = convert(AnnotationSource(tmp_path / "masks", "masks"), tmp_path / "out", "labelme")
    assert len(result.images) == 2
    assert ["wall1.png" in str(error) for error in result.failed] == [True]
    assert files_in(tmp_path / "out") == {"wall0.json", "wall2.json"}


def test_the_result_of_a_conversion_has_a_row_for_each_image(tmp_path: Path) -> None:
    walls(tmp_path / "masks")
    (tmp_path / "masks" / "wall1.png").write_bytes(b"no image")
    steps: list[Progress] = []
    source = AnnotationSource(tmp_path / "masks", "masks")
    result = convert(source, tmp_path / "out", "labelme", progress=steps.append)
    assert steps == [Progress(1, 3), Progress(2, 3), Progress(3, 3)]
    count = result.object_count
    assert repr(result) == f"ConversionResult(masks -> labelme: 2 images, {count} objects, 1 failed)"
    assert result.rows() == [
        {"image": "wall0.png", "objects": 0, "iou": 1.0},
        {"image": "wall2.png", "objects": count, "iou": 1.0},
    ]
    described = json.loads(json.dumps(result.to_dict()))
    assert (described["images"], described["objects"], described["from"], described["to"]) == (
        2,
        count,
        "masks",
        "labelme",
    )
    assert "wall1.png" in described["failed"][0]


def test_a_conversion_of_nothing_readable_has_no_iou(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.png").write_bytes(b"no image")
    result = convert(AnnotationSource(tmp_path / "masks", "masks"), tmp_path / "out", "labelme")
    assert (result.iou_mean, result.worst, result.rows()) == (None, None, [])
    assert result.to_dict()["iou_lowest"] is None


def test_images_of_one_name_keep_their_folders_below_the_target(tmp_path: Path) -> None:
    images = [LabelledImage(f"photos/{folder}/wall.png", (3, 3)) for folder in ("train", "test")]
    write("coco", tmp_path / "coco", images)
    result = convert(AnnotationSource(tmp_path / "coco", "coco"), tmp_path / "out", "masks")
    assert (len(result.images), result.failed) == (2, ())
    assert [files_in(tmp_path / "out" / folder) for folder in ("train", "test")] == [{"wall.png"}, {"wall.png"}]


def test_an_image_name_with_parent_folders_stays_in_the_target(tmp_path: Path) -> None:
    write("coco", tmp_path / "coco", [LabelledImage("../../evil.png", (3, 3))])
    convert(AnnotationSource(tmp_path / "coco", "coco"), tmp_path / "out" / "deep", "masks")
    assert files_in(tmp_path / "out" / "deep") == {"evil.png"}
    assert files_in(tmp_path) == {"coco", "out"}


def test_annotations_that_are_not_regions_are_counted(tmp_path: Path) -> None:
    body = '<image name="a.png" width="9" height="9">' + '<polyline points="1,2;3,4" label="a"/>' * 2 + "</image>"
    (tmp_path / "a.xml").write_text(f"<annotations>{body}</annotations>", encoding="utf-8")
    result = convert(AnnotationSource(tmp_path / "a.xml", "cvat"), tmp_path / "out", "masks")
    assert result.left_out == {"polyline": 2}


def test_classes_that_a_mask_cannot_hold_are_counted(tmp_path: Path) -> None:
    objects = mask_objects(np.eye(4, dtype=np.bool_), "spall")
    write("coco", tmp_path / "coco", [LabelledImage("a.png", (4, 4), objects)])
    result = convert(AnnotationSource(tmp_path / "coco", "coco"), tmp_path / "out", "masks")
    assert result.changes == {"class dropped": 1}


def test_touching_objects_are_merged_in_a_mask_and_counted(tmp_path: Path) -> None:
    left, right = np.zeros((4, 4), np.bool_), np.zeros((4, 4), np.bool_)
    left[:, :2] = right[:, 2:] = True
    objects = mask_objects(left, "crack") + mask_objects(right, "crack")
    changes = write("masks", tmp_path, [LabelledImage("a.png", (4, 4), objects)])
    assert changes == {"object merged with a touching object": 1}


@pytest.mark.parametrize(
    ("source", "kind", "target", "to"),
    [
        pytest.param("data", "masks", "data", "masks", id="the same folder"),
        pytest.param("data", "masks", "data/masks", "masks", id="the folder of its masks"),
        pytest.param("data/rle.csv", "kaggle-rle", "data", "kaggle-rle", id="the same file"),
        pytest.param("data/rle.csv", "kaggle-rle", "data/rle.csv", "kaggle-rle", id="the file itself"),
    ],
)
def test_a_source_is_never_overwritten(source: str, kind: Format, target: str, to: Format, tmp_path: Path) -> None:
    (tmp_path / "data" / "masks").mkdir(parents=True)
    (tmp_path / "data" / "rle.csv").write_text("ImageId,EncodedPixels\n", encoding="utf-8")
    with pytest.raises(UsageError, match="the target is also the source"):
        convert(AnnotationSource(tmp_path / source, kind), tmp_path / target, to)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_empty_folder_is_a_usage_error(kind: Format, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no annotations in the format|holds no \."):
        read_entries(tmp_path, kind, ImageSizes())


def test_a_missing_source_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        read_entries(tmp_path / "nowhere", "coco", ImageSizes())


def test_several_documents_in_a_folder_are_a_usage_error(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"holds 2 .json files \(a.json, b.json\); name one"):
        read_entries(tmp_path, "coco", ImageSizes())


@pytest.mark.parametrize("kind", ["kaggle-rle", "yolo"])
def test_an_unknown_image_size_is_a_usage_error(kind: Format, tmp_path: Path) -> None:
    write(kind, tmp_path, [LabelledImage("a.png", (4, 4), mask_objects(np.eye(4, dtype=np.bool_), "crack"))])
    with pytest.raises(UsageError, match="add --shape HxW or --images DIR"):
        read(kind, tmp_path)


def test_the_sizes_of_images_are_found_in_their_folder_by_name_or_stem(tmp_path: Path) -> None:
    for name, shape in (("train/a.png", (4, 5)), ("train/b.png", (6, 7)), ("test/b.jpg", (8, 9))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_png(tmp_path / name, np.zeros(shape, np.uint8))
    sizes = ImageSizes(images=tmp_path)
    assert (sizes.shape_of("a"), sizes.shape_of("x/a.tif"), sizes.shape_of("b.jpg")) == ((4, 5), (4, 5), (8, 9))
    with pytest.raises(LabelError, match="2 images have this name"):
        sizes.shape_of("b")
    with pytest.raises(UsageError, match="check --images"):
        sizes.shape_of("c")


def test_images_next_to_yolo_labels_give_the_size(tmp_path: Path) -> None:
    (tmp_path / "images" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train").mkdir(parents=True)
    write_png(tmp_path / "images" / "train" / "a.png", np.zeros((10, 20), np.uint8))
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n", encoding="utf-8")
    (image,) = read("yolo", tmp_path)
    assert (image.name, image.shape, image.objects[0].box) == ("a.png", (10, 20), (2.5, 5, 7.5, 15))


def test_several_rows_are_objects_and_a_single_row_holds_all_objects(tmp_path: Path) -> None:
    path = tmp_path / "rle.csv"
    path.write_text("ImageId,EncodedPixels\na,1 1 3 1\na,7 1 9 1\nb,1 1 7 1\n", encoding="utf-8")
    first, second = read("kaggle-rle", path, (3, 3))
    assert [item.box for item in first.objects] == [(0, 0, 3, 1), (0, 2, 3, 3)]
    assert [item.box for item in second.objects] == [(0, 0, 1, 1), (0, 2, 1, 3)]


def test_a_broken_rle_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rle.csv"
    path.write_text("ImageId,EncodedPixels\na,1 1\nb,1 1 1 1\n", encoding="utf-8")
    result = convert(AnnotationSource(path, "kaggle-rle", ImageSizes((3, 3))), tmp_path / "out", "masks")
    assert len(result.images) == 1
    assert str(result.failed[0]).startswith(f"{path}:3: run 2")


def test_more_objects_than_voc_can_number_keep_their_pixels(tmp_path: Path) -> None:
    dots = np.zeros((40, 40), np.bool_)
    dots[::2, ::2] = True
    image = LabelledImage("a.png", (40, 40), mask_objects(dots, "crack"))
    assert write("voc", tmp_path, [image]) == {"image written with classes but without object numbers": 1}
    assert np.array_equal(draw_image(read("voc", tmp_path)[0]), dots)


def test_more_classes_than_voc_has_indices_fail(tmp_path: Path) -> None:
    (dot,) = mask_objects(np.eye(1, dtype=np.bool_), "crack")
    objects = tuple(replace(dot, category=str(number)) for number in range(255))
    with pytest.raises(LabelError, match="254 classes"):
        write("voc", tmp_path, [LabelledImage("a.png", (1, 1), objects)])


def test_an_outline_without_a_pixel_is_dropped_and_counted(tmp_path: Path) -> None:
    speck = ring_object([np.array([[1.1, 1.1], [1.1, 1.3], [1.3, 1.1]])], "centre", "crack")
    kinds: tuple[Format, ...] = ("masks", "voc")
    for kind in kinds:
        changes = write(kind, tmp_path / kind, [LabelledImage("a.png", (4, 4), (speck,))])
        assert changes == {"outline without a pixel dropped": 1}
    assert not read_mask(tmp_path / "masks" / "a.png").any()
    assert read("voc", tmp_path / "voc")[0].objects == ()


def test_rings_of_an_object_are_split_where_a_format_holds_one_ring(tmp_path: Path) -> None:
    squares = [np.array([[0.0, 0], [0, 2], [2, 2], [2, 0]]) + offset for offset in (0, 5)]
    image = LabelledImage("a.png", (8, 8), (ring_object(squares, "centre", "crack"),))
    assert write("cvat", tmp_path, [image], Layout(polygons=True)) == {"object split into its parts": 1}
    (again,) = read("cvat", tmp_path)
    assert [item.box for item in again.objects] == [(0, 0, 2, 2), (5, 5, 7, 7)]
    assert np.array_equal(draw_image(again), draw_image(image))


def test_an_empty_jpeg_mask_may_hold_faint_values_and_a_png_may_not(tmp_path: Path) -> None:
    faint = np.full((16, 16), 6, np.uint8)
    for suffix in ("png", "jpg"):
        (tmp_path / suffix).mkdir()
        Image.fromarray(faint).save(tmp_path / suffix / f"a.{suffix}")
    (image,) = read("masks", tmp_path / "jpg")
    assert image.objects == ()
    with pytest.raises(LabelError, match="expected crack pixels of 128 or more, the largest value is 6"):
        read("masks", tmp_path / "png")


def test_a_guessed_dialect_is_used_and_explained(tmp_path: Path) -> None:
    mask = np.zeros((6, 9), np.bool_)
    mask[2, 1:8] = mask[0, 0] = True
    path = tmp_path / "rle.csv"
    path.write_text(f"ImageId,EncodedPixels\na,{rle_encode(mask, Dialect('row', 0))}\n", encoding="utf-8")
    source = AnnotationSource(path, "kaggle-rle", ImageSizes((6, 9)), None)
    result = convert(source, tmp_path / "out", "masks")
    assert result.dialect == "row-major, 0-based: reads 1 of 1, 2 components, 0 runs over the image border"
    assert np.array_equal(read_mask(tmp_path / "out" / "a.png"), mask)


def test_a_target_that_cannot_be_written_ends_the_conversion(tmp_path: Path) -> None:
    walls(tmp_path / "masks")
    (tmp_path / "out" / "wall0.json").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"wall0\.json"):
        convert(AnnotationSource(tmp_path / "masks", "masks"), tmp_path / "out", "labelme")
