"""Exports by the library: files, parity, and what is an error."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crackseg.errors import UsageError
from crackseg.exporting import ParityError, ParityLimits, export_model
from crackseg.exporting.pipeline import FormatName
from crackseg.modelcard.card import PrecisionName
from crackseg.prediction.loading import ModelFile, find_model, load_model
from crackseg.runtimes.onnx import with_card
from tests.runs import line_sample

pytestmark = pytest.mark.train

SAMPLES = [line_sample(number) for number in range(5)]
NOTHING = ParityLimits(difference=0.0, changed=0.0, f1_loss=0.0)


def probability(model: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return load_model(model).predict(pixels).probability


@pytest.mark.parametrize(
    ("file_format", "precision", "allowed", "compared"),
    [
        pytest.param("onnx", "fp32", 1e-3, 5, id="onnx"),
        pytest.param("onnx", "int8", 0.9, 2, id="onnx int8"),
        pytest.param("openvino", "fp32", 1e-3, 5, id="openvino"),
    ],
)
def test_an_exported_model_predicts_like_its_original(
    run: Path, tmp_path: Path, file_format: FormatName, precision: PrecisionName, allowed: float, compared: int
) -> None:
    result = export_model(
        find_model(str(run)), tmp_path / "out", file_format=file_format, precision=precision, samples=SAMPLES
    )
    assert result.path.parent == tmp_path / "out"
    assert result.parity.images == compared, "int8 is compared on the samples that did not calibrate it"
    assert load_model(result.path).card.precision == precision
    pixels = line_sample(9, (61, 99))[0]
    difference = np.abs(probability(result.path, pixels) - probability(run, pixels)).max()
    assert difference <= allowed
    assert json.loads(json.dumps(result.to_dict()))["model"] == str(result.path)


def test_a_checkpoint_can_be_exported_to_a_named_file(run: Path, tmp_path: Path) -> None:
    checkpoint = ModelFile("mine", run / "best.safetensors")
    path = tmp_path / "small.onnx"
    assert export_model(checkpoint, path, file_format="onnx", precision="fp32", samples=SAMPLES).path == path


def test_a_model_with_approximate_tiles_gets_its_seam_error(run: Path, tmp_path: Path) -> None:
    card = dataclasses.replace(load_model(run).card, context_exact=False, context_px=16)
    source = tmp_path / "approximate.onnx"
    source.write_bytes(with_card((run / "model.onnx").read_bytes(), card))
    result = export_model(
        find_model(str(source)), tmp_path / "out", file_format="onnx", precision="fp32", samples=SAMPLES
    )
    assert "seams" in load_model(result.path).card.training


def test_an_export_beyond_its_limits_is_not_written(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="nothing was written"):
        export_model(
            find_model(str(run)),
            tmp_path / "out",
            file_format="onnx",
            precision="int8",
            samples=SAMPLES,
            limits=NOTHING,
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file_format", "precision", "count", "message"),
    [
        pytest.param("onnx", "bf16", 5, "cannot be run in bfloat16", id="bfloat16 in ONNX"),
        pytest.param("onnx", "fp32", 1, "at least two images to compare with, got 1", id="one image"),
    ],
)
def test_an_impossible_export_is_an_error(
    run: Path, tmp_path: Path, file_format: FormatName, precision: PrecisionName, count: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        export_model(
            find_model(str(run)),
            tmp_path / "out",
            file_format=file_format,
            precision=precision,
            samples=SAMPLES[:count],
        )
    assert not (tmp_path / "out").exists()


def test_a_file_of_another_kind_cannot_be_exported(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"")
    with pytest.raises(UsageError, match=r"weights\.pth: expected a run folder, a \.onnx or a \.safetensors file"):
        export_model(ModelFile("weights", path), tmp_path, file_format="onnx", precision="fp32", samples=SAMPLES)


def test_an_int8_model_cannot_be_exported_again(run: Path, tmp_path: Path) -> None:
    result = export_model(
        find_model(str(run)), tmp_path / "once", file_format="onnx", precision="int8", samples=SAMPLES
    )
    with pytest.raises(UsageError, match="the model is already int8"):
        export_model(
            find_model(str(result.path)), tmp_path / "again", file_format="onnx", precision="fp32", samples=SAMPLES
        )
