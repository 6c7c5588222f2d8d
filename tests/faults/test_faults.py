"""Test power cuts, failing disks and files that kill their worker."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crackseg.errors import OutputError
from crackseg.inspection.request import InspectionRequest
from crackseg.inspection.rules import JudgedArea, Rules
from crackseg.inspection.run import inspect
from crackseg.inspection.settings import Settings
from crackseg.inspection.source import Source
from crackseg.inspection.store import APPLICATION_ID, SCHEMA_VERSION, Store
from crackseg.inspection.worker_limits import WorkerLimits
from tests.inspection.scenes import content, rows, write_model, write_walls
from tests.runs import REPOSITORY

pytestmark = pytest.mark.train


def lab(scenario: str, folder: Path, *options: str) -> dict[str, Any]:
    """Run a scenario of the lab in a process; return its report."""
    command = [sys.executable, "-m", "tests.faults.lab", scenario, str(folder), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=1800, check=False
    )
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr, process.stderr
    report: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return report


@pytest.fixture
def dark_model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "dark.onnx")


def make_request(folder: Path, output: Path, model: Path) -> InspectionRequest:
    settings = Settings(area=JudgedArea(Rules()), model=str(model))
    return InspectionRequest(
        source=Source(folder, output), settings=settings, workers=1, limits=WorkerLimits(time_s=300)
    )


def test_a_run_that_is_killed_at_any_moment_and_resumed_ends_equal_to_an_unbroken_one(tmp_path: Path) -> None:
    report = lab("kills", tmp_path, "--count", "20", "--walls", "2")
    assert report["runs"] == 20
    assert report["killed"] >= 12
    assert report["operations"] > 30
    assert report["differing"] == []


def test_a_file_operation_that_fails_ends_in_the_right_exit_code_and_can_be_resumed(tmp_path: Path) -> None:
    report = lab("faults", tmp_path, "--step", "4", "--walls", "1")
    assert set(report["codes"]) == {"1", "3"}
    assert report["differing"] == []


def test_a_file_that_kills_hangs_or_bloats_its_worker_is_tried_twice_and_the_rest_go_on(tmp_path: Path) -> None:
    report = lab("workers", tmp_path, "--walls", "3")
    rows_by_name = {name: row[:3] for name, row in report["rows"].items()}
    assert rows_by_name.pop("abort.png") == ["failed", "crashed", 2]
    assert rows_by_name.pop("killed.png") == ["failed", "crashed", 2]
    assert rows_by_name.pop("hang.png") == ["failed", "timeout", 2]
    assert rows_by_name.pop("greedy.png") == ["failed", "memory", 1]
    assert rows_by_name.pop("error.png") == ["failed", "error", 1]
    assert "SIGABRT" in report["rows"]["abort.png"][3]
    assert "ZeroDivisionError" in report["rows"]["error.png"][3]
    assert rows_by_name.pop("cut.png")[:2] == ["failed", "decode"]
    assert rows_by_name.pop("notes.txt")[:2] == ["skipped", "not_an_image"]
    assert {row[0] for row in rows_by_name.values()} == {"ok"}
    assert len(rows_by_name) == 3
    assert report["counts"]["CANNOT JUDGE"] == 6


def test_a_database_that_is_in_use_is_refused_and_left_alone(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 1), tmp_path / "out"
    inspect(make_request(folder, output, dark_model))
    before = content(output)
    write_walls(folder, 1, first=1)
    with contextlib.closing(sqlite3.connect(output / "results.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OutputError, match="in use by another program"):
            inspect(make_request(folder, output, dark_model))
        other.execute("ROLLBACK")
    assert content(output) == before
    assert inspect(make_request(folder, output, dark_model)).inspected == 1


def _foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE customers (name TEXT)")
        database.commit()


def _of_another_program(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA application_id = 42")
        database.commit()


def _newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE results (path BLOB)")
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        database.commit()


def _text(path: Path) -> None:
    path.write_text("these are no results " * 100)


@pytest.mark.parametrize(
    ("make", "mentions"),
    [
        (_foreign, "not a results database of crackseg"),
        (_of_another_program, "not a results database of crackseg"),
        (_newer, "written by a newer crackseg"),
        (_text, "damaged, or not a database"),
    ],
)
def test_a_database_that_is_not_ours_is_refused_and_left_as_it_was(tmp_path: Path, make: Any, mentions: str) -> None:
    path = tmp_path / "results.sqlite"
    make(path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match=mentions):
        Store(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_database_cut_short_is_refused(dark_model: Path, tmp_path: Path, share: float) -> None:
    folder, output = write_walls(tmp_path / "in", 6), tmp_path / "out"
    inspect(make_request(folder, output, dark_model))
    path = output / "results.sqlite"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(OutputError, match="damaged"):
        inspect(make_request(folder, output, dark_model))
    path.unlink()
    assert inspect(make_request(folder, output, dark_model)).inspected == 6


def test_an_empty_database_left_by_a_kill_is_used(tmp_path: Path) -> None:
    (tmp_path / "results.sqlite").touch()
    with Store(tmp_path / "results.sqlite") as store:
        assert store.known_files() == {}


def test_an_output_folder_that_is_taken_away_ends_the_run(dark_model: Path, tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 5), tmp_path / "out"
    with pytest.raises(OutputError, match=r"removed or replaced|cannot be written"):
        inspect(make_request(folder, output, dark_model), progress=lambda _: shutil.rmtree(output, ignore_errors=True))
    assert inspect(make_request(folder, output, dark_model)).counts["ok"] == 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 400 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_ends_the_run_with_what_was_done_kept(dark_model: Path, tmp_path: Path, small_disk: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 60), small_disk / "out"
    with pytest.raises(OutputError, match="cannot be written"):
        inspect(make_request(folder, output, dark_model))
    assert not list(output.rglob(".partial-*"))
    kept = rows(output)
    assert 0 < len(kept) < 60
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert inspect(make_request(folder, output, dark_model)).inspected == 60 - len(kept)
    inspect(make_request(folder, tmp_path / "whole", dark_model))
    assert content(output) == content(tmp_path / "whole")


def test_a_disk_that_cannot_be_written_is_refused(dark_model: Path, tmp_path: Path, small_disk: Path) -> None:
    folder = write_walls(tmp_path / "in", 1)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OutputError, match="cannot be written"):
        inspect(make_request(folder, small_disk / "out", dark_model))
