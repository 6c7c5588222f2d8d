"""``crackseg check``: what it says, what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crackseg.cli import main
from tests.runs import files_in, only_error, run_module, write_lines


@pytest.fixture
def walls(tmp_path: Path) -> Path:
    """A data folder in order."""
    return write_lines(tmp_path / "walls", 3)


def test_a_folder_in_order_ends_with_0(walls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(walls)]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == f"{walls}: 3 samples (all 3), 80x64"
    assert shown.err == ""


def test_a_folder_with_an_error_ends_with_1(walls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (walls / "masks" / "wall01.png").unlink()
    assert main(["check", str(walls)]) == 1
    assert "  images/wall01.png: has no mask" in capsys.readouterr().out.splitlines()


def test_json_is_one_object_that_says_everything(walls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (walls / "masks" / "wall01.png").write_bytes(b"")
    assert main(["check", str(walls), "--json"]) == 1
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert (answer["samples"], answer["errors"]) == ({"all": 3}, 1)
    assert answer["shapes"] == [{"height_px": 64, "width_px": 80, "images": 2}]
    assert sum(each["masks"] for each in answer["crack_fractions"]) == 2
    assert 3 < answer["labels"]["width_mean_px"] < 6
    assert 0.5 < answer["labels"]["shift_iou"] < answer["labels"]["shift_f1"] < 1
    (finding,) = [item for item in answer["findings"] if item["severity"] == "error"]
    assert finding == {
        "severity": "error",
        "kind": "unreadable-mask",
        "files": ["masks/wall01.png"],
        "text": "the file is empty",
    }
    assert shown.err == ""


def test_a_page_and_a_copy_are_written_where_they_are_wanted(
    walls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (walls / "masks" / "wall01.png").unlink()
    page, copy = tmp_path / "new" / "page.html", tmp_path / "copy"
    assert main(["check", str(walls), "--html", str(page), "--fix", str(copy)]) == 1
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert files_in(copy) == {"images", "masks", "changes.json"}
    assert files_in(copy / "images") == {"wall00.png", "wall02.png"}
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [
        f"page: {page}",
        f"corrected copy: {copy}, 0 files rewritten, 1 left out; changes.json gives the reasons",
    ]
    assert main(["check", str(copy), "--json"]) == 0


def test_json_names_the_page_and_the_copy(walls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, copy = tmp_path / "page.html", tmp_path / "copy"
    assert main(["check", str(walls), "--html", str(page), "--fix", str(copy), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["page"], answer["fixed"], answer["changes"]) == (str(page), str(copy), [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["nowhere"], "nowhere: no such data folder; check the path", id="missing"),
        pytest.param(
            ["."],
            ".: no images here; name a folder with images and masks, or train/images and train/masks",
            id="no data folder",
        ),
        pytest.param(
            ["walls", "--fix", "walls/fixed"],
            "walls/fixed: the copy would overlap the data folder; choose a folder outside it",
            id="copy into the data",
        ),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_one_line(
    walls: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(walls.parent)
    assert main(["check", *arguments]) == 2
    assert only_error(capsys.readouterr().err) == message


def test_a_page_that_cannot_be_written_ends_with_3(walls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(walls), "--html", str(walls)]) == 3
    assert "cannot be written" in only_error(capsys.readouterr().err)


def test_the_command_runs_as_a_module(walls: Path) -> None:
    done = run_module("check", walls, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
