"""The measured context against closed forms, and tiling with it against the whole image."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crackseg.imaging.codec import ArrayImage
from crackseg.modelcard.card import ModelCard
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import SegmentationNetwork, build_network
from crackseg.networks.receptive_field import measure_context
from crackseg.prediction.tiled import predict_probability
from crackseg.runtimes.torch import TorchPredictor

pytestmark = pytest.mark.train


def conv(inputs: int = 1, outputs: int = 1, *, dilation: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, padding_mode="zeros")


def up() -> nn.Module:
    return nn.Upsample(scale_factor=2, mode="nearest")


class SqueezeExcite(nn.Module):
    """Every pixel weighed by the mean of the whole image."""

    def forward(self, images: Tensor) -> Tensor:
        return images * torch.sigmoid(images.mean(dim=(2, 3), keepdim=True))


@pytest.mark.parametrize(
    ("layers", "stride", "expected"),
    [
        pytest.param([nn.Conv2d(3, 1, 1)], 1, 0, id="pixel by pixel"),
        pytest.param([conv(3)], 1, 1, id="one 3x3"),
        pytest.param([conv(3), conv(), conv(), conv()], 1, 4, id="four 3x3"),
        pytest.param([conv(3), conv(dilation=5)], 1, 6, id="dilated"),
        pytest.param([nn.Conv2d(3, 1, 1), nn.MaxPool2d(2), up()], 2, 0, id="pooled cells stand on the stride"),
        pytest.param([nn.Conv2d(3, 1, 1), nn.MaxPool2d(2), conv(), up()], 2, 2, id="3x3 on pooled cells"),
        pytest.param([conv(3), nn.AvgPool2d(2), conv(), up(), conv()], 2, 5, id="before, between and after"),
        pytest.param([conv(3), nn.MaxPool2d(4), up(), up()], 4, 4, id="one pixel reaches a cell of four"),
    ],
)
def test_the_context_of_a_stack_of_layers_is_its_closed_form(
    layers: list[nn.Module], stride: int, expected: int
) -> None:
    torch.manual_seed(0)
    assert measure_context(nn.Sequential(*layers).eval(), stride=stride, limit_px=64) == expected


def test_a_weight_of_zero_counts_for_the_context() -> None:
    layer = conv(3)
    nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
    assert measure_context(layer, stride=1, limit_px=16) == 1


def test_an_asymmetric_kernel_counts_its_longer_side() -> None:
    layer = nn.Conv2d(3, 1, (1, 7), padding=(0, 3))
    assert measure_context(layer, stride=1, limit_px=16) == 3


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param([conv(3), SqueezeExcite()], id="squeeze and excite"),
        pytest.param([conv(3), nn.AdaptiveAvgPool2d(1), nn.Upsample(size=(64, 64))], id="global pooling"),
        pytest.param([conv(3)] + [conv() for _ in range(40)], id="longer than the limit"),
    ],
)
def test_a_network_that_exceeds_the_limit_has_no_context(layers: list[nn.Module]) -> None:
    assert measure_context(nn.Sequential(*layers).eval(), stride=1, limit_px=32) is None


def test_the_default_network_has_a_finite_context() -> None:
    config = NetworkConfig()
    network = build_network(config)
    context = measure_context(network.network.eval(), stride=config.stride)
    assert context is not None
    assert 32 < context <= 352


def test_an_encoder_with_squeeze_excite_has_no_context() -> None:
    config = NetworkConfig(encoder="efficientnet-b0", decoder_channels=(8, 8, 8))
    network = build_network(config)
    assert measure_context(network.network.eval(), stride=config.stride, limit_px=384) is None


@pytest.mark.parametrize("limit", [47, 130, 200, 500])
def test_the_context_does_not_depend_on_the_limit(limit: int) -> None:
    config = NetworkConfig(decoder_channels=(8, 8, 8))
    network = build_network(config).network.eval()
    assert measure_context(network, stride=config.stride, limit_px=limit) == 47


class Balanced(nn.Module):
    """A network with logits around 0, where the probability is sensitive."""

    def __init__(self, network: nn.Module, logits: Tensor) -> None:
        super().__init__()
        self.network = network
        self.mean, self.deviation = float(logits.mean()), float(logits.std())

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return (logits - self.mean) / self.deviation


def lively(config: NetworkConfig) -> tuple[SegmentationNetwork, ModelCard]:
    """Return a random network, and its card with the measured context."""
    torch.manual_seed(5)
    network = build_network(config)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in norms:
        layer.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.randn((4, 3, 96, 96)))
        for layer in norms:
            layer.get_buffer("running_var").mul_(torch.empty_like(layer.get_buffer("running_var")).uniform_(0.6, 1.4))
            layer.get_buffer("running_mean").add_(0.3 * torch.randn_like(layer.get_buffer("running_mean")))
    network.eval()
    with torch.no_grad():
        network.network = Balanced(network.network, network(torch.randn((1, 3, 96, 96)))).eval()
    context = measure_context(network.network, stride=config.stride)
    assert context is not None
    card = ModelCard(name="random", network=config.model_dump(mode="json"), stride=config.stride, context_px=context)
    return network, card


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        pytest.param({}, (260, 420), id="mobilenet_v2, even"),
        pytest.param({}, (301, 233), id="mobilenet_v2, odd"),
        pytest.param({"encoder": "resnet18"}, (251, 203), id="resnet18, odd"),
        pytest.param({"encoder": "shufflenet_v2_x0_5"}, (290, 203), id="shufflenet, odd"),
        pytest.param({"arch": "unetplusplus"}, (251, 303), id="unetplusplus, odd"),
        pytest.param({"arch": "fcn", "encoder": "shufflenet_v2_x0_5"}, (1003, 64), id="fcn, odd"),
        pytest.param({"arch": "linknet"}, (64, 902), id="linknet, odd"),
        pytest.param({"arch": "segformer"}, (800, 64), id="segformer, odd"),
    ],
)
def test_tiles_with_the_measured_context_leave_no_seam(changes: dict[str, str], shape: tuple[int, int]) -> None:
    network, card = lively(NetworkConfig.model_validate({"decoder_channels": (16, 8, 8), **changes}))
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    size = 2 * (-(-card.context_px // card.stride) * card.stride) + 6 * card.stride

    def predict(tile_size: int, context_px: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        changed = dataclasses.replace(card, context_px=context_px)
        predictor = TorchPredictor(network, changed, device=torch.device("cpu"))
        return predict_probability(ArrayImage(pixels), predictor, tile_size=tile_size)

    whole = predict(2048, card.context_px)
    assert np.ptp(whole) > 0.1
    np.testing.assert_allclose(predict(size, card.context_px), whole, atol=1e-4)
    assert np.abs(predict(size, card.context_px // 4) - whole).max() > 1e-3
