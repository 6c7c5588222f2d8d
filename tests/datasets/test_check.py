"""The report of a check: repr, rows, JSON and progress."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crackseg.datasets.check import check_dataset
from crackseg.datasets.findings import SEVERITIES
from crackseg.datasets.repair import write_corrected
from crackseg.datasets.samples import find_all_samples
from crackseg.errors import UsageError
from crackseg.parallel import Progress
from tests.datasets.scenes import save, wall, write_walls


def spoil(folder: Path) -> Path:
    """A folder with one error and two warnings."""
    write_walls(folder, 4)
    (folder / "masks" / "00.png").unlink()
    for stem in (1, 2):
        save(folder / "masks" / f"{stem:02d}.png", wall(stem)[1].astype(np.uint8))
    return folder


def test_a_report_is_one_line_in_a_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(tmp_path / "walls")
    monkeypatch.chdir(tmp_path)
    assert repr(check_dataset(Path("walls"))) == "DatasetReport('walls', 3 samples, 1 error, 2 warnings)"


def test_the_rows_are_the_findings_worst_first(tmp_path: Path) -> None:
    report = check_dataset(spoil(tmp_path))
    rows = report.rows()
    assert [(row["severity"], row["kind"], row["files"]) for row in rows] == [
        ("error", "no-mask", "images/00.png"),
        ("warning", "zero-one", "masks/01.png"),
        ("warning", "zero-one", "masks/02.png"),
    ]
    assert [row["text"] for row in rows] == [finding["text"] for finding in report.to_dict()["findings"]]
    assert all(isinstance(value, str) for row in rows for value in row.values())


def test_the_json_counts_what_it_lists(tmp_path: Path) -> None:
    content = json.loads(json.dumps(check_dataset(spoil(tmp_path)).to_dict(), allow_nan=False))
    for severity in ("error", "warning", "note"):
        listed = [finding for finding in content["findings"] if finding["severity"] == severity]
        assert content[f"{severity}s"] == len(listed)
    assert sum(entry["masks"] for entry in content["crack_fractions"]) == content["labels"]["masks"] == 3
    assert content["shapes"] == [{"height_px": 96, "width_px": 128, "images": 3}]
    assert {finding["kind"] for finding in content["findings"]} <= set(SEVERITIES)


def test_a_check_and_a_correction_report_each_pair(tmp_path: Path) -> None:
    checked: list[Progress] = []
    written: list[Progress] = []
    report = check_dataset(write_walls(tmp_path / "walls", 3), progress=checked.append)
    write_corrected(report, tmp_path / "out", progress=written.append)
    assert checked == written == [Progress(done, 3) for done in (1, 2, 3)]


def test_folders_of_one_name_are_named_with_their_parents(tmp_path: Path) -> None:
    folders = [write_walls(tmp_path / name, 1) for name in ("a/walls", "b/walls", "floors")]
    assert [sample.group for sample in find_all_samples(folders, "test")] == ["a/walls", "b/walls", "floors"]


def test_a_folder_listed_twice_is_refused(tmp_path: Path) -> None:
    folder = write_walls(tmp_path / "walls", 1)
    with pytest.raises(UsageError, match="walls: data folder listed twice; list each data folder once"):
        find_all_samples([folder, folder / "." / "images" / ".."], "test")
