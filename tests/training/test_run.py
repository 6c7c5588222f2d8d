"""Whole trainings: their files, their scores and their errors."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crackseg.cli import main
from crackseg.config import load_config
from crackseg.datasets.samples import Sample, find_samples, hash_samples, hold_out
from crackseg.errors import DatasetError, ModelError, TrainingError, UsageError
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import read_card, read_weights, save_weights
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import build_network
from crackseg.training.config import TrainConfig
from crackseg.training.loop import TrainingProgress
from crackseg.training.run import TrainingData, TrainingResult, train
from tests.runs import (
    EASY,
    FILES,
    command,
    files_in,
    only_error,
    rows,
    tiny_config,
    training_data,
    write_lines,
)

pytestmark = pytest.mark.train


def test_a_run_leaves_every_file_and_nothing_else(run: Path) -> None:
    assert files_in(run) == FILES


def test_the_metrics_are_a_row_per_epoch(run: Path) -> None:
    history = rows(run)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert [row["step"] for row in history] == [16, 32, 48]
    seconds = [row["seconds"] for row in history]
    assert seconds == sorted(seconds)
    assert history[-1]["learning_rate"] == 0
    for row in history:
        assert 0 <= row["precision"] <= 1
        assert 0 <= row["recall"] <= 1
        assert 0.05 <= row["threshold"] <= 0.95
        if row["precision"] + row["recall"]:
            harmonic = 2 * row["precision"] * row["recall"] / (row["precision"] + row["recall"])
            assert row["f1"] == pytest.approx(harmonic, rel=1e-4)
            assert row["iou"] == pytest.approx(row["f1"] / (2 - row["f1"]), rel=1e-4)


def test_an_easy_problem_is_solved(run: Path) -> None:
    history = rows(run)
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    assert history[-1]["f1"] > 0.8


def test_the_card_names_the_data_and_what_prediction_needs(run: Path, data: Path) -> None:
    card = json.loads((run / "card.json").read_text(encoding="utf-8"))
    samples = training_data(data)
    assert card["name"] == run.name
    assert card["data"] == [{"name": data.name, "images": len(samples.train), "sha256": hash_samples(samples.train)}]
    assert card["stride"] == 8
    assert 8 < card["context_px"] < 100
    assert card["context_exact"] is True
    assert 0.05 <= card["threshold"] <= 0.95
    assert card["scores"]["validation"]["all"]["f1"] > 0.8
    assert card["training"]["steps"] == 48
    assert card["training"]["seconds"] > 0
    assert card["training"]["processor"]
    assert card["network"]["encoder"] == "mobilenet_v2"


def test_the_scores_of_the_card_are_those_of_its_own_model(run: Path, data: Path) -> None:
    from crackseg.imaging.codec import read_image, read_mask
    from crackseg.prediction.loading import load_model

    card = ModelCard.from_json((run / "card.json").read_text(), where="card.json")
    model = load_model(run)
    hit = called = crack = 0
    for sample in training_data(data).validation:
        true, mask = read_mask(sample.mask), model.predict(read_image(sample.image)).mask
        hit, called, crack = hit + int((true & mask).sum()), called + int(mask.sum()), crack + int(true.sum())
    scores = card.scores["validation"]["all"]
    assert scores["precision"] == pytest.approx(hit / called, abs=2e-3)
    assert scores["recall"] == pytest.approx(hit / crack, abs=2e-3)


def test_the_configuration_in_the_run_folder_is_that_of_the_run(run: Path) -> None:
    assert load_config(TrainConfig, run / "config.yaml") == load_config(TrainConfig, overrides=EASY)


@pytest.mark.parametrize("name", ["curves.png", "samples.png"])
def test_the_figures_are_valid_images(run: Path, name: str) -> None:
    with Image.open(run / name) as image:
        image.load()
        assert image.width >= 400
        assert len(np.unique(np.asarray(image.convert("L")))) > 8


@pytest.mark.parametrize("rate", [1e9, 1e30])
def test_a_loss_that_is_not_finite_ends_the_training(data: Path, tmp_path: Path, rate: float) -> None:
    config = tiny_config(f"optimiser.learning_rate={rate}", "schedule.epochs=10", "optimiser.warmup=0")
    with pytest.raises((TrainingError, ModelError)) as caught:
        train(config, training_data(data), tmp_path / "nan", device="cpu")
    assert "learning_rate" in str(caught.value)
    for name in files_in(tmp_path / "nan") & {"best.safetensors", "last.safetensors"}:
        assert all(torch.isfinite(tensor).all() for tensor in read_weights(tmp_path / "nan" / name).values())


def test_a_loss_that_is_not_finite_is_exit_code_3_and_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = ("optimiser.learning_rate=1e30", "schedule.epochs=10", "optimiser.warmup=0")
    assert main(command(data, tmp_path / "nan", "--quiet", overrides=wild)) == 3
    assert "learning_rate" in only_error(capsys.readouterr().err)


def short(data: Path, output: Path, *overrides: str) -> TrainingResult:
    """Two steps, at a rate that moves nothing."""
    still = (
        "schedule.epochs=1",
        "schedule.steps_per_epoch=2",
        "optimiser.learning_rate=1e-12",
        "optimiser.ema_decay=0",
    )
    return train(tiny_config(*still, *overrides), training_data(data), output, device="cpu")


def kernels(path: Path) -> dict[str, Any]:
    return {name: tensor for name, tensor in read_weights(path).items() if tensor.ndim == 4}


@pytest.mark.parametrize("name", [".", "model.onnx"])
def test_a_training_starts_from_an_earlier_run(run: Path, data: Path, tmp_path: Path, name: str) -> None:
    short(data, tmp_path / "next", f"init={run / name}")
    before = kernels(run / ("model.onnx" if name == "model.onnx" else "best.safetensors"))
    after = kernels(tmp_path / "next" / "best.safetensors")
    assert len(before) > 10
    for key, tensor in before.items():
        torch.testing.assert_close(after[key], tensor, atol=1e-4, rtol=1e-3)


def test_a_training_starts_from_the_weights_of_an_encoder(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(11)
    encoder = build_network(NetworkConfig(decoder_channels=(16, 8, 8))).network.encoder
    assert isinstance(encoder, torch.nn.Module)
    torch.save(encoder.state_dict(), tmp_path / "encoder.pth")
    result = short(data, tmp_path / "next", f"init={tmp_path / 'encoder.pth'}")
    after = kernels(tmp_path / "next" / "best.safetensors")
    for key, tensor in encoder.state_dict().items():
        if tensor.ndim == 4:
            torch.testing.assert_close(after[f"network.encoder.{key}"], tensor, atol=1e-3, rtol=1e-3)
    assert result.card.training["init"] == "encoder.pth", "a card travels, and takes no path of this machine along"


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        pytest.param(None, "missing.pth", UsageError, id="no such file"),
        pytest.param(b"nonsense", "nonsense.pth", ModelError, id="nonsense"),
        pytest.param(b"nonsense", "nonsense.safetensors", ModelError, id="nonsense by another name"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "photo.png", ModelError, id="an image"),
    ],
)
def test_a_training_does_not_start_from_an_invalid_file(
    data: Path, tmp_path: Path, content: bytes | None, name: str, error: type[Exception]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=name):
        short(data, tmp_path / "next", f"init={tmp_path / name}")
    assert not (tmp_path / "next").exists() or files_in(tmp_path / "next") <= {"config.yaml"}


@pytest.mark.parametrize("key", ["init", "teacher.model"])
def test_missing_weights_are_an_error_before_any_image_is_read(tmp_path: Path, key: str) -> None:
    gone = Sample(tmp_path / "gone.png", tmp_path / "gone_mask.png", group="gone")
    with pytest.raises(UsageError, match="no such weights") as caught:
        train(tiny_config(f"{key}={tmp_path / 'missing'}"), TrainingData((gone,), (gone,)), tmp_path / "run")
    assert str(tmp_path / "missing") in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_mask_of_another_size_is_an_error_before_the_first_step(tmp_path: Path) -> None:
    folder = write_lines(tmp_path / "walls", 4)
    with Image.open(folder / "masks" / "wall02.png") as mask:
        mask.resize((40, 30)).save(folder / "masks" / "wall02.png")
    steps: list[TrainingProgress] = []
    with pytest.raises(DatasetError, match=r"wall02\.png: the mask is 40x30 pixels, its image 80x64"):
        train(tiny_config(), training_data(folder), tmp_path / "run", device="cpu", progress=steps.append)
    assert steps == []
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("minutes", [0.0001, 0.01])
def test_a_training_by_the_clock_ends_with_a_model_however_short(data: Path, tmp_path: Path, minutes: float) -> None:
    config = tiny_config(f"schedule.minutes={minutes}")
    assert train(config, training_data(data), tmp_path / "run", device="cpu").finished
    assert files_in(tmp_path / "run") == FILES


def test_a_training_without_cracks_keeps_its_initial_threshold(run: Path, tmp_path: Path) -> None:
    from tests.runs import write_sample

    rng = np.random.default_rng(0)
    for number in range(4):
        image = rng.integers(150, 200, (64, 64, 3)).astype(np.uint8)
        write_sample(tmp_path / "blank", str(number), image, np.zeros((64, 64), np.bool_))
    card = dataclasses.replace(read_card(run / "best.safetensors"), threshold=0.3)
    save_weights(tmp_path / "start.safetensors", build_network(tiny_config().network), card)
    result = short(tmp_path / "blank", tmp_path / "run", f"init={tmp_path / 'start.safetensors'}")
    assert result.finished
    assert result.card.threshold == read_card(tmp_path / "run" / "best.safetensors").threshold == 0.3


def test_the_card_lists_several_data_folders_separately(tmp_path: Path) -> None:
    one, two = write_lines(tmp_path / "one", 3), write_lines(tmp_path / "two", 4, first=20)
    samples = (*find_samples(one, "train"), *find_samples(two, "train"))
    data = TrainingData(*hold_out(samples, 0.25))
    config = tiny_config("schedule.epochs=1", "schedule.steps_per_epoch=1", "data.mix=even")
    card = train(config, data, tmp_path / "run", device="cpu").card
    assert [(entry["name"], entry["images"]) for entry in card.data] == [("one", 2), ("two", 3)]
    assert set(card.scores["validation"]) == {"all", "one", "two"}
    assert read_card(tmp_path / "run" / "model.onnx").data == card.data


def test_bfloat16_trains_too(data: Path, tmp_path: Path) -> None:
    config = tiny_config("precision=bf16", "schedule.epochs=1", "schedule.steps_per_epoch=1")
    result = train(config, training_data(data), tmp_path / "run", device="cpu")
    assert result.card.training["bfloat16"] is True
    assert np.isfinite(result.history[0]["loss"])
