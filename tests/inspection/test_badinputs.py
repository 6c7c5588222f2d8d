"""Test that foreign, broken and hostile files get one row each in one run."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.inspection.scenes import rows, wall, write_walls
from tests.runs import run_module

pytestmark = pytest.mark.train


@pytest.mark.shared
def test_every_foreign_file_gets_a_row_in_one_run(shared_folder: Path, dark_model: Path, tmp_path: Path) -> None:
    folder, output = shared_folder / "badinputs", tmp_path / "out"
    process = run_module(
        "inspect", folder, "-o", output, "--model", dark_model, "--workers", "1", "--memory", "2", "--quiet",
        "--time-limit", "1800", timeout_s=3600,
    )  # fmt: skip
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    assert all(line.startswith("crackseg: error: ") for line in process.stderr.splitlines())
    records = rows(output)
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    assert len(records) == len(files)
    codes = Counter(row["code"] for row in records.values())
    assert not codes["crashed"] + codes["timeout"] + codes["memory"] + codes["error"], codes
    assert all(row["verdict"] == "CANNOT JUDGE" for row in records.values() if row["status"] == "failed")


def test_names_of_all_bytes_get_a_row_and_outputs_of_their_own(dark_model: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    data = (write_walls(tmp_path / "one", 1) / "wall000.png").read_bytes()
    assert wall(0).shape == (64, 96, 3)
    names = [bytes([value]) + b".png" for value in range(1, 256) if value not in b"/."]
    names += [b"-o.png", b"--help.png", b"new\nline.png", b"Case.png", b"case.png", b"CASE.PNG", b"n" * 251 + b".png"]
    names += [b"\xf0\x9f\xa7\xb1.png", b"same.png", b"same.bmp", b"$(id).png", b"%41.png", b"sp ace .png"]
    folder.mkdir()
    for name in names:
        try:
            (folder / os.fsdecode(name)).write_bytes(data)
        except OSError:
            pytest.skip("this file system has no such names")
    process = run_module(
        "inspect", folder, "-o", output, "--model", dark_model, "--workers", "1", "--quiet", timeout_s=900
    )
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    records = rows(output)
    assert {row["path"] for row in records.values()} == set(names)
    assert {row["verdict"] for row in records.values()} == {"WARN"}
    overlays = {row["overlay_path"] for row in records.values()}
    assert len(overlays) == len(names)
    assert all((output / os.fsdecode(path)).is_file() for path in overlays)
