"""Test that every file of a folder gets one row and that no work is done twice."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from crackseg.errors import MissingExtraError, ModelError, OutputError, UsageError
from crackseg.imaging.codec import read_mask, write_png
from crackseg.inspection.result import InspectionResult
from crackseg.inspection.rules import load_rules
from crackseg.inspection.run import inspect
from crackseg.inspection.source import Source
from crackseg.labels.detections import LABEL_FORMATS
from crackseg.measurement.scale import Marker
from tests.inspection.requests import make_request, with_rules
from tests.inspection.scenes import content, rows, wall, write_model, write_walls

pytestmark = pytest.mark.train


def test_every_file_gets_one_row_a_verdict_and_its_outputs(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 6), tmp_path / "out"
    (folder / "notes.txt").write_text("not an image")
    (folder / "cut.png").write_bytes((folder / "wall000.png").read_bytes()[:500])
    write_walls(folder / "deep" / "er", 1)
    summary = inspect(make_request(folder, output, dark_model))
    records = rows(output)
    assert set(records) == {*(f"wall{n:03d}.png" for n in range(6)), "notes.txt", "cut.png", "deep/er/wall000.png"}
    assert [records[f"wall{n:03d}.png"]["verdict"] for n in range(6)] == ["WARN", "WARN", "OK", "WARN", "WARN", "OK"]
    assert (records["notes.txt"]["status"], records["notes.txt"]["verdict"]) == ("skipped", None)
    assert (records["cut.png"]["status"], records["cut.png"]["verdict"]) == ("failed", "CANNOT JUDGE")
    assert summary.counts == {"ok": 7, "failed": 1, "skipped": 1, "WARN": 5, "OK": 2, "CANNOT JUDGE": 1}
    for name in ("wall000.png", "deep/er/wall000.png"):
        with Image.open(output / "masks" / name) as mask, Image.open(output / "overlays" / name) as overlay:
            assert mask.size == (96, 64)
            assert overlay.size[0] == 96
            assert overlay.size[1] > 64
    assert (output / "report.html").stat().st_size > 1000


def test_a_second_run_inspects_nothing_and_changes_no_row(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 3), tmp_path / "out"
    assert inspect(make_request(folder, output, dark_model)).inspected == 3
    before = content(output)
    again = inspect(make_request(folder, output, dark_model))
    assert (again.inspected, again.counts) == (0, {"ok": 3, "WARN": 2, "OK": 1})
    assert content(output) == before


@pytest.mark.parametrize("change", ["file", "rules", "scale", "threshold", "tta", "model", "mask", "touched"])
def test_a_file_is_inspected_again_only_if_its_result_could_change(
    dark_model: Path, tmp_path: Path, change: str
) -> None:
    folder, output = write_walls(tmp_path / "in", 3), tmp_path / "out"
    first = make_request(folder, output, dark_model)
    inspect(first)
    again, expected = first, 3
    match change:
        case "file":
            write_png(folder / "wall001.png", wall(99))
            expected = 1
        case "mask":
            (output / "masks" / "wall001.png").write_bytes(b"")
            expected = 1
        case "touched":
            os.utime(folder / "wall001.png")
            expected = 0
        case "rules":
            again = with_rules(first, "rules=[{name: any, verdict: NG, when: [components >= 1]}]")
        case "scale":
            again = with_rules(first, scale=0.5)
        case "threshold":
            again = dataclasses.replace(first, settings=dataclasses.replace(first.settings, threshold=0.9))
        case "tta":
            again = dataclasses.replace(first, settings=dataclasses.replace(first.settings, tta="scales"))
        case "model":
            again = make_request(folder, output, write_model(tmp_path / "other.onnx", bias=80.0))
    assert inspect(again).inspected == expected
    fresh = dataclasses.replace(again, source=Source(folder, tmp_path / "fresh"))
    inspect(fresh)
    assert content(output) == content(tmp_path / "fresh")


def test_one_worker_and_two_write_the_same(dark_model: Path, tmp_path: Path) -> None:
    folder = write_walls(tmp_path / "in", 7)
    for workers in (1, 2):
        inspect(make_request(folder, tmp_path / str(workers), dark_model, workers=workers))
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_the_same_scene_in_every_encoding_gets_the_same_verdict_and_widths(dark_model: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    grey = np.where(wall(0, (64, 80), width_px=9)[..., :1].repeat(3, axis=2) < 100, 30, 180).astype(np.uint8)
    grey[::7, ::5] = 175
    image = Image.fromarray(grey)
    for name in ("a.png", "a.bmp", "a.tif", "a.ppm", "a.tga", "a.gif"):
        image.convert("P" if name.endswith("gif") else "RGB").save(folder / name)
    image.convert("L").save(folder / "grey.png")
    image.convert("RGBA").save(folder / "alpha.png")
    image.save(folder / "lossless.webp", lossless=True)
    image.save(folder / "fine.jpg", quality=98, subsampling=0)
    image.save(folder / "lzw.tiff", compression="tiff_lzw")
    turned = Image.Exif()
    turned[0x0112] = 6
    image.rotate(90, expand=True).save(folder / "turned.png", exif=turned)
    cv2.imwrite(str(folder / "deep.png"), grey[..., 0].astype(np.uint16) * 16)
    inspect(make_request(folder, output, dark_model))
    records = rows(output)
    assert len(records) == 13
    summary = {name: (row["verdict"], row["components"], row["reasons"]) for name, row in records.items()}
    assert {(row["verdict"], row["components"]) for row in records.values()} == {("WARN", 1)}, summary
    widths = {name: row["width_max_px"] for name, row in records.items()}
    lengths = {name: row["length_max_px"] for name, row in records.items()}
    lossy = {"a.gif": widths.pop("a.gif"), "fine.jpg": widths.pop("fine.jpg")}
    assert len(set(widths.values())) == 1, widths
    assert widths["a.png"] is not None
    assert lossy == pytest.approx(dict.fromkeys(lossy, widths["a.png"]), abs=0.1)
    assert lengths == pytest.approx(dict.fromkeys(lengths, lengths["a.png"]), abs=0.5)


def test_the_scale_gives_millimetres_that_decide(dark_model: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name, width_px in (("thin", 2), ("wide", 19)):
        write_png(folder / f"{name}.png", wall(1, (160, 240), width_px=width_px))
    limits = "rules=[{name: wide, verdict: NG, when: [width_max_mm > 1.2]}]"
    inspect(with_rules(make_request(folder, output, dark_model), limits, scale=0.1))
    records = rows(output)
    assert (records["thin.png"]["verdict"], records["wide.png"]["verdict"]) == ("OK", "NG")
    assert records["wide.png"]["width_max_mm"] == pytest.approx(0.1 * records["wide.png"]["width_max_px"])
    assert "width_max_mm" in records["wide.png"]["reasons"]
    inspect(with_rules(make_request(folder, output, dark_model), limits.replace("1.2", "0.2"), scale=0.1))
    assert rows(output)["thin.png"]["verdict"] == "CANNOT JUDGE"
    assert "is undecided for" in rows(output)["thin.png"]["reasons"]
    with pytest.raises(UsageError, match="no scale is known"):
        inspect(with_rules(make_request(folder, output, dark_model), limits))


def test_each_image_may_bring_its_own_scale_with_a_marker(dark_model: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    for name, side in (("near.png", 96), ("far.png", 48), ("none.png", 0)):
        image = wall(1, (160, 240), width_px=9)
        if side:
            image[10 : 20 + side, 10 : 20 + side] = 250
            image[15 : 15 + side, 15 : 15 + side] = cv2.aruco.generateImageMarker(dictionary, 3, side)[..., None]
        write_png(folder / name, image)
    first = make_request(folder, output, dark_model)
    inspect(dataclasses.replace(first, settings=dataclasses.replace(first.settings, scale=Marker(24.0))))
    records = rows(output)
    assert records["near.png"]["scale_mm_per_px"] == pytest.approx(0.25, rel=0.03)
    assert records["far.png"]["scale_mm_per_px"] == pytest.approx(0.5, rel=0.05)
    assert "marker 3 of 24 mm" in records["near.png"]["scale_source"]
    assert records["none.png"]["scale_mm_per_px"] is None
    assert records["none.png"]["verdict"] == "CANNOT JUDGE"
    assert "no marker found" in records["none.png"]["reasons"]


def test_cracks_become_labels_in_folders_like_those_of_the_images(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in" / "north", 3).parent, tmp_path / "out"
    write_png(folder / "wall000.bmp.png", wall(0))
    write_png(folder / "wall000.png", wall(0))
    Image.fromarray(wall(0)).save(folder / "wall000.bmp")
    request = dataclasses.replace(make_request(folder, output, dark_model), formats=LABEL_FORMATS)
    assert not inspect(request).unlabelled
    document = json.loads((output / "labels" / "coco" / "annotations" / "instances.json").read_text())
    assert len({image["file_name"] for image in document["images"]}) == 6
    assert all(item["score"] > 0.5 for item in document["annotations"])
    yolo = output / "labels" / "yolo"
    names = {path.relative_to(yolo).as_posix() for path in yolo.rglob("*.txt")}
    assert {"labels/wall000.txt", "north/labels/wall001.txt", "north/labels/wall002.txt"} <= names
    assert len(names) == 6
    with pytest.raises(UsageError, match="--watch"):
        inspect(dataclasses.replace(request, watch=True))


def test_the_inspected_folder_is_left_as_it_was(dark_model: Path, tmp_path: Path) -> None:
    folder = write_walls(tmp_path / "in" / "deep", 3).parent
    (folder / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "link.png").symlink_to("deep/wall000.png")

    def snapshot() -> dict[str, tuple[int, int, int, bytes]]:
        records = {}
        for path in sorted(folder.rglob("*")):
            state = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            records[path.name] = (state.st_mode, state.st_mtime_ns, state.st_ctime_ns, content)
        return records

    before = snapshot()
    inspect(make_request(folder, tmp_path / "out", dark_model, parquet=True, formats=LABEL_FORMATS))
    assert snapshot() == before


def test_cracks_outside_the_regions_do_not_count(dark_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    image = wall(2, crack=False)
    image[10:13, 5:90] = 20
    write_png(folder / "top.png", image)
    for name, setting, verdict in (
        ("all", "regions=[]", "WARN"),
        ("below", "regions=[{row0: 0.5}]", "OK"),
        ("ignored", "ignore=[{row1: 0.5}]", "OK"),
    ):
        inspect(with_rules(make_request(folder, tmp_path / name, dark_model), setting))
        assert rows(tmp_path / name)["top.png"]["verdict"] == verdict
    mask = np.zeros((64, 96), np.uint8)
    mask[:32] = 255
    write_png(tmp_path / "mask.png", mask)
    for kind, verdict in (("ignore_mask", "OK"), ("region_mask", "WARN")):
        (tmp_path / "rules.yaml").write_text(f"{kind}: mask.png\n")
        output = tmp_path / kind
        first = make_request(folder, output, dark_model)
        area = load_rules(tmp_path / "rules.yaml")
        inspect(dataclasses.replace(first, settings=dataclasses.replace(first.settings, area=area)))
        assert rows(output)["top.png"]["verdict"] == verdict
        assert read_mask(output / "masks" / "top.png").any() == (verdict == "WARN")


def test_an_image_that_cannot_be_judged_has_a_reason(dark_model: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    good = wall(3)
    images = {
        "too dark": (good // 8).astype(np.uint8),
        "too bright": np.full_like(good, 253) - (good // 100).astype(np.uint8),
        "too small": good[:20, :20],
        "blurred": np.asarray(cv2.GaussianBlur(good, (0, 0), 5), dtype=np.uint8),
        "too little contrast": np.full_like(good, 120),
    }
    for reason, image in images.items():
        write_png(folder / f"{reason}.png", image)
    nan = np.full((40, 40), np.nan, np.float32)
    Image.fromarray(nan).save(folder / "nan.tif")
    inspect(make_request(folder, output, dark_model))
    records = rows(output)
    assert {row["verdict"] for row in records.values()} == {"CANNOT JUDGE"}
    for reason in images:
        assert reason in records[f"{reason}.png"]["reasons"]
    assert records["nan.tif"]["status"] == "failed"


def test_a_model_that_returns_nan_makes_no_image_ok(tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 2), tmp_path / "out"
    summary = inspect(make_request(folder, output, write_model(tmp_path / "nan.onnx", nan=True)))
    assert summary.counts == {"failed": 2, "CANNOT JUDGE": 2}


def test_an_invalid_model_is_an_error_and_not_a_failed_file(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError):
        inspect(make_request(write_walls(tmp_path / "in", 1), tmp_path / "out", tmp_path / "text.onnx"))


def test_formulas_and_escapes_in_names_are_defused_in_the_table(dark_model: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("=1+1.txt", "-2+3.txt", "@sum.txt", "a\x1b[31m.txt", "b\nc.txt", "＝1+1.txt"):
        (folder / name).write_text("x")
    inspect(make_request(folder, output, dark_model))
    with (output / "results.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    names = [row["name"] for row in table]
    assert names == ["'-2+3.txt", "'=1+1.txt", "'@sum.txt", "a\\x1b[31m.txt", "b\\nc.txt", "'＝1+1.txt"]
    assert bytes.fromhex(table[3]["path_hex"]) == b"a\x1b[31m.txt"


def test_the_parquet_table_has_the_rows_of_the_csv(dark_model: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    folder, output = write_walls(tmp_path / "in", 2), tmp_path / "out"
    inspect(make_request(folder, output, dark_model, parquet=True))
    table = parquet.read_table(output / "results.parquet").to_pylist()
    assert [row["name"] for row in table] == ["wall000.png", "wall001.png"]
    assert table[0]["width_max_px"] == rows(output)["wall000.png"]["width_max_px"]


def test_a_parquet_table_without_pyarrow_is_refused_before_the_work(
    dark_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    folder, output = write_walls(tmp_path / "in", 1), tmp_path / "out"
    with pytest.raises(MissingExtraError, match="pyarrow"):
        inspect(make_request(folder, output, dark_model, parquet=True))
    assert not output.exists()


def test_two_inspections_do_not_write_into_one_folder(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 2), tmp_path / "out"
    second: list[Exception] = []

    def interfere(_: object) -> None:
        if not second:
            try:
                inspect(make_request(folder, output, dark_model))
            except OutputError as error:
                second.append(error)

    inspect(make_request(folder, output, dark_model), progress=interfere)
    assert "another inspection writes to this folder" in str(second[0])


def test_an_empty_folder_is_refused(dark_model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match="holds no file"):
        inspect(make_request(tmp_path / "in", tmp_path / "out", dark_model))
    assert not (tmp_path / "out").exists()


def test_the_output_may_lie_inside_the_folder(dark_model: Path, tmp_path: Path) -> None:
    folder = write_walls(tmp_path / "in", 2)
    for _ in range(2):
        inspect(make_request(folder, folder / "out", dark_model))
    assert set(rows(folder / "out")) == {"wall000.png", "wall001.png"}


@pytest.mark.parametrize("signal", ["the system", "polling"])
def test_watching_inspects_a_new_file_once_it_is_complete(
    dark_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal: str
) -> None:
    if signal == "the system":
        pytest.importorskip("watchdog", reason="watchdog is not installed")
    else:
        monkeypatch.setitem(sys.modules, "watchdog.events", None)
    folder, output = write_walls(tmp_path / "in", 1), tmp_path / "out"
    end = threading.Event()
    summaries: list[InspectionResult] = []
    watching = make_request(folder, output, dark_model, watch=True)
    thread = threading.Thread(target=lambda: summaries.append(inspect(watching, stop=end.is_set)))
    thread.start()
    try:
        data = (write_walls(tmp_path / "more", 2) / "wall001.png").read_bytes()
        _wait_for((output / "report.html").exists)
        with (folder / "later.png").open("wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            time.sleep(0.3)  # shorter than a file must stay unchanged to be complete
            file.write(data[len(data) // 2 :])
        _wait_for(lambda: "later.png" in rows(output))
    finally:
        end.set()
        thread.join(300)
    row = rows(output)["later.png"]
    assert (row["status"], row["verdict"]) == ("ok", "WARN")
    assert summaries[0].interrupted


def _wait_for(arrived: object) -> None:
    end = time.monotonic() + 300
    while not arrived():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)
