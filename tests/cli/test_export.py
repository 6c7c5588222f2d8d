"""crackseg export: an exported model predicts what the model predicts, or is not written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray
from PIL import Image

from crackseg.cli import main
from crackseg.exporting.parity import LIMITS, ParityLimits
from crackseg.prediction.loading import load_model
from tests.runs import line_sample, only_error

pytestmark = pytest.mark.train

needs_bfloat16 = pytest.mark.skipif(
    "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
    reason="this processor does not compute in bfloat16",
)

FORMS = [
    pytest.param("onnx", "fp32", 1e-3, id="onnx"),
    pytest.param("onnx", "int8", 0.9, id="onnx int8"),
    pytest.param("openvino", "fp32", 1e-3, id="openvino"),
    pytest.param("openvino", "bf16", 0.5, id="openvino bf16", marks=needs_bfloat16),
    pytest.param("openvino", "int8", 0.9, id="openvino int8"),
]


def probability(model: Path, pixels: NDArray[np.uint8], **options: Any) -> NDArray[np.float32]:
    return load_model(model, **options).predict(pixels).probability


@pytest.mark.parametrize(("form", "precision", "allowed"), FORMS)
def test_an_export_predicts_as_the_model_does_at_any_size(
    run: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    form: str,
    precision: str,
    allowed: float,
) -> None:
    arguments = ["export", "--model", str(run), "-o", str(tmp_path), "--format", form, "--precision", precision]
    assert main([*arguments, "--data", str(data), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    path = Path(answer["model"])
    assert {item.suffix for item in tmp_path.iterdir()} == ({".onnx"} if form == "onnx" else {".xml", ".bin"})
    assert answer["parity"]["difference"] <= allowed
    assert answer["parity"]["images"] == (6 if precision == "int8" else 12)
    model = load_model(path)
    assert model.card.precision == precision
    assert len(str(model.card.training["exported_from_sha256"])) == 64
    for shape in ((64, 80), (61, 203)):
        pixels, true = line_sample(3, shape)
        result = model.predict(pixels).probability
        assert np.abs(result - probability(run, pixels)).max() <= allowed
        mask = result >= model.card.threshold
        assert 2 * (mask & true).sum() / (mask.sum() + true.sum()) > 0.7


def test_a_checkpoint_is_exported_too(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "small.onnx"
    assert main(["export", "--model", str(run / "best.safetensors"), "-o", str(target)]) == 0
    assert "small.onnx: probability differs by at most" in capsys.readouterr().out
    pixels = line_sample(1)[0]
    np.testing.assert_allclose(probability(target, pixels), probability(run, pixels), atol=1e-3)


def test_what_no_longer_finds_cracks_is_refused_and_not_written(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Allow no change at all, because no real export fails here."""
    monkeypatch.setitem(LIMITS, "int8", ParityLimits(difference=0.0, changed=0.0, f1_loss=0.0))
    arguments = ["export", "--model", str(run), "-o", str(tmp_path / "out"), "--precision", "int8"]
    assert main([*arguments, "--data", str(data)]) == 3
    assert "nothing was written" in only_error(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def exported(run: Path, data: Path, tmp_path: Path) -> Path:
    """An int8 model for onnxruntime."""
    target = tmp_path / "int8.onnx"
    assert main(["export", "--model", str(run), "-o", str(target), "--precision", "int8", "--data", str(data)]) == 0
    return target


@pytest.mark.parametrize(
    ("arguments", "mentions"),
    [
        pytest.param(["export", "-o", "out", "--precision", "int8"], "the model is already int8", id="again"),
        pytest.param(["predict", "wall.png", "--precision", "fp32"], "holds an int8 model", id="as float32"),
        pytest.param(["predict", "wall.png", "--runtime", "torch"], "int8", id="in PyTorch"),
    ],
)
def test_an_int8_model_is_nothing_else(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], mentions: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Image.fromarray(line_sample(0)[0]).save("wall.png")
    capsys.readouterr()
    assert main([*arguments, "--model", str(exported)]) == 2
    assert mentions in only_error(capsys.readouterr().err)


def test_bfloat16_is_not_promised_for_onnx(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--model", str(run), "-o", str(tmp_path / "out"), "--precision", "bf16"]) == 2
    assert "--format openvino" in only_error(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_openvino_weights_that_are_not_those_of_the_metadata_are_refused(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", "--model", str(run), "-o", str(out), "--format", "openvino", "--data", str(data)]) == 0
    whole = (out / "model.bin").read_bytes()
    photo = tmp_path / "wall.png"
    Image.fromarray(line_sample(0)[0]).save(photo)
    arguments = ["predict", str(photo), "-o", str(tmp_path / "p"), "--model", str(out)]
    assert main(arguments) == 0
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content, mentions in ((bytes(flipped), "weights are damaged"), (whole[: len(whole) // 2], "not an OpenVINO")):
        (out / "model.bin").write_bytes(content)
        capsys.readouterr()
        assert main(arguments) == 3
        assert mentions in only_error(capsys.readouterr().err)
    (out / "model.bin").unlink()
    assert main(arguments) == 2


def test_openvino_computes_in_float32_by_default(run: Path) -> None:
    """OpenVINO by itself would compute in bfloat16 on some processors."""
    pixels = line_sample(2, (96, 160))[0]
    expected = probability(run, pixels)
    np.testing.assert_allclose(probability(run, pixels, runtime="openvino"), expected, atol=1e-3)


@needs_bfloat16
def test_bfloat16_is_computed_where_it_is_asked_for(run: Path) -> None:
    pixels = line_sample(2, (96, 160))[0]
    expected = probability(run, pixels)
    for runtime in ("auto", "openvino", "torch"):
        result = probability(run, pixels, runtime=runtime, precision="bf16", device="cpu")
        assert 1e-4 < np.abs(result - expected).max() < 0.5, runtime


def test_a_large_tile_is_computed_by_a_network_prepared_for_it(run: Path) -> None:
    pixels = line_sample(2, (1232, 1240))[0]
    model = load_model(run, runtime="openvino")
    result = model.predict(pixels).probability
    assert np.abs(result - probability(run, pixels)).max() <= 1e-3
    np.testing.assert_array_equal(result, model.predict(pixels).probability)


def test_a_model_of_which_openvino_knows_nothing_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "wall.png"
    Image.fromarray(line_sample(0)[0]).save(photo)
    (tmp_path / "text.xml").write_text("<net>")
    (tmp_path / "text.bin").write_bytes(b"")
    openvino.save_model(openvino.Core().read_model(run / "model.onnx"), tmp_path / "foreign.xml")
    for name in ("text.xml", "foreign.xml"):
        assert main(["predict", str(photo), "-o", str(tmp_path / "p"), "--model", str(tmp_path / name)]) == 3
        assert name in only_error(capsys.readouterr().err)
    shutil.copy(tmp_path / "foreign.xml", tmp_path / "alone.xml")
    assert main(["predict", str(photo), "-o", str(tmp_path / "p"), "--model", str(tmp_path / "alone.xml")]) == 2
