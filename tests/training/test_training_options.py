"""Options of a training: patience, folds, preview, rate search and TensorBoard."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crackseg.cli import main
from crackseg.datasets.samples import find_samples
from crackseg.datasets.separation import cluster_samples
from crackseg.errors import ConfigError, DatasetError, TrainingError, UsageError
from crackseg.networks.checkpoint import read_card
from crackseg.training.cross_validation import split_folds
from crackseg.training.label_width import label_widths, measure_labels
from crackseg.training.loop import TrainingProgress
from crackseg.training.rate_finder import RateTrial
from crackseg.training.run import train
from crackseg.training.tensorboard import tensorboard_progress
from tests.runs import TINY, files_in, only_error, rows, settings, tiny_config, training_data, write_lines

pytestmark = pytest.mark.train

ONE_STEP = ("schedule.epochs=1", "schedule.steps_per_epoch=1")


def test_a_training_without_a_better_f1_ends_early_with_a_note(data: Path, tmp_path: Path) -> None:
    still = ("optimiser.learning_rate=1e-12", "optimiser.ema_decay=0", "schedule.epochs=50", "schedule.patience=2")
    notes: list[TrainingProgress] = []
    config = tiny_config(*still, "schedule.steps_per_epoch=1")
    result = train(config, training_data(data), tmp_path / "run", device="cpu", progress=notes.append)
    assert result.finished
    assert len(result.history) == 3
    labels, end = (progress.note for progress in notes if progress.note)
    assert labels == measure_labels(training_data(data).train).describe()
    assert end == "no better validation F1 for 2 epochs; the training ends early"
    assert (tmp_path / "run" / "card.json").exists()


def test_vanished_data_ends_the_training_in_one_line_and_it_can_be_resumed(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "walls", 4)
    config = tiny_config("schedule.epochs=1", "data.cache_mb=0", "workers=1")
    samples = training_data(data)

    def report(progress: TrainingProgress) -> None:
        if progress.step == 1 and data.exists():
            data.rename(tmp_path / "gone")

    with pytest.raises(TrainingError) as caught:
        train(config, samples, tmp_path / "run", device="cpu", progress=report)
    message = str(caught.value)
    assert "\n" not in message
    assert "wall" in message
    assert "--resume" in message
    shutil.move(tmp_path / "gone", data)
    assert train(config, samples, tmp_path / "run", device="cpu", resume=True).finished
    assert rows(tmp_path / "run")[-1]["step"] == 4


def test_five_channels_are_an_error_before_the_network_is_built(data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"network.channels: expected 1 or 3, since image files have three channels; got 5"
    ):
        train(tiny_config("network.channels=5"), training_data(data), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_masks_of_one_class_are_an_error_for_several_classes(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"got a mask of 0 and 255.*network.classes=1"):
        train(tiny_config("network.classes=3"), training_data(data), tmp_path / "run", device="cpu")


def test_numbered_masks_of_one_class_are_an_error_for_several_classes(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "walls", 4)
    for path in (data / "masks").iterdir():
        with Image.open(path) as mask:
            Image.fromarray((np.asarray(mask) // 255).astype(np.uint8)).save(path)
    with pytest.raises(DatasetError, match="all masks hold only crack and background"):
        train(tiny_config("network.classes=3"), training_data(data), tmp_path / "run", device="cpu")
    for path in (data / "masks").iterdir():
        with Image.open(path) as mask:
            Image.fromarray(np.asarray(mask) * np.uint8(7)).save(path)
    with pytest.raises(DatasetError, match=r"wall0\d\.png: expected class numbers 0 to 2, got 7"):
        train(tiny_config("network.classes=3"), training_data(data), tmp_path / "run", device="cpu")


def test_several_classes_and_grey_images_are_trained(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "walls", 4)
    for number, path in enumerate(sorted((data / "masks").iterdir())):
        with Image.open(path) as mask:
            Image.fromarray((np.asarray(mask) // 255 * (1 + number % 2)).astype(np.uint8)).save(path)
    config = tiny_config(*ONE_STEP, "network.classes=3", "network.channels=1", "loss.border={w0: 10}")
    result = train(config, training_data(data), tmp_path / "run", device="cpu")
    assert np.isfinite(result.history[0]["loss"])
    assert read_card(tmp_path / "run" / "model.onnx").network["classes"] == 3


def test_every_sample_is_held_out_once(tmp_path: Path) -> None:
    one, two = write_lines(tmp_path / "one", 5), write_lines(tmp_path / "two", 8)
    samples = (*find_samples(one, "train"), *find_samples(two, "train"))
    folds = split_folds(samples, 3)
    held = [sample for fold in folds for sample in fold.validation]
    assert sorted(held, key=str) == sorted(samples, key=str)
    for fold in folds:
        assert set(fold.train) | set(fold.validation) == set(samples)
        assert not set(fold.train) & set(fold.validation)
        assert {sample.group for sample in fold.validation} == {"one", "two"}
    with pytest.raises(UsageError, match="expected 2 to 13 folds"):
        split_folds(samples, 14)
    with pytest.raises(UsageError, match="expected 2 to 13 folds"):
        split_folds(samples, 1)


def test_folds_are_trained_one_after_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, run = write_lines(tmp_path / "walls", 4), tmp_path / "run"
    arguments = ["train", "--data", str(data), "-o", str(run), *settings([*TINY, *ONE_STEP]), "--folds", "2", "-q"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    summary = json.loads((run / "folds.json").read_text())
    scores = [scores["f1"] for scores in summary["folds"]]
    assert len(scores) == 2
    assert summary["mean"]["f1"] == pytest.approx(sum(scores) / 2, abs=1e-4)
    assert summary["deviation"]["f1"] == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5, abs=1e-4)
    assert "over 2 folds" in text
    assert files_in(run) == {"fold1", "fold2", "folds.json"}


def test_preview_only_draws_a_figure(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for overrides in ((), ("loss.border={w0: 10}",)):
        folder = tmp_path / f"run{len(overrides)}"
        options = settings([*TINY, *overrides])
        assert main(["train", "--data", str(data), "-o", str(folder), *options, "--preview"]) == 0
        assert str(folder / "preview.png") in capsys.readouterr().out
        assert files_in(folder) == {"preview.png"}
        with Image.open(folder / "preview.png") as sheet:
            assert sheet.width > 1000
            colours = {tuple(pixel) for pixel in np.asarray(sheet).reshape(-1, 3)}
        assert (255, 32, 96) in colours


def test_find_rate_suggests_a_learning_rate(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import functools

    from crackseg.training import rate_finder

    monkeypatch.setattr(rate_finder, "find_rate", functools.partial(rate_finder.find_rate, steps=12))
    arguments = ["train", "--data", str(data), "-o", str(tmp_path / "run"), *settings(TINY), "--find-rate", "--json"]
    assert main([*arguments, "--device", "cpu"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert rate_finder.LOWEST / 10 <= result["learning_rate"] <= rate_finder.HIGHEST / 10
    assert files_in(tmp_path / "run") == {"learning_rate.csv", "learning_rate.png"}
    table = (tmp_path / "run" / "learning_rate.csv").read_text().splitlines()
    rates = [float(line.split(",")[0]) for line in table[1:]]
    assert rates == sorted(rates)
    assert 3 <= len(rates) <= 12


def test_the_suggested_rate_is_a_tenth_of_the_rate_with_the_lowest_loss() -> None:
    trial = RateTrial(rates=(1e-4, 1e-3, 1e-2, 1e-1), losses=(1.0, 0.8, 0.3, 2.0))
    assert trial.suggestion == pytest.approx(1e-3)


def test_two_modes_at_once_are_an_error(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--data", str(data), "-o", str(tmp_path / "run")]
    for more in (["--preview", "--find-rate"], ["--folds", "2", "--preview"], ["--folds", "2", "--val", str(data)]):
        assert main([*arguments, *more]) == 2
        assert "choose one of" in only_error(capsys.readouterr().err)


def test_tensorboard_can_read_the_curves(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    row = {
        "loss": 0.5,
        "learning_rate": 1e-3,
        "f1": 0.6,
        "precision": 0.5,
        "recall": 0.75,
        "iou": 0.4,
        "threshold": 0.3,
    }
    with tensorboard_progress(tmp_path) as write:
        for step in (1, 2):
            write(TrainingProgress(step / 2, 1.0, step=step, loss=1 / step))
        write(TrainingProgress(1.0, 1.0, step=2, loss=0.5, row=row))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.value for event in events.Scalars("loss/step")] == [1.0, 0.5]
    assert [event.step for event in events.Scalars("validation/f1")] == [2]
    assert events.Scalars("validation/recall")[0].value == pytest.approx(0.75)


@pytest.mark.parametrize("width", [1, 2, 3, 6, 9])
def test_the_measured_width_of_a_stripe_is_its_width(width: int) -> None:
    for mask in (np.zeros((60, 200), np.bool_), np.zeros((200, 60), np.bool_)):
        mask[:, 20 : 20 + width] = True
        assert float(np.median(label_widths(mask))) == pytest.approx(width, abs=0.01)


def test_the_width_of_labels_limits_the_score(data: Path) -> None:
    result = measure_labels(find_samples(data, "train"))
    assert 2.5 <= result.median_px <= 5.5
    assert result.masks == 12
    assert f"a centreline is inside up to {result.median_px / 2:.1f} px off" in result.describe()
    assert f"an F1 of at most {1 - 1 / result.median_px:.2f}" in result.describe()


def test_blank_masks_have_no_width() -> None:
    assert label_widths(np.zeros((9, 9), np.bool_)).size == 0
    assert measure_labels(()).describe() == "labels: no crack in the masks that were measured"


def test_a_run_without_a_newer_option_can_be_resumed(data: Path, tmp_path: Path) -> None:
    import yaml

    from crackseg.training.resume import ResumeState

    config = tiny_config("schedule.epochs=1", "schedule.steps_per_epoch=1")
    assert train(config, training_data(data), tmp_path / "run", device="cpu").finished
    path = tmp_path / "run" / "resume.safetensors"
    state = ResumeState.load(path)
    old = yaml.safe_load(state.values["config"])
    del old["optimiser"]["accumulate"], old["augment"]["grid"], old["loss"]["cldice"]
    ResumeState(state.tensors, {**state.values, "config": yaml.safe_dump(old)}).save(path)
    longer = tiny_config("schedule.epochs=2", "schedule.steps_per_epoch=1")
    result = train(longer, training_data(data), tmp_path / "run", device="cpu", resume=True)
    assert len(result.history) == 2
    assert torch.isfinite(torch.tensor(result.history[1]["loss"]))


def test_a_fold_holds_whole_photos(tmp_path: Path) -> None:
    samples = find_samples(write_lines(tmp_path / "walls", 13), "train")
    clusters = cluster_samples(samples, pattern=r"wall.?(\d)$")
    folds = split_folds(samples, 3, clusters)
    assert sorted(len(fold.validation) for fold in folds) in ([4, 4, 5], [3, 5, 5])
    for fold in folds:
        held = {clusters.of[sample] for sample in fold.validation}
        assert not held & {clusters.of[sample] for sample in fold.train}
    single = cluster_samples(samples)
    assert split_folds(samples, 3, single) == split_folds(samples, 3)
