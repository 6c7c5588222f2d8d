"""The model inside the package: it loads, it finds cracks, and a damaged copy is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import crackseg
from crackseg.cli import main
from crackseg.datasets.samples import find_samples
from crackseg.evaluation import count_samples
from crackseg.imaging.codec import write_png
from crackseg.prediction.loading import DEFAULT_MODEL, shipped_card, shipped_models
from data_gen import Recipe, generate_sample
from tests.runs import only_error, run_module

WEIGHTS = Path(str(resources.files("crackseg.weights")))


def test_the_default_model_loads_and_its_card_is_whole() -> None:
    model = crackseg.load_model()
    assert DEFAULT_MODEL in shipped_models()
    assert model.card.stride in (8, 16, 32)
    assert 0 < model.card.threshold < 1
    assert model.card.scores
    assert model.card.data


@pytest.mark.parametrize("name", shipped_models() or ["none is shipped"])
def test_a_shipped_model_is_the_one_of_its_card_and_small(name: str) -> None:
    data = (WEIGHTS / f"{name}.onnx").read_bytes()
    card = json.loads((WEIGHTS / f"{name}.json").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(data).hexdigest()
    assert len(data) <= 10_000_000
    inside = crackseg.load_model(name).card
    card_file = shipped_card(name)
    assert (inside.stride, inside.context_px) == (card_file.stride, card_file.context_px)
    assert inside.threshold == card_file.threshold
    assert inside.network == card_file.network


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_card_states_scores_with_intervals_terms_and_where_the_model_fails(name: str) -> None:
    card = shipped_card(name)
    assert card.name == name
    assert card.terms != "not stated"
    assert card.limits
    assert sum("f1_95" in scores for scores in card.scores["test"].values()) == 10
    for scores in card.scores["test"].values():
        keys = [key for key in ("f1", "f1_2px", "false_alarm") if f"{key}_95" in scores]
        for key in keys:
            low, high = scores[f"{key}_95"]
            assert low <= scores[key] <= high


def test_the_second_model_saw_only_generated_images() -> None:
    card = shipped_card("crackseg-synthetic")
    assert {entry["name"].split("_")[0] for entry in card.data} == {"synth"}
    assert "MIT" in card.terms


@pytest.mark.shared
@pytest.mark.parametrize("name", shipped_models())
def test_a_card_s_scores_are_those_of_the_model_in_the_package(name: str, shared_folder: Path) -> None:
    counts = count_samples(crackseg.load_model(name), find_samples(shared_folder / "data" / "crackmap", "test"))[
        "crackmap"
    ]
    answer = shipped_card(name).scores["test"]["crackmap"]
    # Another processor may round a few pixels at the threshold to the other side.
    assert counts.scores() == pytest.approx({key: answer[key] for key in counts.scores()}, abs=2e-4)


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_finds_synthetic_cracks(name: str) -> None:
    model = crackseg.load_model(name)
    recipe = Recipe(size=256)
    hit = called = crack = 0
    for index in range(8):
        sample = generate_sample(recipe, seed=2, index=index)
        mask = model.predict(sample.image).mask
        hit, called, crack = (
            hit + int((mask & sample.mask).sum()),
            called + int(mask.sum()),
            crack + int(sample.mask.sum()),
        )
    assert crack > 1000
    assert 2 * hit / (called + crack) > 0.3


@pytest.mark.parametrize("name", shipped_models())
def test_a_blank_wall_has_no_crack(name: str) -> None:
    noise = np.random.default_rng(0).integers(-6, 7, (256, 256, 1))
    wall = np.clip(170 + noise, 0, 255).astype(np.uint8).repeat(3, axis=2)
    assert crackseg.load_model(name).predict(wall).mask.mean() < 0.01


def test_predict_without_a_model_uses_the_shipped_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_png(tmp_path / "wall.png", generate_sample(Recipe(size=200), seed=2, index=0).image)
    assert main(["predict", str(tmp_path / "wall.png"), "-o", str(tmp_path / "out"), "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["images"]
    assert answer["model"] == DEFAULT_MODEL
    with Image.open(tmp_path / "out" / "wall_mask.png") as mask:
        assert mask.size == (200, 200)


def test_the_models_are_listed_with_their_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    cards = json.loads(capsys.readouterr().out)["models"]
    assert [card["name"] for card in cards] == list(shipped_models())
    assert cards[0]["terms"] != "not stated"
    assert main(["models"]) == 0
    assert DEFAULT_MODEL in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "mentions"),
    [
        pytest.param(f"{DEFAULT_MODEL}.onnx", "damaged", id="one bit of the weights"),
        pytest.param(f"{DEFAULT_MODEL}.json", "damaged", id="the card cut short"),
    ],
)
def test_a_damaged_copy_is_refused(tmp_path: Path, file: str, mentions: str) -> None:
    package = tmp_path / "crackseg"
    shutil.copytree(Path(crackseg.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    damaged = package / "weights" / file
    data = bytearray(damaged.read_bytes())
    if file.endswith(".onnx"):
        data[len(data) // 2] ^= 1
    else:
        del data[len(data) // 2 :]
    damaged.write_bytes(data)
    write_png(tmp_path / "wall.png", np.full((64, 64, 3), 150, np.uint8))
    done = subprocess.run(
        [sys.executable, "-m", "crackseg", "predict", "wall.png", "-o", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3
    assert mentions in only_error(done.stderr)
    assert not (tmp_path / "out").exists()


def test_an_error_while_the_model_still_loads_is_an_error_and_not_an_abort(tmp_path: Path) -> None:
    for _ in range(4):
        done = run_module("predict", tmp_path / "missing.png")
        assert done.returncode == 2
        assert "missing.png: no such file" in only_error(done.stderr)
