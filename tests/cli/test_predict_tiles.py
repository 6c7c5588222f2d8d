"""crackseg predict on images cut into tiles or bands, and what is made of its probability."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crackseg.cli import main
from tests.cli.images import names, pixels, write_wall
from tests.runs import line_sample

pytestmark = pytest.mark.train


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_wall(tmp_path / "wall.png")


def test_tiles_change_nothing(run: Path, tmp_path: Path) -> None:
    image = write_wall(tmp_path / "long.png", shape=(64, 500))
    for tile in ("192", "2048"):
        arguments = ["predict", str(image), "-o", str(tmp_path / tile), "--model", str(run), "--probability"]
        assert main([*arguments, "--tile", tile]) == 0
    small, large = (pixels(tmp_path / tile / "long_probability.png").astype(int) for tile in ("192", "2048"))
    assert np.abs(small - large).max() <= 10
    assert np.ptp(large) > 30000


def test_verbose_prints_the_tiles(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = write_wall(tmp_path / "long.png", shape=(64, 500))
    arguments = ["predict", str(image), "-o", str(tmp_path / "out"), "--model", str(run), "--tile", "192"]
    assert main([*arguments, "--verbose"]) == 0
    answer = capsys.readouterr().err
    assert "long.png: 64x500 px in 1x" in answer
    assert re.search(r"peak memory \d+\.\d\d GB", answer)
    assert main([*arguments, "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_a_memory_cuts_the_image_and_changes_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = write_wall(tmp_path / "long.png", shape=(200, 500))
    for memory in ("0.273", "2"):
        arguments = ["predict", str(image), "-o", str(tmp_path / memory), "--model", str(run), "--probability", "-v"]
        assert main([*arguments, "--memory", memory]) == 0
    terms, cut, _, whole = capsys.readouterr().err.splitlines()
    assert terms.startswith("model easy; terms: ")
    assert "1 tile" not in cut
    assert "1 tile" in whole
    small, large = (pixels(tmp_path / memory / "long_probability.png").astype(int) for memory in ("0.273", "2"))
    assert np.abs(small - large).max() <= 10


def test_an_image_too_large_to_be_read_whole_is_predicted_band_by_band(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, small = tmp_path / "deck.tif", write_wall(tmp_path / "wall.png")
    Image.fromarray(line_sample(0, (300, 500))[0]).save(photo, tiffinfo={322: 64, 323: 64})
    whole = ["predict", str(photo), "-o", str(tmp_path / "whole"), "--model", str(run), "--quiet"]
    assert main(whole) == 0
    expected = capsys.readouterr().out.partition("->")[0]
    monkeypatch.setattr("crackseg.prediction.decoding.MAX_PIXELS", 300 * 500 - 1)
    out = tmp_path / "out"
    arguments = ["predict", str(photo), str(small), "-o", str(out), "--model", str(run), "-v", "--memory", "0.282"]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert "1 tile of" not in shown.err.splitlines()[1]
    assert shown.out.partition("->")[0] == expected
    tiled = {"deck_mask.tif", "deck_overlay.png", "deck.json"}
    assert names(out) == tiled | {"wall_mask.png", "wall_overlay.png", "wall.json"}
    np.testing.assert_array_equal(pixels(out / "deck_mask.tif"), pixels(tmp_path / "whole" / "deck_mask.png"))
    assert main([*arguments, "--formats", "coco"]) == 1
    assert "labels" in capsys.readouterr().err
    assert main([*arguments, "--tta", "scales"]) == 0
    scaled = tmp_path / "scaled"
    monkeypatch.undo()
    assert main(["predict", str(photo), "-o", str(scaled), "--model", str(run), "--quiet", "--tta", "scales"]) == 0
    np.testing.assert_array_equal(pixels(out / "deck_mask.tif"), pixels(scaled / "deck_mask.png"))


@pytest.mark.parametrize("tta", ["flips", "rotations", "scales"])
def test_averaging_is_another_answer_about_the_same_crack(run: Path, photo: Path, tmp_path: Path, tta: str) -> None:
    for name in ("none", tta):
        out = tmp_path / name
        assert main(["predict", str(photo), "-o", str(out), "--model", str(run), "--probability", "--tta", name]) == 0
    one, other = (pixels(tmp_path / name / "wall_probability.png").astype(float) / 65535 for name in ("none", tta))
    assert 0 < np.abs(one - other).max() < 0.8
    true = line_sample(0)[1]
    assert other[true].mean() > other[~true].mean() + 0.5


def test_hysteresis_adds_pixels_connected_to_a_crack(run: Path, photo: Path, tmp_path: Path) -> None:
    arguments = ["predict", str(photo), "--model", str(run), "--threshold", "0.9"]
    assert main([*arguments, "-o", str(tmp_path / "plain")]) == 0
    assert main([*arguments, "-o", str(tmp_path / "more"), "--hysteresis", "0.1"]) == 0
    plain, more = (pixels(tmp_path / name / "wall_mask.png") > 0 for name in ("plain", "more"))
    assert (more & plain).sum() == plain.sum() < more.sum()
