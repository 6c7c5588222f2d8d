"""Networks: any size of image, useful errors, a sensible start."""

import numpy as np
import pytest
import torch

from crackseg.errors import ConfigError
from crackseg.nn.factory import CRACK_PRIOR, SegmentationNetwork, build_network, normalise
from crackseg.nn.train_config import NetworkConfig

SMALL = NetworkConfig(decoder_channels=(16, 8, 8))

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def network() -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_network(SMALL).eval()


@pytest.mark.parametrize(
    ("height", "width"),
    [
        pytest.param(64, 96, id="multiples of the stride"),
        pytest.param(65, 97, id="one more"),
        pytest.param(63, 31, id="one less"),
        pytest.param(1, 1, id="one pixel"),
        pytest.param(3, 200, id="a strip"),
    ],
)
def test_the_output_has_the_size_of_the_input(network: SegmentationNetwork, height: int, width: int) -> None:
    with torch.inference_mode():
        logits = network(torch.zeros((2, 3, height, width)))
    assert logits.shape == (2, 1, height, width)
    assert torch.isfinite(logits).all()


def test_padding_is_at_the_lower_right_only(network: SegmentationNetwork) -> None:
    image = torch.randn((1, 3, 60, 92))
    padded = torch.nn.functional.pad(image, (0, 4, 0, 4), mode="replicate")
    with torch.inference_mode():
        torch.testing.assert_close(network(image), network(padded)[..., :60, :92])


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "resnet18"])
def test_training_starts_near_the_prior_of_a_crack_pixel(encoder: str) -> None:
    torch.manual_seed(0)
    network = build_network(NetworkConfig(encoder=encoder, decoder_channels=(16, 8, 8)))
    bias = network.network.segmentation_head[0].bias  # type: ignore[index,union-attr]
    assert torch.sigmoid(bias).tolist() == pytest.approx([CRACK_PRIOR])
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8))
    with torch.inference_mode():
        share = torch.sigmoid(network(normalise(pixels))).median()
    assert float(share) == pytest.approx(CRACK_PRIOR, abs=0.04)


def test_normalised_pixels_have_the_statistics_of_imagenet() -> None:
    pixels = torch.tensor([[[[0, 0, 0], [255, 255, 255]]]], dtype=torch.uint8)
    expected = [[-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.6400]]
    np.testing.assert_allclose(normalise(pixels)[0, :, 0].T.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("encoder", "suggestion"),
    [
        pytest.param("mobilnet_v2", "did you mean 'mobilenet_v2'?", id="a letter short"),
        pytest.param("resnet_18", "did you mean 'resnet18'?", id="an underscore too many"),
    ],
)
def test_an_unknown_encoder_is_named_with_a_suggestion(encoder: str, suggestion: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_network(NetworkConfig(encoder=encoder, decoder_channels=(8, 8, 8)))
    assert f"got '{encoder}'" in str(caught.value)
    assert suggestion in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"encoder": "tu-nonsense"}, id="unknown to timm"),
        pytest.param({"encoder": "zzz"}, id="like nothing"),
        pytest.param({"encoder_weights": "nonsense"}, id="unknown weights"),
    ],
)
def test_what_cannot_be_built_is_an_error_of_the_configuration(changes: dict[str, str]) -> None:
    config = NetworkConfig.model_validate({"decoder_channels": (8, 8, 8), **changes})
    with pytest.raises(ConfigError) as caught:
        build_network(config)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("network")
