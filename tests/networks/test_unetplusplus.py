"""U-Net++: an output at every depth, and networks cut to one of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from crackseg.errors import ConfigError
from crackseg.exporting.from_torch import export_onnx
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import load_state, read_weights, save_weights
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import SegmentationNetwork, build_network, prune
from crackseg.networks.unetplusplus import UnetPlusPlus
from crackseg.runtimes.onnx import OnnxPredictor
from crackseg.runtimes.torch import TorchPredictor, load_torch_predictor
from crackseg.training.loss_config import LossConfig
from crackseg.training.loss_sum import total_loss

pytestmark = pytest.mark.train

CONFIG = NetworkConfig(arch="unetplusplus", decoder_channels=(24, 16, 12, 8, 8))


@pytest.fixture(scope="module")
def network() -> SegmentationNetwork:
    torch.manual_seed(0)
    network = build_network(CONFIG)
    with torch.no_grad():  # statistics of its own, as after a training
        network(torch.randn((4, 3, 64, 64)))
    return network.eval()


def weights(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_every_depth_has_an_output(network: SegmentationNetwork) -> None:
    image = torch.randn((1, 3, 50, 70))
    with torch.inference_mode():
        outputs = network(image, deep=True)
        deepest = network(image)
    assert [tuple(output.shape) for output in outputs] == [(1, 1, 50, 70)] * 4
    torch.testing.assert_close(outputs[-1], deepest)
    assert all((first - second).abs().max() > 1e-3 for first, second in pairwise(outputs))


def test_every_node_of_the_published_triangle_exists(network: SegmentationNetwork) -> None:
    assert isinstance(network.network, UnetPlusPlus)
    expected = {f"{row}_{column}" for column in range(1, 5) for row in range(5 - column)}
    assert set(network.network.nodes) == expected
    assert set(network.network.outputs) == {"1", "2", "3", "4"}


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_pruned_network_equals_the_output_of_the_whole_one_at_that_depth(
    network: SegmentationNetwork, depth: int
) -> None:
    smaller, config = prune(network, CONFIG, depth)
    assert config.pruned_to == depth
    assert config.stride == smaller.stride == 2 ** (depth + 1)
    image = torch.randn((2, 3, 64, 96))
    with torch.inference_mode():
        torch.testing.assert_close(smaller(image), network(image, deep=True)[depth - 1], atol=1e-5, rtol=1e-5)
        assert smaller(torch.randn((1, 3, 33, 41))).shape == (1, 1, 33, 41)


def test_a_network_pruned_deeper_is_smaller(network: SegmentationNetwork) -> None:
    sizes = [weights(prune(network, CONFIG, depth)[0]) for depth in (1, 2, 3, 4)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 20
    assert sizes[-1] < weights(network)


def test_a_pruned_network_can_be_saved_loaded_and_exported(network: SegmentationNetwork, tmp_path: Path) -> None:
    smaller, config = prune(network, CONFIG, 2)
    card = ModelCard(name="cut", network=config.model_dump(mode="json"), stride=config.stride, context_px=60)
    save_weights(tmp_path / "cut.safetensors", smaller, card)
    load_state(build_network(config), read_weights(tmp_path / "cut.safetensors"))
    export_onnx(smaller, tmp_path / "cut.onnx", card)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 48, 64, 3), dtype=np.uint8)
    expected = TorchPredictor(smaller, card, device=torch.device("cpu"))(pixels)
    exported = OnnxPredictor((tmp_path / "cut.onnx").read_bytes(), name="cut")(pixels)
    np.testing.assert_allclose(exported, expected, atol=1e-3)
    again = load_torch_predictor(tmp_path / "cut.safetensors", device="cpu")(pixels)
    np.testing.assert_allclose(again, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("config", "depth", "message"),
    [
        pytest.param(CONFIG, 5, "an output at depth 5, got outputs at 1, 2, 3, 4;", id="too deep"),
        pytest.param(CONFIG, 0, "an output at depth 0, got outputs at 1, 2, 3, 4;", id="depth 0"),
        pytest.param(
            CONFIG.model_copy(update={"deep_supervision": False}),
            2,
            "an output at depth 2, got outputs at 4;",
            id="without deep supervision",
        ),
        pytest.param(NetworkConfig(decoder_channels=(8, 8, 8)), 2, "expected arch unetplusplus", id="a plain U-Net"),
    ],
)
def test_pruning_to_a_depth_without_output_is_an_error(config: NetworkConfig, depth: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prune(build_network(config), config, depth)


def test_deep_supervision_reaches_every_output_and_its_absence_only_the_last() -> None:
    image, target = torch.randn((2, 3, 32, 32)), torch.zeros((2, 1, 32, 32))
    network = build_network(CONFIG)
    total_loss(network(image, deep=True), target, LossConfig()).backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in network.parameters())
    single = build_network(CONFIG.model_copy(update={"deep_supervision": False}))
    assert isinstance(single.network, UnetPlusPlus)
    assert single.network.depths == (4,)
    assert isinstance(single(image, deep=True), torch.Tensor)
