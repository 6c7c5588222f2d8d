"""The U-Net of 2015: its sizes, its mirrored border, its tiles."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crackseg.errors import UsageError
from crackseg.imaging.codec import ArrayImage
from crackseg.modelcard.card import ModelCard
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import SegmentationNetwork, build_network, normalise
from crackseg.networks.receptive_field import measure_context
from crackseg.networks.unet_classic import MARGIN_PX, ClassicUnet
from crackseg.prediction.tiled import predict_probability
from crackseg.prediction.tiling import iter_tiles, read_mirrored
from crackseg.runtimes.torch import TorchPredictor

pytestmark = pytest.mark.train

CONFIG = NetworkConfig(arch="unet-classic", width=0.05)


@pytest.fixture(scope="module")
def network() -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_network(CONFIG).eval()


def valid(network: SegmentationNetwork) -> ClassicUnet:
    assert isinstance(network.network, ClassicUnet)
    return network.network


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("width", "low", "high"),
    [
        pytest.param(1.0, 30.9e6, 31.2e6, id="31 million, as published"),
        pytest.param(0.5, 7.7e6, 7.8e6, id="7.75 million"),
        pytest.param(0.25, 1.5e6, 2.0e6, id="below 2 million"),
    ],
)
def test_the_width_sets_the_number_of_weights(width: float, low: float, high: float) -> None:
    with torch.device("meta"):
        network = ClassicUnet(3, 1, width=width)
    assert low < sum(parameter.numel() for parameter in network.parameters()) < high


@pytest.mark.parametrize(("side", "left"), [(572, 388), (188, 4), (204, 20)])
def test_valid_convolutions_have_the_output_size_of_the_paper(
    network: SegmentationNetwork, side: int, left: int
) -> None:
    with torch.inference_mode():
        assert valid(network).valid(torch.zeros((1, 3, side, 188))).shape == (1, 1, left, 4)


@pytest.mark.parametrize("side", [100, 184, 187, 573, 580])
def test_a_size_that_is_odd_where_it_is_halved_is_an_error(network: SegmentationNetwork, side: int) -> None:
    with pytest.raises(UsageError, match=f"got {side}"):
        valid(network).valid(torch.zeros((1, 3, 188, side)))


@pytest.mark.parametrize("shape", [(40, 56), (37, 61), (100, 16), (5, 3), (1, 1), (1, 30)])
def test_an_image_is_predicted_by_valid_convolutions_with_a_mirrored_border(
    network: SegmentationNetwork, shape: tuple[int, int]
) -> None:
    pixels = noise(*shape, 3)
    height, width = (-(-side // 16) * 16 + 4 for side in shape)
    margins = ((MARGIN_PX, height - shape[0] + MARGIN_PX), (MARGIN_PX, width - shape[1] + MARGIN_PX), (0, 0))
    mirrored = np.pad(pixels, margins, mode="reflect" if min(shape) > 1 else "edge")
    if min(shape) == 1 < max(shape):
        mirrored = np.pad(
            np.pad(pixels, (margins[0], (0, 0), (0, 0)), mode="edge"), ((0, 0), margins[1], (0, 0)), mode="reflect"
        )
    with torch.inference_mode():
        whole = network(normalise(torch.from_numpy(pixels[None])))
        expected = valid(network).valid(normalise(torch.from_numpy(mirrored[None])))[..., : shape[0], : shape[1]]
    assert whole.shape == (1, 1, *shape)
    torch.testing.assert_close(whole, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(240, 336), (304, 272)])
def test_the_overlap_tile_equals_the_whole_image(network: SegmentationNetwork, shape: tuple[int, int]) -> None:
    image = ArrayImage(noise(*shape, 3))
    context = measure_context(network.network, stride=network.stride)
    assert context is not None

    def run(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network(normalise(torch.from_numpy(pixels[None])))[0, 0].numpy())

    whole = run(read_mirrored(image, next(iter_tiles(shape, size=1024, context=context, stride=16, border=0)).read))
    answer = np.full(shape, np.nan, np.float32)
    tiles = list(iter_tiles(shape, size=2 * 96 + 32, context=context, stride=16, border=0))
    assert len(tiles) >= 4
    for tile in tiles:
        answer[tile.write.slices()] = run(read_mirrored(image, tile.read))[
            tile.write.slices((tile.read.row0, tile.read.col0))
        ]
    np.testing.assert_allclose(answer, whole, atol=1e-5)


@pytest.mark.parametrize("shape", [(150, 260), (97, 301)])
def test_prediction_does_not_depend_on_the_size_of_its_tiles(
    network: SegmentationNetwork, shape: tuple[int, int]
) -> None:
    context = measure_context(network.network, stride=network.stride)
    assert context is not None
    assert MARGIN_PX <= context <= MARGIN_PX + 16
    card = ModelCard(name="classic", network=CONFIG.model_dump(mode="json"), stride=16, context_px=context)
    image = ArrayImage(noise(*shape, 3))

    def predict(size: int, context_px: int) -> NDArray[np.float32]:
        changed = dataclasses.replace(card, context_px=context_px)
        return predict_probability(image, TorchPredictor(network, changed, device=torch.device("cpu")), tile_size=size)

    whole = predict(1024, context)
    assert np.ptp(whole) > 0.05
    np.testing.assert_allclose(predict(2 * 96 + 32, context), whole, atol=1e-5)
    assert np.abs(predict(2 * 96 + 32, 16) - whole).max() > 1e-4
