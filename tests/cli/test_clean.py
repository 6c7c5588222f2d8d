"""``crackseg clean``: what it writes, what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crackseg.cli import main
from crackseg.imaging.codec import mask_pixels, read_mask, read_mask_levels, write_png
from tests.runs import only_error


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Folder of two masks: a bar with a hole, and specks."""
    folder = tmp_path / "masks"
    folder.mkdir()
    mask = np.zeros((60, 80), np.bool_)
    mask[20:32, 20:60] = True
    mask[25:27, 40:42] = False
    mask[5, 5], mask[50:53, 50:53] = True, True
    write_png(folder / "a.png", mask_pixels(mask))
    write_png(folder / "b.png", mask_pixels(mask[::-1]))
    return folder


def expected(*, hole: bool) -> NDArray[np.bool_]:
    bar = np.zeros((60, 80), np.bool_)
    bar[20:32, 20:60] = True
    if hole:
        bar[25:27, 40:42] = False
    return bar


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_is_cleaned_into_another_and_left_alone(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = bytes_of(masks)
    assert main(["clean", str(masks), "-o", str(tmp_path / "out")]) == 0
    assert bytes_of(masks) == before
    assert sorted(bytes_of(tmp_path / "out")) == ["a.png", "b.png"]
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "a.png"), expected(hole=True))
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "b.png"), expected(hole=True)[::-1])
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == f"a.png: 476 of 486 crack pixels (97.9 %) -> {tmp_path / 'out' / 'a.png'}"
    assert shown.err == ""


def test_one_mask_may_be_cleaned_into_a_named_file(masks: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "clean.png"
    assert main(["clean", str(masks / "a.png"), "-o", str(target), "--fill-holes", "--min-area", "50"]) == 0
    np.testing.assert_array_equal(read_mask(target), expected(hole=False))


@pytest.mark.parametrize(
    ("options", "kept_px"),
    [
        pytest.param(["--open", "0", "--min-area", "0"], 486, id="nothing at all"),
        pytest.param(["--open", "0", "--min-area", "9"], 485, id="only area"),
        pytest.param(["--open", "3", "--min-area", "0"], 485, id="only opening"),
        pytest.param(["--preset", "classic"], 476, id="classic"),
        pytest.param(["--preset", "classic", "--min-area", "5"], 485, id="a preset with one value set"),
        pytest.param(["--tophat", "5", "--open", "0", "--min-area", "0"], 10, id="top hat"),
        pytest.param(["--blackhat", "5", "--open", "0", "--min-area", "0"], 4, id="black hat"),
        pytest.param(["--close", "3"], 490, id="closing"),
        pytest.param(["--fill-holes", "--max-hole", "3"], 486, id="holes that are too large"),
        pytest.param(["--open", "0", "--min-area", "0", "--max-distance", "10"], 476, id="near the longest"),
        pytest.param(["--open", "0", "--min-area", "0", "--erode", "3"], 365, id="erosion"),
    ],
)
def test_every_option_does_its_step(masks: Path, tmp_path: Path, options: list[str], kept_px: int) -> None:
    assert main(["clean", str(masks / "a.png"), "-o", str(tmp_path / "out"), *options]) == 0
    assert int(read_mask(tmp_path / "out" / "a.png").sum()) == kept_px


def test_texture_is_given_back_where_it_is_asked_for(tmp_path: Path) -> None:
    levels = np.zeros((40, 40), np.uint8)
    levels[10:20, 5:35] = np.random.default_rng(0).integers(128, 255, (10, 30))
    levels[30, 30] = 200
    write_png(tmp_path / "grey.png", levels)
    assert main(["clean", str(tmp_path / "grey.png"), "-o", str(tmp_path / "out"), "--restore-texture"]) == 0
    levels[30, 30] = 0
    np.testing.assert_array_equal(read_mask_levels(tmp_path / "out" / "grey.png"), levels)


def test_a_filter_that_leaves_nothing_says_so(masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", str(masks / "a.png"), "-o", str(tmp_path / "out"), "--min-area", "999"]) == 0
    shown = capsys.readouterr()
    assert shown.err.startswith(f"crackseg: warning: {masks / 'a.png'}: nothing is left: min_area_px 999 removes ")
    assert len(shown.err.splitlines()) == 1
    assert main(["clean", str(masks), "-o", str(tmp_path / "out"), "--min-area", "999", "--json"]) == 0
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert [entry["after_px"] for entry in answer["masks"]] == [0, 0]
    assert all(entry["emptied"].startswith("min_area_px 999 removes") for entry in answer["masks"])
    assert len(shown.err.splitlines()) == 2


def test_one_bad_file_does_not_stop_the_others(masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (masks / "aa.png").write_bytes(b"no image")
    assert main(["clean", str(masks), "-o", str(tmp_path / "out"), "--json"]) == 1
    shown = capsys.readouterr()
    assert "aa.png: " in only_error(shown.err)
    answer = json.loads(shown.out)
    assert answer["failed"] == 1
    assert ["error" in entry for entry in answer["masks"]] == [False, True, False]
    assert sorted(bytes_of(tmp_path / "out")) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("arguments", "mentions"),
    [
        pytest.param(["{masks}", "-o", "{masks}"], "would overwrite the masks it reads", id="the same folder"),
        pytest.param(
            ["{masks}/a.png", "-o", "{masks}"], "would overwrite the masks it reads", id="the folder of the file"
        ),
        pytest.param(
            ["{masks}/a.png", "-o", "{masks}/a.png"], "would overwrite the masks it reads", id="the same file"
        ),
        pytest.param(
            ["{masks}", "-o", "{masks}/../masks/."], "would overwrite the masks it reads", id="by another way"
        ),
        pytest.param(["{masks}", "{other}", "-o", "{out}"], "would write the same file as", id="two of one stem"),
        pytest.param(["{masks}/gone.png", "-o", "{out}"], "no such file", id="no such file"),
        pytest.param(["{out}", "-o", "{out}2"], "holds no mask", id="an empty folder"),
        pytest.param(["{masks}", "-o", "{out}", "--open", "4"], "open_px: expected an odd size", id="an even size"),
        pytest.param(["{masks}", "-o", "{out}", "--min-area", "-2"], "min_area_px: expected", id="negative area"),
        pytest.param(["{masks}", "-o", "{out}", "--preset", "modern"], "modern", id="unknown preset"),
        pytest.param(["{masks}", "-o"], "--output", id="no output"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], mentions: str
) -> None:
    (tmp_path / "out").mkdir()
    other = tmp_path / "a.bmp"
    other.write_bytes((masks / "a.png").read_bytes())
    before = bytes_of(masks)
    assert main(["clean", *[part.format(masks=masks, out=tmp_path / "out", other=other) for part in arguments]]) == 2
    assert mentions in only_error(capsys.readouterr().err)
    assert bytes_of(masks) == before
    assert bytes_of(tmp_path / "out") == {}


def test_filling_holes_keeps_thin_cracks(tmp_path: Path) -> None:
    mask = np.zeros((60, 80), np.bool_)
    mask[5, 5:70], mask[12:14, 5:70], mask[20:40, 20:50] = True, True, True
    hole = mask.copy()
    hole[28:31, 30:33] = False
    write_png(tmp_path / "hole.png", mask_pixels(hole))
    assert main(["clean", str(tmp_path / "hole.png"), "-o", str(tmp_path / "out"), "--fill-holes"]) == 0
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "hole.png"), mask)


@pytest.mark.parametrize("command", ["clean", "measure"])
def test_a_photo_is_no_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    (tmp_path / "masks").mkdir()
    grey = np.random.default_rng(0).normal(150, 8, (50, 60, 1)).clip(0, 255).astype(np.uint8)
    write_png(tmp_path / "masks" / "wall.png", np.repeat(grey, 3, axis=2))
    write_png(tmp_path / "masks" / "mask.png", mask_pixels(expected(hole=False)))
    assert main([command, str(tmp_path / "masks"), "-o", str(tmp_path / "out")]) == 1
    assert "wall.png: expected a mask, got an image: " in only_error(capsys.readouterr().err)
    if command == "clean":
        assert main(["clean", str(tmp_path / "masks"), "-o", str(tmp_path / "out"), "--blackhat", "5"]) == 0
