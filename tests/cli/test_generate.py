"""crackseg generate: files of the contract, the same for any number of workers, and its failures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from lxml import etree
from PIL import Image

from crackseg.cli import main
from tests.runs import REPOSITORY, hear_ctrl_c, only_error

SMALL = ("--size", "96", "--seed", "5", "--quiet")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six samples, generated in this process."""
    output = tmp_path_factory.mktemp("data") / "samples"
    assert main(["generate", str(output), "--count", "6", *SMALL, "--workers", "1"]) == 0
    return output


def test_the_files_of_the_contract_are_there(samples: Path) -> None:
    names = [f"{index:06d}" for index in range(6)]
    expected = {f"images/{name}.png" for name in names} | {f"masks/{name}.png" for name in names}
    expected |= {f"annotations/{name}.xml" for name in names} | {"manifest.jsonl", "recipe.yaml", "preview.png"}
    assert contents(samples).keys() == expected


def test_manifest_boxes_and_masks_agree(samples: Path) -> None:
    records = [json.loads(line) for line in (samples / "manifest.jsonl").read_text().splitlines()]
    assert [record["index"] for record in records] == list(range(6))
    assert sum(len(record["cracks"]) for record in records) > 0
    for record in records:
        with Image.open(samples / record["mask"]) as mask_file, Image.open(samples / record["image"]) as image:
            mask = np.asarray(mask_file)
            assert image.size == mask_file.size == (96, 96)
        assert set(np.unique(mask)) <= {0, 255}
        covered = np.zeros((96, 96), np.bool_)
        for crack in record["cracks"]:
            row0, col0, row1, col1 = crack["box"]
            covered[row0:row1, col0:col1] = True
            assert mask[row0:row1, col0:col1].any()
        assert not mask[~covered].any()
        tree = etree.parse(samples / "annotations" / f"{record['index']:06d}.xml")
        boxes = [
            [int(box.findtext(key) or 0) for key in ("ymin", "xmin", "ymax", "xmax")] for box in tree.iter("bndbox")
        ]
        # Pascal VOC counts from 1 and includes the last pixel.
        assert boxes == [
            [row0 + 1, col0 + 1, row1, col1] for row0, col0, row1, col1 in (c["box"] for c in record["cracks"])
        ]


def test_the_number_of_workers_changes_nothing(samples: Path, tmp_path: Path) -> None:
    output = tmp_path / "samples"
    assert main(["generate", str(output), "--count", "6", *SMALL, "--workers", "2"]) == 0
    assert contents(output) == contents(samples)


def test_fewer_samples_are_the_first_of_more(samples: Path, tmp_path: Path) -> None:
    assert main(["generate", str(tmp_path / "two"), "--count", "2", *SMALL, "--workers", "1"]) == 0
    for name, content in contents(tmp_path / "two").items():
        if name.startswith(("images", "masks", "annotations")):
            assert content == (samples / name).read_bytes()


def test_resume_adds_what_is_missing_and_nothing_else(samples: Path, tmp_path: Path) -> None:
    output = tmp_path / "samples"
    assert main(["generate", str(output), "--count", "3", *SMALL, "--workers", "1"]) == 0
    before = (output / "images" / "000001.png").stat().st_mtime_ns
    assert main(["generate", str(output), "--count", "6", *SMALL, "--workers", "1", "--resume"]) == 0
    assert (output / "images" / "000001.png").stat().st_mtime_ns == before
    assert contents(output) == contents(samples)


def test_all_formats_are_written_where_the_contract_says(tmp_path: Path) -> None:
    output = tmp_path / "all"
    arguments = ["generate", str(output), "--count", "1", "--size", "64", "--workers", "1", "--quiet"]
    assert main([*arguments, "--formats", "voc, coco,yolo,rle", "--polygons"]) == 0
    expected = {"annotations/000000.xml", "annotations/instances.json", "labels/000000.txt", "data.yaml", "rle.csv"}
    assert expected < contents(output).keys()


def test_binary_mode_makes_black_and_white(tmp_path: Path) -> None:
    output = tmp_path / "binary"
    assert main(["generate", str(output), "--count", "2", "--mode", "binary", *SMALL, "--workers", "1"]) == 0
    for path in (output / "images").iterdir():
        with Image.open(path) as image:
            assert set(np.unique(np.asarray(image))) <= {0, 255}


def test_json_is_the_only_thing_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "one"
    assert main(["generate", str(output), "--count", "1", "--size", "64", "--workers", "1", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"output": str(output), "count": 1, "seed": 0, "skipped": []}
    assert shown.err == ""


def test_the_recipe_in_the_folder_generates_the_same_samples(samples: Path, tmp_path: Path) -> None:
    output = tmp_path / "again"
    recipe = str(samples / "recipe.yaml")
    assert main(["generate", str(output), "--count", "6", "--seed", "5", "--config", recipe, "--workers", "1"]) == 0
    assert contents(output) == contents(samples)


@pytest.mark.parametrize(
    ("arguments", "code", "mentions"),
    [
        pytest.param(["out", "--count", "0"], 2, "--count: expected 1 or more, got 0", id="nothing to do"),
        pytest.param(["out", "--size", "8"], 2, "size: ", id="size below the smallest"),
        pytest.param(["out", "--formats", "voc,tiff"], 2, "voc, coco, yolo, rle, got 'tiff'", id="unknown format"),
        pytest.param(["out", "--formats", ""], 2, "--formats: expected some of", id="no format"),
        pytest.param(
            ["out", "--size", "64", "--set", "cracks.width_px=[20,30]", "--set", "cracks.hairline_width_px=[9,9]"],
            2,
            "expected a size of 72 or more",
            id="size below any crack",
        ),
        pytest.param(["out", "--set", "crack.count=3"], 2, "did you mean 'cracks'?", id="unknown section"),
        pytest.param(["out", "--set", "nonsense"], 2, "expected KEY=VALUE", id="no value"),
        pytest.param(["out", "--config", "missing.yaml"], 2, "missing.yaml: cannot be read", id="no such recipe"),
        pytest.param(["out", "--config", "typo.yaml"], 2, "typo.yaml:3: ", id="unknown key in a recipe"),
        pytest.param(["out", "--config", "broken.yaml"], 2, "broken.yaml:2: not valid YAML", id="no YAML"),
        pytest.param(["out", "--backgrounds", "missing"], 2, "missing", id="no such backgrounds"),
        pytest.param(
            ["out", "--backgrounds", "empty"], 2, "empty: the folder holds no usable image", id="no background"
        ),
        pytest.param(["out", "--noise", "empty"], 2, "empty/small", id="no noise"),
        pytest.param(["file"], 3, "file", id="output is a file"),
        pytest.param(["file/out"], 3, "a file is in the way", id="output is below a file"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_its_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    mentions: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("file").write_text("in the way")
    Path("typo.yaml").write_text("size: 96\nsurface:\n  brightnes: [0.1, 0.2]\n")
    Path("broken.yaml").write_text("size: 96\n  cracks: 3\n")
    assert main(["generate", *arguments, "--workers", "1", "--quiet"]) == code
    shown = capsys.readouterr()
    assert mentions in only_error(shown.err)
    assert shown.out == ""
    assert not Path("out").exists()
    assert Path("file").read_text() == "in the way"


@pytest.mark.parametrize(
    ("arguments", "mentions"),
    [
        pytest.param([], "--resume", id="without resume"),
        pytest.param(["--resume", "--seed", "6"], "another seed", id="another seed"),
        pytest.param(["--resume", "--set", "noise.probability=1"], "another recipe", id="another recipe"),
    ],
)
def test_a_folder_with_samples_is_left_as_it_is(
    samples: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], mentions: str
) -> None:
    before = contents(samples)
    assert main(["generate", str(samples), "--count", "6", *SMALL, "--workers", "1", *arguments]) == 2
    assert mentions in only_error(capsys.readouterr().err)
    assert contents(samples) == before


def test_an_image_that_cannot_be_read_is_skipped_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "walls").mkdir()
    Image.new("RGB", (120, 120), (150, 140, 130)).save(tmp_path / "walls" / "good.png")
    (tmp_path / "walls" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    arguments = ["generate", str(tmp_path / "out"), "--count", "1", *SMALL, "--workers", "1"]
    assert main([*arguments, "--backgrounds", str(tmp_path / "walls"), "--json"]) == 0
    (skipped,) = json.loads(capsys.readouterr().out)["skipped"]
    assert "bad.png" in skipped


def test_ctrl_c_exits_130_and_resume_ends_like_an_unbroken_call(tmp_path: Path) -> None:
    output = tmp_path / "broken"
    arguments = ["generate", "--count", "60", "--size", "160", "--workers", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "crackseg", *arguments, output, "--quiet"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509
    ) as process:
        end = time.monotonic() + 120
        while not (output / "images" / "000003.png").exists() and time.monotonic() < end:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
        stdout, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted" in only_error(error)
    assert stdout == ""
    assert not (output / "manifest.jsonl").exists()
    assert not [name for name in contents(output) if ".partial-" in name]
    assert main([*arguments, str(output), "--resume", "--quiet"]) == 0
    assert main([*arguments, str(tmp_path / "unbroken"), "--quiet"]) == 0
    assert contents(output) == contents(tmp_path / "unbroken")
