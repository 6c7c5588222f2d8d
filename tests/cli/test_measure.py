"""crackseg measure: what it writes, what it prints, and how it fails."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import crackseg
from crackseg.cli import main
from crackseg.imaging.codec import mask_pixels, write_png
from tests.runs import only_error


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Folder of two masks: a bar of 5x80 px, and nothing."""
    folder = tmp_path / "masks"
    folder.mkdir()
    mask = np.zeros((60, 100), np.bool_)
    mask[20:25, 10:90] = True
    write_png(folder / "bar.png", mask_pixels(mask))
    write_png(folder / "clean.png", mask_pixels(np.zeros((60, 100), np.bool_)))
    return folder


def test_masks_are_measured_into_json_and_one_table(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["measure", str(masks), "-o", str(out), "--scale", "0.5"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "bar.png: 1 crack, 6.67 % of the image, longest 40.0 mm, widest 2.5 mm",
        "clean.png: no crack",
    ]
    assert {path.name for path in out.iterdir()} == {"bar.json", "clean.json", "measurements.csv"}
    answer = json.loads((out / "bar.json").read_text())
    assert (answer["scale_mm_per_px"], answer["scale_source"]) == (0.5, "--scale")
    (crack,) = answer["cracks"]
    assert (crack["area_px"], crack["pattern"], crack["width_source"]) == (400, "single", "mask")
    assert crack["length_mm"] == pytest.approx(40, abs=0.1)
    with (out / "measurements.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["image"], row["crack"]) for row in table] == [("bar.png", "1"), ("clean.png", "0")]
    assert float(table[0]["width_max_mm"]) == crack["width_max_mm"]
    assert (table[0]["scale_source"], table[1]["length_px"]) == ("'--scale", "")


def test_without_an_output_the_folder_measurements_is_written(masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(masks.rglob("*"))
    assert main(["measure", str(masks), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert [image["crack_area_px"] for image in values["images"]] == [400, 0]
    assert {path.name for path in Path("measurements").iterdir()} == {"bar.json", "clean.json", "measurements.csv"}
    assert sorted(masks.rglob("*")) == before


def test_a_python_call_with_output_none_writes_nothing(masks: Path) -> None:
    before = sorted(masks.parent.rglob("*"))
    result = crackseg.measure(masks, output=None)
    assert [mask.to_dict()["crack_area_px"] for mask in result.results] == [400, 0]
    assert sorted(masks.parent.rglob("*")) == before


def test_a_scale_file_names_itself_as_the_source(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.yaml").write_text("length_mm: 100\nlength_px: 400\nuncertainty_percent: 10\n")
    assert main(["measure", str(masks / "bar.png"), "--json", "--scale-file", str(tmp_path / "site.yaml")]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["images"]
    assert answer["scale_source"] == "site.yaml: 100 mm over 400 px"
    assert answer["scale_uncertainty"] == pytest.approx(0.1)
    assert answer["cracks"][0]["width_max_uncertainty_mm"] > 0.1 * answer["cracks"][0]["width_max_mm"]


def test_narrow_cracks_are_measured_in_the_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The mask shows the crack two pixels wider than the image does."""
    for name in ("masks", "photos"):
        (tmp_path / name).mkdir()
    mask = np.zeros((60, 120), np.bool_)
    mask[27:33, :] = True
    write_png(tmp_path / "masks" / "a_mask.png", mask_pixels(mask))
    photo = np.full((60, 120, 3), 170, np.uint8)
    photo[28:32] = 40
    write_png(tmp_path / "photos" / "a.png", photo)
    command = ["measure", str(tmp_path / "masks"), "--json"]
    assert main(command) == 0
    (alone,) = json.loads(capsys.readouterr().out)["images"][0]["cracks"]
    assert main([*command, "--images", str(tmp_path / "photos")]) == 0
    (grey,) = json.loads(capsys.readouterr().out)["images"][0]["cracks"]
    assert (alone["width_source"], grey["width_source"]) == ("mask", "grey")
    assert alone["width_mean_px"] == pytest.approx(6, abs=0.1)
    assert grey["width_mean_px"] == pytest.approx(4, abs=0.4)


def test_a_mask_that_cannot_be_read_is_reported_and_the_rest_are_measured(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (masks / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["measure", str(masks), "-o", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert "broken.png" in only_error(shown.err)
    assert len(shown.out.splitlines()) == 2


@pytest.mark.parametrize(
    ("more", "mentions"),
    [
        pytest.param(["--scale", "0"], "got 0", id="scale of zero"),
        pytest.param(["--scale", "1", "--marker", "50"], "expected one of", id="two scales"),
        pytest.param(["--marker", "50"], "--images", id="marker without images"),
        pytest.param(["--marker", "-1", "--images", "."], "more than 0 mm", id="marker of no size"),
        pytest.param(["--scale-file", "missing.yaml"], "missing.yaml", id="no such scale file"),
        pytest.param(["missing.png"], "missing.png", id="no such mask"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    masks: Path, capsys: pytest.CaptureFixture[str], more: list[str], mentions: str
) -> None:
    assert main(["measure", str(masks), *more]) == 2
    assert mentions in only_error(capsys.readouterr().err)
