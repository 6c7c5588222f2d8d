"""Test verdicts of images far from the training images of a model."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from crackseg.imaging.codec import write_png
from crackseg.inspection.run import inspect
from crackseg.modelcard.domain import describe, fit_domain
from tests.inspection.requests import make_request, with_rules
from tests.inspection.scenes import rows, wall, write_model, write_walls

pytestmark = pytest.mark.train


def test_an_image_far_from_the_training_images_is_not_judged(tmp_path: Path) -> None:
    folder, output = write_walls(tmp_path / "in", 2), tmp_path / "out"
    page = np.full((64, 96, 3), 250, np.uint8)
    cv2.putText(page, "no wall", (4, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (10, 10, 10), 2)
    write_png(folder / "page.png", page)
    domain = fit_domain([np.array([describe(wall(number)) for number in range(20, 32)])])
    model = write_model(tmp_path / "trained.onnx", domain=domain.to_dict())
    assert inspect(make_request(folder, output, model)).notes == []
    records = rows(output)
    assert [records[f"wall00{number}.png"]["verdict"] for number in range(2)] == ["WARN", "WARN"]
    (reason, *others) = json.loads(records["page.png"]["reasons"])
    assert records["page.png"]["verdict"] == "CANNOT JUDGE"
    assert reason.startswith("CANNOT JUDGE far from the training images of the model: distance ")
    assert reason.endswith(f"limit {domain.limit:.2f}")
    assert others
    assert json.loads(records["page.png"]["quality"])["distance"] > domain.limit
    for setting in ("quality.max_distance=null", "quality.max_distance=100"):
        inspect(with_rules(make_request(folder, output, model), setting))
        assert rows(output)["page.png"]["verdict"] == "WARN"


def test_a_card_without_its_training_images_is_noted_once(dark_model: Path, tmp_path: Path) -> None:
    folder = write_walls(tmp_path / "in", 3)
    notes = inspect(make_request(folder, tmp_path / "out", dark_model, workers=2)).notes
    assert len(notes) == 1
    assert "does not describe the training images" in notes[0]
    unchecked = with_rules(make_request(folder, tmp_path / "unchecked", dark_model), "quality.max_distance=null")
    assert inspect(unchecked).notes == []
