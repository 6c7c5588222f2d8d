"""Several defect classes, from masks of class numbers to predictions and scores."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import crackseg
from crackseg.cli import main
from crackseg.datasets.class_masks import read_class_sample
from crackseg.errors import ModelError
from crackseg.imaging.codec import write_png
from crackseg.metrics.histogram import ProbabilityHistogram
from crackseg.networks.checkpoint import read_card
from crackseg.prediction.model import Model
from crackseg.runtimes.predictor import ClassPredictor
from crackseg.training.plots import Example, draw_samples
from crackseg.training.run import train
from crackseg.training.validation import ValidationCounts
from tests.runs import EASY, rows, tiny_config, training_data

pytestmark = pytest.mark.train

LINE, BLOB = 1, 2


def draw_wall(number: int, shape: tuple[int, int] = (64, 80)) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a wall with a line and a blob, and their classes."""
    rng = np.random.default_rng(number)
    height, width = shape
    classes = np.zeros(shape, np.uint8)
    cv2.circle(classes, (int(rng.integers(15, width - 15)), int(rng.integers(15, height - 15))), 11, BLOB, -1)
    cv2.line(classes, (0, int(rng.integers(height))), (width - 1, int(rng.integers(height))), LINE, 4)
    image = rng.integers(165, 200, (height, width, 1)) + rng.integers(-4, 5, (height, width, 3))
    image[classes == LINE] -= 130
    image[classes == BLOB] += np.array((40, -120, -120))
    return np.clip(image, 0, 255).astype(np.uint8), classes


@pytest.fixture(scope="module")
def walls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds") / "walls"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(8):
        image, classes = draw_wall(number)
        write_png(folder / "images" / f"{number}.png", image)
        write_png(folder / "masks" / f"{number}.png", classes)
    return folder


def f1_score(true: NDArray[np.uint8], predicted: NDArray[np.uint8], *, labels: list[int]) -> list[float]:
    """The F1 of each class against all else, by its definition."""
    pairs = [(true == label, predicted == label) for label in labels]
    return [2 * float((one & two).sum()) / float(one.sum() + two.sum()) for one, two in pairs]


@pytest.fixture(scope="module")
def kinds(walls: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network trained to separate the two kinds."""
    run = tmp_path_factory.mktemp("kinds") / "run"
    config = tiny_config(
        *EASY, "network.classes=3", "schedule.steps_per_epoch=20", "augment.light=0", "augment.colour=0"
    )
    assert train(config, training_data(walls), run, device="cpu").finished
    return run


def test_every_runtime_predicts_the_same_correct_classes(kinds: Path, walls: Path) -> None:
    image, true = draw_wall(100, (96, 128))
    answers = {}
    for runtime in ("onnx", "openvino", "torch"):
        result = crackseg.load_model(kinds, runtime=runtime).predict(image)
        assert result.classes is not None
        np.testing.assert_array_equal(result.classes > 0, result.mask)
        answers[runtime] = result.classes
    for classes in answers.values():
        assert (classes != answers["torch"]).mean() < 0.005, "a pixel on the edge may fall either way"
    for number in (LINE, BLOB):
        inside = answers["onnx"][true == number]
        assert (inside == number).mean() > 0.6
        assert (inside == 3 - number).mean() < 0.2


def test_classes_have_no_seams_between_tiles(kinds: Path) -> None:
    image, _ = draw_wall(101, (150, 200))
    whole, cut = (crackseg.load_model(kinds, tile_size=size).predict(image).classes for size in (None, 136))
    assert whole is not None
    assert cut is not None
    assert (whole != cut).mean() < 1e-3


def test_predict_writes_the_class_number_of_each_pixel(kinds: Path, walls: Path, tmp_path: Path) -> None:
    photos = [str(walls / "images" / f"{number}.png") for number in range(2)]
    assert main(["predict", *photos, "--model", str(kinds), "-o", str(tmp_path), "--quiet"]) == 0
    for stem in ("0", "1"):
        with Image.open(tmp_path / f"{stem}_classes.png") as file, Image.open(tmp_path / f"{stem}_mask.png") as mask:
            classes = np.asarray(file)
            np.testing.assert_array_equal(classes > 0, np.asarray(mask) > 0)
        areas_px = json.loads((tmp_path / f"{stem}.json").read_text())["class_area_px"]
        assert areas_px == {str(number): int((classes == number).sum()) for number in (LINE, BLOB)}


def test_evaluate_scores_each_class(kinds: Path, walls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--data", str(walls), "--model", str(kinds)]
    assert main([*arguments, "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["protocols"]["classes"]["data"]["walls"]
    for number in (LINE, BLOB):
        value = scores[f"f1_class{number}"]["value"]
        assert value > 0.6
        assert f"class {number}: F1" in shown
        assert f"{value:.3f}" in shown
    means = [scores[f"f1_class{number}"]["value"] for number in (LINE, BLOB)]
    assert scores["f1_macro"]["value"] == pytest.approx(sum(means) / 2)


def test_the_card_and_every_epoch_score_each_class(kinds: Path, walls: Path) -> None:
    card = json.loads((kinds / "card.json").read_text())
    scores = card["scores"]["validation"]["all"]
    model = crackseg.load_model(kinds, runtime="torch")
    predicted, true = [], []
    for sample in training_data(walls).validation:
        image, classes = read_class_sample(sample, 3)
        classes_of_image = model.predict(image).classes
        assert classes_of_image is not None
        predicted.append(classes_of_image.ravel())
        true.append(classes.ravel())
    expected = f1_score(np.concatenate(true), np.concatenate(predicted), labels=[LINE, BLOB])
    assert [scores["f1_class1"], scores["f1_class2"]] == pytest.approx(expected, abs=2e-3)
    assert scores["f1_macro"] == pytest.approx(sum(expected) / 2, abs=2e-3)
    history = rows(kinds)
    assert {"f1_class1", "f1_class2", "f1_macro"} <= history[0].keys()
    best = max(history, key=lambda row: row["f1"])
    assert [best["f1_class1"], best["f1_class2"]] == pytest.approx(expected, abs=0.02), "best.safetensors keeps float16"


def test_a_class_neither_present_nor_predicted_has_no_score() -> None:
    class_numbers = np.array([[1, 1, 0, 0]], np.uint8)
    probability = np.array([[0.9, 0.2, 0.8, 0.1]], np.float32)
    none = np.zeros((1, 4), np.bool_)
    parts = (ProbabilityHistogram.of(probability, class_numbers == number) for number in (1,))
    counts = ValidationCounts(
        ProbabilityHistogram.of(probability, class_numbers > 0),
        (*parts, ProbabilityHistogram.of(probability * 0, none)),
    )
    scores = (counts + counts).scores_at(0.5)
    assert scores["f1"] == scores["f1_class1"] == scores["f1_macro"] == 0.5
    assert math.isnan(scores["f1_class2"])
    assert ValidationCounts(counts.crack).scores_at(0.5).keys() == {"f1", "precision", "recall", "iou"}


def test_samples_show_a_defect_predicted_as_another_class_in_blue(tmp_path: Path) -> None:
    image, true = np.full((64, 64, 3), 128, np.uint8), np.ones((64, 64), np.bool_)
    for wrong_class, colour in ((true, (70, 110, 255)), (~true, (60, 200, 80))):
        draw_samples([Example("wall.png", image, true, true, wrong_class)], tmp_path / "samples.png")
        with Image.open(tmp_path / "samples.png") as image_file:
            assert image_file.getpixel((100, 100)) == colour


def test_a_network_of_one_class_predicts_no_classes(run: Path, tmp_path: Path) -> None:
    model = crackseg.load_model(run)
    assert isinstance(model, Model)
    result = model.predict(draw_wall(3)[0])
    assert result.classes is None
    result.save(tmp_path)
    assert not list(tmp_path.glob("*_classes.png"))
    predictor: ClassPredictor = model.predictor  # type: ignore[assignment]
    with pytest.raises(ModelError, match="no output for defect classes"):
        predictor.classes(np.zeros((1, 64, 64, 3), np.uint8))


def test_the_card_has_the_number_of_classes(kinds: Path, run: Path) -> None:
    assert read_card(kinds / "model.onnx").classes == 3
    assert read_card(run / "best.safetensors").classes == 1
