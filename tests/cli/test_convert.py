"""``crackseg convert``: files, losses, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crackseg.cli import main
from crackseg.imaging.codec import mask_pixels, read_mask, write_png
from crackseg.labels.rle import Dialect, rle_encode
from tests.runs import files_in, line_sample, only_error


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """A folder of two masks, one of them empty."""
    folder = tmp_path / "walls" / "masks"
    folder.mkdir(parents=True)
    mask = line_sample(1)[1]
    mask[:20, :20] |= np.hypot(*np.mgrid[-10:10, -10:10]) < 9
    write_png(folder / "a.png", mask_pixels(mask))
    write_png(folder / "b.png", np.zeros((30, 40), np.uint8))
    return folder


def convert(source: Path, target: Path, kind: str, to: str, *more: str) -> int:
    return main(["convert", str(source), str(target), "--from", kind, "--to", to, "--quiet", *more])


def test_masks_become_a_competitions_csv_and_come_back(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(masks, tmp_path / "rle.csv", "masks", "kaggle-rle") == 0
    shown = capsys.readouterr()
    assert "2 images with 2 objects: masks -> kaggle-rle" in shown.out
    assert "IoU of the round trip 1.0000" in shown.out
    assert shown.err == ""
    assert (tmp_path / "rle.csv").read_text(encoding="utf-8").splitlines()[0] == "ImageId,EncodedPixels"
    assert convert(tmp_path / "rle.csv", tmp_path / "out", "kaggle-rle", "masks", "--images", str(masks)) == 0
    assert files_in(tmp_path / "out") == {"a.png", "b.png"}
    for name in ("a.png", "b.png"):
        assert np.array_equal(read_mask(tmp_path / "out" / name), read_mask(masks / name))


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        pytest.param("masks", {"a.png", "b.png"}, id="masks"),
        pytest.param("kaggle-rle", {"rle.csv"}, id="kaggle-rle"),
        pytest.param("coco", {"annotations/instances.json"}, id="coco"),
        pytest.param(
            "voc",
            {
                "labelmap.txt",
                *(f"{folder}/{stem}.png" for folder in ("SegmentationClass", "SegmentationObject") for stem in "ab"),
                *(f"Annotations/{stem}.xml" for stem in "ab"),
            },
            id="voc",
        ),
        pytest.param("yolo", {"data.yaml", "labels/a.txt", "labels/b.txt"}, id="yolo"),
        pytest.param("cvat", {"annotations.xml"}, id="cvat"),
        pytest.param("labelme", {"a.json", "b.json"}, id="labelme"),
        pytest.param("label-studio", {"tasks.json"}, id="label-studio"),
    ],
)
def test_each_format_has_its_files(kind: str, files: set[str], masks: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert convert(masks.parent, out, "masks", kind) == 0
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == files


def test_json_is_one_object_with_the_loss(masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(masks, tmp_path / "out", "masks", "yolo", "--json", "--simplify", "5") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["from"], answer["to"], answer["images"], answer["objects"]) == ("masks", "yolo", 2, 2)
    assert 0 < answer["iou_lowest"] < 1
    assert answer["iou_lowest_image"] == "a.png"
    assert answer["iou_mean"] == pytest.approx((1 + answer["iou_lowest"]) / 2)
    assert (answer["changes"], answer["left_out"], answer["failed"]) == ({}, {}, [])


def test_changes_and_items_left_out_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = '<box label="crack" xtl="1" ytl="1" xbr="4" ybr="3"/><polyline label="crack" points="1,1;2,2"/>'
    (tmp_path / "task.xml").write_text(
        f'<annotations><image name="a.png" width="9" height="9">{body}</image></annotations>', encoding="utf-8"
    )
    assert convert(tmp_path / "task.xml", tmp_path / "out", "cvat", "masks") == 1
    failed = capsys.readouterr()
    assert "add --line-width PX to draw lines, or --allow-partial" in only_error(failed.err)
    assert "1 image not written" in failed.out
    assert not files_in(tmp_path / "out")
    assert convert(tmp_path / "task.xml", tmp_path / "out", "cvat", "masks", "--allow-partial") == 0
    shown = capsys.readouterr().out
    assert "1 x box without outline written as a filled rectangle" in shown
    assert "1 x left out: polyline" in shown


def test_an_image_that_fails_is_a_line_on_stderr_and_exit_code_1(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (masks / "b.png").write_bytes(b"no image")
    assert convert(masks, tmp_path / "out", "masks", "labelme") == 1
    shown = capsys.readouterr()
    assert "b.png" in only_error(shown.err)
    assert "1 image with 2 objects" in shown.out
    assert files_in(tmp_path / "out") == {"a.json"}


def test_a_dialect_is_guessed_and_the_reason_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dialect = Dialect("row", 0)
    rows = [f"{number},{rle_encode(line_sample(number)[1], dialect)}" for number in range(6)]
    (tmp_path / "rle.csv").write_text("\n".join(["ImageId,EncodedPixels", *rows]), encoding="utf-8")
    more = ("--shape", "64x80", "--dialect", "guess")
    assert convert(tmp_path / "rle.csv", tmp_path / "out", "kaggle-rle", "masks", *more) == 0
    assert "dialect: row-major, 0-based: reads 6 of 6" in capsys.readouterr().out
    assert np.array_equal(read_mask(tmp_path / "out" / "3.png"), line_sample(3)[1])


def test_polygons_are_written_on_demand(masks: Path, tmp_path: Path) -> None:
    assert convert(masks, tmp_path / "a.json", "masks", "coco") == 0
    assert convert(masks, tmp_path / "b.json", "masks", "coco", "--polygons") == 0
    kinds = [
        type(json.loads((tmp_path / name).read_bytes())["annotations"][0]["segmentation"])
        for name in ("a.json", "b.json")
    ]
    assert kinds == [dict, list]


@pytest.mark.parametrize(
    ("more", "mentions"),
    [
        pytest.param(["--from", "masks"], "--to", id="no target format"),
        pytest.param(["--from", "masks", "--to", "tfrecord"], "tfrecord", id="unknown format"),
        pytest.param(["--from", "masks", "--to", "coco", "--shape", "3"], "--shape", id="one side"),
        pytest.param(["--from", "masks", "--to", "coco", "--shape", "0x3"], "--shape", id="no height"),
        pytest.param(["--from", "masks", "--to", "coco", "--shape", "axb"], "--shape", id="text for sides"),
        pytest.param(["--from", "masks", "--to", "coco", "--images", "nowhere"], "nowhere", id="no such images"),
        pytest.param(["--from", "masks", "--to", "coco", "--simplify", "-1"], "--simplify", id="negative tolerance"),
        pytest.param(["--from", "masks", "--to", "kaggle-rle", "--dialect", "guess"], "--dialect", id="guess to write"),
        pytest.param(["--from", "kaggle-rle", "--to", "masks"], "holds no .csv file", id="no such file in the folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    more: list[str], mentions: str, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(masks), str(tmp_path / "out"), *more]) == 2
    assert mentions in only_error(capsys.readouterr().err)


def test_a_document_that_cannot_be_read_is_one_line_and_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_bytes(b'{"images": [')
    assert convert(tmp_path / "a.json", tmp_path / "out", "coco", "masks") == 3
    assert "a.json: not valid JSON" in only_error(capsys.readouterr().err)


def test_the_source_is_not_overwritten(masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (masks / "a.png").read_bytes()
    assert convert(masks, masks, "masks", "masks") == 2
    assert "the target is also the source" in only_error(capsys.readouterr().err)
    assert (masks / "a.png").read_bytes() == before
