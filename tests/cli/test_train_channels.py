"""Grey images and several classes of defect, from `crackseg train` to `export`."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from crackseg.cli import main
from crackseg.imaging.codec import mask_pixels, write_png
from tests.runs import command, line_sample

pytestmark = pytest.mark.train

TWO_STEPS = ("schedule.epochs=1", "schedule.steps_per_epoch=2")


def test_grey_images_go_from_training_to_prediction_and_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = tmp_path / "walls", tmp_path / "run"
    for name in ("images", "masks"):
        (data / name).mkdir(parents=True)
    for number in range(4):
        image, mask = line_sample(number)
        write_png(data / "images" / f"{number}.png", image[..., 0])
        write_png(data / "masks" / f"{number}.png", mask_pixels(mask))
    assert main(command(data, run, "--quiet", overrides=(*TWO_STEPS, "network.channels=1"))) == 0
    card = json.loads((run / "card.json").read_text())
    assert card["network"]["channels"] == 1

    exported, photo = tmp_path / "exported", str(data / "images" / "0.png")
    assert main(["export", "--model", str(run), "-o", str(exported), "--format", "openvino", "--data", str(data)]) == 0
    forms = {
        "onnx": ["--model", str(run), "--runtime", "onnx"],
        "torch": ["--model", str(run), "--runtime", "torch"],
        "openvino": ["--model", str(next(exported.glob("*.xml")))],
    }
    results = {}
    for form, options in forms.items():
        assert main(["predict", photo, *options, "-o", str(tmp_path / form), "--probability", "--quiet"]) == 0
        with Image.open(tmp_path / form / "0_probability.png") as opened:
            results[form] = np.asarray(opened) / 65535
    assert results["torch"].std() > 0
    for probability in results.values():
        np.testing.assert_allclose(probability, results["torch"], atol=2e-3)
    capsys.readouterr()


def test_several_classes_go_from_training_to_prediction_and_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run, output = tmp_path / "walls", tmp_path / "run", tmp_path / "output"
    for name in ("images", "masks"):
        (data / name).mkdir(parents=True)
    for number in range(4):
        image, line = line_sample(number)
        classes = line.astype(np.uint8)
        cv2.circle(classes, (15 + 10 * number % 50, 32), 10, 2, -1)
        image[classes == 2] = (200, 60, 60)
        write_png(data / "images" / f"{number}.png", image)
        write_png(data / "masks" / f"{number}.png", classes)
    assert main(command(data, run, overrides=(*TWO_STEPS, "network.classes=3"))) == 0
    epochs = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    scores = json.loads((run / "card.json").read_text())["scores"]["validation"]["all"]
    assert {"f1", "f1_class1", "f1_class2", "f1_macro"} <= scores.keys(), "both classes are there"
    assert len(epochs) == 1
    assert "  class1 " in epochs[0]
    assert "  class2 " in epochs[0]

    assert main(["predict", str(data / "images" / "0.png"), "--model", str(run), "-o", str(output), "--quiet"]) == 0
    with Image.open(output / "0_classes.png") as results:
        called = np.asarray(results)
    assert called.shape == (64, 80)
    assert set(np.unique(called)) <= {0, 1, 2}
    capsys.readouterr()
    assert main(["evaluate", "--data", str(data), "--model", str(run), "--json"]) == 0
    by_class = json.loads(capsys.readouterr().out)["protocols"]["classes"]["data"]["walls"]
    assert {"f1_class1", "f1_class2", "f1_macro"} <= by_class.keys()
