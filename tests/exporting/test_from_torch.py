"""Exported models equal PyTorch at any size, and hold their card and weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from crackseg.errors import ModelError, TrainingError
from crackseg.exporting.from_torch import MAX_DIFFERENCE, export_onnx
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import read_card, read_weights
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import SegmentationNetwork, build_network
from crackseg.runtimes.onnx import OnnxPredictor
from crackseg.runtimes.torch import TorchPredictor, load_torch_predictor
from tests.runs import line_sample

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("count", "height", "width"),
    [
        pytest.param(1, 64, 80, id="as trained"),
        pytest.param(1, 8, 8, id="one stride"),
        pytest.param(1, 136, 40, id="high"),
        pytest.param(3, 48, 200, id="three, wide"),
    ],
)
def test_onnx_computes_what_torch_computes(run: Path, count: int, height: int, width: int) -> None:
    pixels = np.stack([line_sample(number, (height, width))[0] for number in range(count)])
    exported = OnnxPredictor((run / "model.onnx").read_bytes(), name="model.onnx")(pixels)
    computed = load_torch_predictor(run / "best.safetensors", device="cpu")(pixels)
    assert exported.shape == computed.shape == (count, height, width)
    assert exported.dtype == np.float32
    np.testing.assert_allclose(exported, computed, atol=1e-3)
    assert exported.min() >= 0
    assert exported.max() <= 1


def test_torch_runs_the_exported_file_too(run: Path) -> None:
    pixels = line_sample(5)[0][None]
    exported = OnnxPredictor((run / "model.onnx").read_bytes(), name="model.onnx")(pixels)
    np.testing.assert_allclose(load_torch_predictor(run / "model.onnx", device="cpu")(pixels), exported, atol=1e-3)


def test_the_card_is_inside_the_file(run: Path) -> None:
    predictor = OnnxPredictor((run / "model.onnx").read_bytes(), name="model.onnx")
    assert predictor.card == read_card(run / "model.onnx") == read_card(run / "best.safetensors")
    assert predictor.stride == 8
    assert predictor.context == predictor.card.context_px > 8
    assert predictor.card.threshold == ModelCard.from_json((run / "card.json").read_text(), where="card").threshold


def test_the_weights_inside_equal_the_checkpoint(run: Path) -> None:
    exported, saved = read_weights(run / "model.onnx"), read_weights(run / "best.safetensors")
    assert exported.keys() <= saved.keys()
    for name, tensor in exported.items():
        assert torch.equal(tensor, saved[name]), name


def test_weights_missing_from_the_export_have_no_effect(run: Path) -> None:
    config = NetworkConfig.model_validate(read_card(run / "best.safetensors").network)
    network = build_network(config).eval()
    exported = read_weights(run / "model.onnx")
    rest = {name: tensor for name, tensor in network.state_dict().items() if name not in exported}
    broken = {
        name: torch.full_like(tensor, float("nan")) for name, tensor in rest.items() if tensor.is_floating_point()
    }
    network.load_state_dict({**rest, **broken, **exported})
    with torch.inference_mode():
        assert torch.isfinite(network(torch.zeros((1, 3, 64, 64)))).all()


def test_the_file_is_valid_onnx_of_half_the_size_of_its_numbers(run: Path) -> None:
    onnx.checker.check_model(str(run / "model.onnx"))
    numbers = sum(tensor.numel() for tensor in read_weights(run / "model.onnx").values())
    stored = sum(tensor.ByteSize() for tensor in onnx.load(run / "model.onnx").graph.initializer)
    assert 2 * numbers < stored < 2.5 * numbers
    assert (run / "model.onnx").stat().st_size < stored + 150_000, "the nodes and the card"


class _TiedToItsTracedSize(nn.Module):
    """A network whose exported form remembers the width it was traced at."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        answer: Tensor = self.layer(images) + int(images.shape[-1]) / 10
        return answer


CARD = ModelCard(name="small", network={}, stride=8, context_px=1)


def test_an_export_that_differs_from_torch_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="differs from PyTorch"):
        export_onnx(SegmentationNetwork(_TiedToItsTracedSize(), 8), tmp_path / "model.onnx", CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_returns_nan_is_not_written(tmp_path: Path) -> None:
    network = SegmentationNetwork(nn.Conv2d(3, 1, 3, padding=1), 8)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises((ModelError, TrainingError)):
        export_onnx(network, tmp_path / "model.onnx", CARD)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "resnet18"])
def test_exporting_does_not_change_the_network(tmp_path: Path, encoder: str) -> None:
    torch.manual_seed(0)
    config = NetworkConfig(encoder=encoder, decoder_channels=(16, 8, 8))
    network = build_network(config).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    card = ModelCard(name="small", network=config.model_dump(mode="json"), stride=8, context_px=50)
    export_onnx(network, tmp_path / "model.onnx", card)
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
    pixels = np.random.default_rng(0).integers(0, 256, (1, 40, 72, 3), dtype=np.uint8)
    expected = TorchPredictor(network, card, device=torch.device("cpu"))(pixels)
    answer = OnnxPredictor((tmp_path / "model.onnx").read_bytes(), name="model.onnx")(pixels)
    np.testing.assert_allclose(answer, expected, atol=MAX_DIFFERENCE)
