"""Test the result of an inspection in Python, and runs that stop early."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from crackseg.errors import ImageError, OutputError, UsageError
from crackseg.imaging.codec import read_image, write_png
from crackseg.inspection.label_files import write_labels
from crackseg.inspection.output_folder import sweep_folder
from crackseg.inspection.result import InspectionProgress, InspectionResult
from crackseg.inspection.run import inspect
from crackseg.inspection.source import Source
from crackseg.inspection.store import Store
from crackseg.inspection.worker_limits import worker_limits
from crackseg.machine import usable_cores
from tests.inspection.requests import make_request, with_rules
from tests.inspection.scenes import rows, write_walls

pytestmark = pytest.mark.train


def test_a_result_has_a_line_a_dict_and_the_rows_of_the_table(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 3), tmp_path / "out"
    (folder / "notes.txt").write_text("no image")
    steps: list[InspectionProgress] = []
    result = inspect(make_request(folder, output, dark_model), progress=steps.append)
    assert repr(result) == f"InspectionResult({str(output)!r}, 4 files: 1 OK, 2 WARN, 1 skipped)"
    values = result.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert (values["model"], values["terms"]) == (str(dark_model), "not stated")
    assert values["verdict"] == {"OK": 1, "WARN": 2, "NG": 0, "CANNOT JUDGE": 0}
    with (output / "results.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in result.rows()
    ] == table
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert (steps[0].done, steps[-1].done, steps[-1].fraction) == (0, 4, 1)
    assert steps[-1].counts == result.counts


def test_the_rows_of_a_missing_database_are_an_error(tmp_path: Path) -> None:
    result = InspectionResult(output=tmp_path, files=0, inspected=0, counts={})
    assert repr(result) == f"InspectionResult({str(tmp_path)!r}, 0 files)"
    with pytest.raises(OutputError, match=r"results\.sqlite: cannot be read"):
        result.rows()


def test_the_terms_of_the_model_are_kept_for_runs_that_load_no_model(dark_model: Path, tmp_path: Path) -> None:
    request = make_request(write_walls(tmp_path / "in", 1), tmp_path / "out", dark_model)
    assert inspect(request).terms == "not stated"
    again = inspect(request)
    assert (again.inspected, again.terms) == (0, "not stated")
    assert "not stated" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_refused_and_removed_files_are_counted_again(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 2), tmp_path / "out"
    (folder / "gone.png").symlink_to("nothing")
    first = inspect(make_request(folder, output, dark_model))
    assert first.counts == {"ok": 2, "WARN": 2, "skipped": 1}
    (folder / "wall001.png").unlink()
    again = inspect(make_request(folder, output, dark_model))
    assert (again.inspected, again.gone, again.files) == (0, 1, 2)
    assert again.counts == {"ok": 1, "WARN": 1, "skipped": 1}
    assert len(again.rows()) == 3


def test_a_run_that_must_stop_keeps_no_half_row(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 4), tmp_path / "out"
    request = make_request(folder, output, dark_model)
    stopped = inspect(request, stop=lambda: True)
    assert (stopped.interrupted, stopped.inspected, stopped.rows()) == (True, 0, [])
    assert repr(stopped).endswith(", interrupted)")
    assert not (output / "report.html").exists()
    finished = 0

    def count(progress: InspectionProgress) -> None:
        nonlocal finished
        finished = int(progress.done)

    halfway = inspect(request, progress=count, stop=lambda: finished >= 2)
    assert halfway.interrupted
    assert 2 <= len(halfway.rows()) == finished < 4
    assert inspect(request).inspected == 4 - finished


def test_an_image_whose_mask_is_damaged_has_no_labels(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 2), tmp_path / "out"
    inspect(make_request(folder, output, dark_model))
    (output / "masks" / "wall000.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with Store(output / "results.sqlite") as store:
        ((name, reason),) = write_labels(output, folder, store, ("coco",))
    assert (name, "cannot be decoded" in reason) == ("wall000.png", True)
    document = json.loads((output / "labels" / "coco" / "annotations" / "instances.json").read_text())
    assert [image["file_name"] for image in document["images"]] == ["wall001.png"]


def test_failed_files_are_inspected_again_on_request(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 1), tmp_path / "out"
    (folder / "cut.png").write_bytes((folder / "wall000.png").read_bytes()[:300])
    request = make_request(folder, output, dark_model)
    assert [name for name, _ in inspect(request).failures] == ["cut.png"]
    assert inspect(request).inspected == 0
    assert inspect(dataclasses.replace(request, retry_failed=True)).inspected == 1


def test_a_file_in_an_unsupported_image_format_fails_with_a_hint(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 1), tmp_path / "out"
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    inspect(make_request(folder, output, dark_model))
    row = rows(output)["phone.heic"]
    assert (row["status"], row["message"]) == (
        "failed",
        "unsupported image format; convert the file to PNG, TIFF or JPEG",
    )


def test_an_area_without_pixels_makes_no_image_ok(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 1), tmp_path / "out"
    inspect(with_rules(make_request(folder, output, dark_model), "ignore=[{}]"))
    row = rows(output)["wall000.png"]
    assert row["verdict"] == "CANNOT JUDGE"
    assert "no pixel is inside the regions of the rules" in row["reasons"]


def test_only_partial_files_are_swept(tmp_path: Path) -> None:
    (tmp_path / "masks" / "deep").mkdir(parents=True)
    write_png(tmp_path / "masks" / "deep" / "wall.png", np.zeros((2, 2), np.uint8))
    for path in (".partial-1.csv", "masks/.partial-2.png", "masks/deep/.partial-3.png", "keep/.partial-4.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    sweep_folder(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"masks/deep/wall.png", "keep/.partial-4.png"}
    assert read_image(tmp_path / "masks" / "deep" / "wall.png").shape == (2, 2, 3)


def test_limits_divide_the_machine_among_the_workers() -> None:
    one, four = worker_limits(1), worker_limits(4, time_s=7)
    assert one.memory_bytes is not None
    assert four.memory_bytes is not None
    assert abs(one.memory_bytes - 4 * four.memory_bytes) < 4
    assert (four.time_s, one.threads, four.threads) == (7, usable_cores(), max(1, usable_cores() // 4))
    assert worker_limits(None, memory_gib=2).memory_bytes == 2 * 1024**3
    with pytest.raises(UsageError, match=r"--memory: expected at least 0\.5 GiB, got 0\.1 GiB"):
        worker_limits(1, memory_gib=0.1)


def test_a_list_that_is_missing_or_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match="no such file"):
        Source(tmp_path / "in", tmp_path / "out", listing=tmp_path / "list").files()
    with pytest.raises(ImageError, match="cannot be read"):
        Source(tmp_path / "in", tmp_path / "out", listing=tmp_path).files()
