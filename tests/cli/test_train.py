"""crackseg train: what it says and how it fails; what it does is tested with the trainings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from crackseg.cli import console, main
from crackseg.cli.train import show_training
from crackseg.config import dump_config
from crackseg.training.loop import TrainingProgress
from tests.runs import TINY, only_error, settings, tiny_config, write_lines

pytestmark = pytest.mark.train

SHORT = settings([*TINY, "schedule.epochs=1", "schedule.steps_per_epoch=1"])


def test_a_training_prints_its_score_and_where_it_is(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", "--data", str(data), "--output", str(run), *SHORT, "--quiet"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    card = json.loads((run / "card.json").read_text())
    score = card["scores"]["validation"]["all"]["f1"]
    assert f"validation F1 {score:.3f} at threshold {card['threshold']:g}" in shown.out
    assert str(run) in shown.out


def test_a_configuration_file_is_obeyed_and_json_is_the_only_thing_on_stdout(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = tmp_path / "run", tmp_path / "config.yaml"
    file.write_text(dump_config(tiny_config("seed=3", "schedule.epochs=1", "schedule.steps_per_epoch=1")))
    assert main(["train", "--data", str(data), "-o", str(run), "--config", str(file), "--json"]) == 0
    shown = capsys.readouterr()
    card = json.loads((run / "card.json").read_text())
    score = card["scores"]["validation"]["all"]["f1"]
    assert json.loads(shown.out) == {"output": str(run), "f1": score, "threshold": card["threshold"]}
    assert shown.err == ""
    assert card["training"]["seed"] == 3
    assert (run / "config.yaml").read_bytes() == file.read_bytes()


def test_val_is_what_is_validated_on_and_several_folders_are_distinguished(tmp_path: Path) -> None:
    one, two = write_lines(tmp_path / "a" / "walls", 2), write_lines(tmp_path / "b" / "walls", 3)
    val = write_lines(tmp_path / "val", 1, first=50)
    run = tmp_path / "run"
    data = ["--data", str(one), "--data", str(two), "--val", str(val)]
    assert main(["train", *data, "--output", str(run), *SHORT, "--quiet"]) == 0
    card = json.loads((run / "card.json").read_text())
    assert sorted(entry["images"] for entry in card["data"]) == [2, 3]
    assert len({entry["name"] for entry in card["data"]}) == 2
    assert set(card["scores"]["validation"]) == {"all", "val"}


def test_progress_shows_loss_best_f1_and_the_time_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_SHOW_AFTER_S", "_PLAIN_EVERY_S"):
        monkeypatch.setattr(console, name, 0.0)
    scores = dict.fromkeys(("epoch", "seconds", "precision", "recall", "threshold"), 1.0)
    show = show_training(console.ProgressDisplay("train", silent=False))
    show(TrainingProgress(0.25, 1.0, step=1, loss=0.5))
    show(TrainingProgress(0.5, 1.0, step=2, loss=0.4, row={**scores, "loss": 0.4, "f1": 0.625}))
    show(TrainingProgress(0.75, 1.0, step=3, loss=0.25, row={**scores, "loss": 0.25, "f1": 0.5}))
    answer = capsys.readouterr().err.splitlines()
    bars = [line for line in answer if line.startswith("train: ")]
    assert re.fullmatch(r"train: 25 %, \d+:\d\d left  step 1  loss 0\.500", bars[0])
    assert re.fullmatch(r"train: 75 %, \d+:\d\d left  step 3  loss 0\.250  best F1 0\.625", bars[-1])
    assert sum("validation F1 0.625" in line for line in answer) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "mentions"),
    [
        pytest.param(["--data", "missing"], 2, "missing: no such data folder", id="missing folder"),
        pytest.param(["--data", "empty"], 2, "empty: no images here", id="empty folder"),
        pytest.param(["--data", "hollow"], 2, "images: no images here", id="no image"),
        pytest.param(["--data", "single"], 2, "one image is not enough", id="one image"),
        pytest.param(["--data", "walls", "--val", "missing"], 2, "missing: no such data folder", id="missing --val"),
        pytest.param(["--data", "unmasked"], 3, "1 of 2 images have no mask", id="an image without a mask"),
        pytest.param(["--data", "uneven"], 3, "the mask is 40x30 pixels, its image 80x64", id="mask of another size"),
        pytest.param(["--data", "torn"], 3, "wall00.png", id="an unreadable image"),
        pytest.param(
            ["--data", "walls", "--config", "typo.yaml"],
            2,
            "typo.yaml:3: data.patch_pix: unknown key; did you mean 'patch_px'?",
            id="unknown key",
        ),
        pytest.param(
            ["--data", "walls", "--config", "wrong.yaml"],
            2,
            "wrong.yaml:2: network.arch: expected 'unet', 'unet-classic', ",
            id="wrong value",
        ),
        pytest.param(["--data", "walls", "--config", "missing.yaml"], 2, "missing.yaml: cannot", id="no such file"),
        pytest.param(
            ["--data", "walls", "--set", "schedule.epoch=3"],
            2,
            "--set schedule.epoch=3: schedule.epoch: unknown key; did you mean 'epochs'?",
            id="unknown --set key",
        ),
        pytest.param(["--data", "walls", "--set", "network.encoder=resnt18"], 2, "'resnet18'?", id="unknown encoder"),
        pytest.param(["--data", "walls", "--minutes", "-1"], 2, "schedule.minutes", id="negative minutes"),
        pytest.param(["--data", "walls", "--device", "cuda:99"], 2, "got 'cuda:99'", id="no such GPU"),
        pytest.param(["--data", "walls", "--device", "gpu"], 2, "got 'gpu'", id="unknown device"),
        pytest.param(["--data", "walls", "--init", "missing.pth"], 2, "missing.pth: no such weights", id="no weights"),
        pytest.param(
            ["--data", "walls", "--init", "typo.yaml"], 3, "typo.yaml: the file holds no weights", id="no weights in it"
        ),
        pytest.param(["--data", "walls", "-o", "typo.yaml"], 3, "typo.yaml", id="output is a file"),
        pytest.param(["--data", "walls", "-o", "typo.yaml/run"], 3, "a file is in the way", id="output below a file"),
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
    for name, count in (("walls", 3), ("single", 1), ("unmasked", 2), ("uneven", 3), ("torn", 3)):
        write_lines(Path(name), count)
    Path("unmasked/masks/wall01.png").unlink()
    Image.new("L", (40, 30)).save("uneven/masks/wall01.png")
    Path("torn/images/wall00.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    Path("empty").mkdir()
    for part in ("images", "masks"):
        Path("hollow", part).mkdir(parents=True)
    Path("typo.yaml").write_text("seed: 1\ndata:\n  patch_pix: 64\n")
    Path("wrong.yaml").write_text("network:\n  arch: vgg\n")
    output = [] if "-o" in arguments else ["-o", "run"]
    assert main(["train", *SHORT, *arguments, *output, "--quiet"]) == code
    shown = capsys.readouterr()
    assert mentions in only_error(shown.err)
    assert shown.out == ""
    assert not Path("run/best.safetensors").exists()


def test_a_gpu_that_is_not_there_is_exit_code_2(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert main(["train", "--data", str(data), "-o", str(tmp_path / "run"), *SHORT, "--device", "cuda"]) == 2
    assert "got 'cuda'" in only_error(capsys.readouterr().err)
    assert not (tmp_path / "run").exists()


def test_images_that_are_trained_on_are_not_validated_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walls = write_lines(tmp_path / "walls", 3)
    arguments = ["train", "--data", str(walls), "--val", str(walls), "--output", str(tmp_path / "run"), *SHORT]
    assert main(arguments) == 3
    assert "images are in the training and the validation data: " in only_error(capsys.readouterr().err)
    assert not (tmp_path / "run").exists()


def test_near_copies_of_validation_images_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walls, val = write_lines(tmp_path / "walls", 4), write_lines(tmp_path / "val", 1, first=50)
    with Image.open(val / "images" / "wall50.png") as image:
        image.save(walls / "images" / "wall03.png", compress_level=0)
    arguments = ["train", "--data", str(walls), "--val", str(val), "--output", str(tmp_path / "run"), *SHORT]
    assert main(arguments) == 0
    assert "1 of 4 training images are left out: near copies" in capsys.readouterr().err
    card = json.loads((tmp_path / "run" / "card.json").read_text())
    assert [entry["images"] for entry in card["data"]] == [3]


def test_tiles_of_one_photo_stay_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walls = write_lines(tmp_path / "walls", 6)
    arguments = ["train", "--data", str(walls), "--output", str(tmp_path / "run"), *SHORT]
    assert main([*arguments, "--group-by", "wall"]) == 3
    assert "none can be held out" in only_error(capsys.readouterr().err)
    assert main([*arguments, "--group-by", "wall", "--folds", "2"]) == 2
    assert "at most 1 folds, the number of photos without their copies" in only_error(capsys.readouterr().err)
