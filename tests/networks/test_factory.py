"""Networks: any size of image, useful errors, a sensible start."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from crackseg.errors import ConfigError, ModelError
from crackseg.networks.config import Architecture, NetworkConfig
from crackseg.networks.encoders import encoder_errors
from crackseg.networks.factory import CRACK_PRIOR, SegmentationNetwork, build_network, crack_probability, normalise
from crackseg.networks.shufflenet import WIDTHS
from crackseg.training.optimiser import find_encoder

SMALL = NetworkConfig(decoder_channels=(16, 8, 8))

pytestmark = pytest.mark.train


def small(arch: str, **changes: object) -> NetworkConfig:
    """The smallest sensible network of an architecture."""
    own = arch in ("unet", "unetplusplus", "fcn", "linknet", "segformer")
    encoder = "mobilenet_v2" if own else "tu-mobilenetv3_small_050"
    channels = (16, 8, 8) if arch in ("unet", "unetplusplus") else (16, 16, 16, 8, 8)
    values = {"arch": arch, "encoder": encoder, "decoder_channels": channels, "width": 0.05}
    return NetworkConfig.model_validate({**values, **changes})


def outputs(network: SegmentationNetwork, images: Tensor, *, deep: bool = False) -> tuple[Tensor, ...]:
    answer = network(images, deep=deep)
    return answer if isinstance(answer, tuple) else (answer,)


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


# benchmarks/networks.py builds DPT, which has 35 million weights and needs a transformer encoder.
@pytest.mark.parametrize("arch", sorted({*get_args(Architecture)} - {"dpt"}))
def test_every_architecture_runs_forward_and_backward_at_odd_sizes(arch: str) -> None:
    torch.manual_seed(0)
    network = build_network(small(arch))
    logits = network(torch.randn((2, 3, 65, 43)))
    assert logits.shape == (2, 1, 65, 43)
    for output in outputs(network, torch.randn((2, 3, 31, 33)), deep=True):
        assert output.shape == (2, 1, 31, 33)
        logits = logits.sum() + output.square().sum()
    logits.backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert without == [], "every weight is trained"
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("arch", ["unet", "unet-classic", "unetplusplus", "fcn", "linknet"])
@pytest.mark.parametrize(("channels", "classes"), [(1, 1), (5, 4), (3, 2)])
def test_channels_in_and_classes_out_are_as_configured(arch: str, channels: int, classes: int) -> None:
    torch.manual_seed(0)
    network = build_network(small(arch, channels=channels, classes=classes)).eval()
    with torch.inference_mode():
        logits = network(torch.randn((2, channels, 40, 33)))
        assert logits.shape == (2, classes, 40, 33)
        probability = crack_probability(logits)
    assert probability.shape == (2, 40, 33)
    assert ((probability >= 0) & (probability <= 1)).all()


def test_the_probability_of_several_classes_is_one_minus_the_background() -> None:
    logits = torch.randn((2, 4, 3, 3))
    torch.testing.assert_close(crack_probability(logits), torch.softmax(logits, dim=1)[:, 1:].sum(dim=1))
    torch.testing.assert_close(crack_probability(logits[:, :1]), torch.sigmoid(logits[:, 0]))


@pytest.mark.parametrize("whole", [True, False], ids=["padded", "inside"])
def test_a_network_of_one_channel_sees_the_grey_value_of_a_colour_image(whole: bool) -> None:  # noqa: FBT001
    torch.manual_seed(0)
    network = build_network(small("unet", channels=1)).eval()
    colour = torch.randn((1, 3, 40, 48))
    grey = 0.299 * colour[:, :1] + 0.587 * colour[:, 1:2] + 0.114 * colour[:, 2:]
    run = network if whole else network.network
    with torch.inference_mode():
        torch.testing.assert_close(run(colour), run(grey))


@pytest.mark.parametrize(("channels", "actual"), [(3, 1), (3, 4), (4, 3), (1, 2)])
def test_images_of_other_channels_are_an_error_of_one_line(channels: int, actual: int) -> None:
    network = build_network(small("unet", channels=channels)).eval()
    with pytest.raises(ConfigError) as caught:
        network(torch.zeros((1, actual, 32, 32)))
    assert str(caught.value).startswith(f"network.channels: expected images of {channels} channels, got {actual}; ")
    assert "\n" not in str(caught.value)


def test_padding_is_at_the_lower_right_only(network: SegmentationNetwork) -> None:
    image = torch.randn((1, 3, 60, 92))
    padded = torch.nn.functional.pad(image, (0, 4, 0, 4), mode="replicate")
    with torch.inference_mode():
        torch.testing.assert_close(network(image), network(padded)[..., :60, :92])


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(NetworkConfig(decoder_channels=(16, 8, 8)), id="unet"),
        pytest.param(NetworkConfig(encoder="resnet18", decoder_channels=(16, 8, 8)), id="resnet18"),
        pytest.param(small("unetplusplus"), id="unetplusplus"),
        pytest.param(small("fcn"), id="fcn"),
        pytest.param(small("unet", classes=3), id="three classes"),
        pytest.param(small("fcn", classes=2), id="fcn of two classes"),
    ],
)
def test_a_new_network_predicts_the_prior_of_a_crack_pixel(config: NetworkConfig) -> None:
    torch.manual_seed(0)
    network = build_network(config)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8))
    with torch.inference_mode():
        for output in outputs(network, normalise(pixels), deep=True):
            assert float(crack_probability(output).median()) == pytest.approx(CRACK_PRIOR, abs=0.06)


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "resnet18"])
def test_the_bias_of_the_output_is_the_prior(encoder: str) -> None:
    network = build_network(NetworkConfig(encoder=encoder, decoder_channels=(16, 8, 8)))
    bias = network.network.segmentation_head[0].bias  # type: ignore[index,union-attr]
    assert torch.sigmoid(bias).tolist() == pytest.approx([CRACK_PRIOR])
    network = build_network(NetworkConfig(encoder=encoder, decoder_channels=(16, 8, 8), classes=3))
    bias = network.network.segmentation_head[0].bias  # type: ignore[index,union-attr]
    expected = [1 - CRACK_PRIOR, CRACK_PRIOR / 2, CRACK_PRIOR / 2]
    assert torch.softmax(bias, dim=0).tolist() == pytest.approx(expected)


def test_normalised_pixels_have_the_statistics_of_imagenet() -> None:
    pixels = torch.tensor([[[[0, 0, 0], [255, 255, 255]]]], dtype=torch.uint8)
    expected = [[-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.6400]]
    np.testing.assert_allclose(normalise(pixels)[0, :, 0].T.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize(
    "encoder",
    ["tu-mobilenetv1_100", "tu-mobilenetv3_small_050", "tu-efficientnet_lite0", "shufflenet_v2_x0_5", "tu-seresnet18"],
)
@pytest.mark.parametrize("arch", ["unet", "fcn", "unetplusplus"])
def test_encoders_of_other_libraries_fit_the_same_networks(arch: str, encoder: str) -> None:
    network = build_network(small(arch, encoder=encoder)).eval()
    with torch.inference_mode():
        assert network(torch.zeros((1, 3, 33, 47))).shape == (1, 1, 33, 47)


@pytest.mark.parametrize("name", list(WIDTHS)[:2])
def test_shufflenet_has_the_weights_of_torchvision_under_their_names(name: str) -> None:
    from torchvision import models  # type: ignore[import-untyped]

    theirs = getattr(models, name)(weights=None).eval()
    encoder = build_network(NetworkConfig(encoder=name)).network.encoder
    assert isinstance(encoder, torch.nn.Module)
    left = encoder.load_state_dict(theirs.state_dict(), strict=False)
    assert left.missing_keys == []
    assert left.unexpected_keys == ["fc.weight", "fc.bias"]
    image = torch.randn((1, 3, 64, 64))
    with torch.inference_mode():
        features = encoder.eval()(image)
        expected = theirs.conv5(theirs.stage4(theirs.stage3(theirs.stage2(theirs.maxpool(theirs.conv1(image))))))
    assert [feature.shape[-1] for feature in features] == [64, 32, 16, 8, 4, 2]
    torch.testing.assert_close(features[-1], expected)


@pytest.mark.parametrize(
    ("encoder", "suggestion"),
    [
        pytest.param("mobilnet_v2", "did you mean 'mobilenet_v2'?", id="a letter short"),
        pytest.param("resnet_18", "did you mean 'resnet18'?", id="an underscore too many"),
        pytest.param("mobilenetv3_large_100", "did you mean 'tu-mobilenetv3_large_100'?", id="timm without its mark"),
        pytest.param("tu-mobilenetv1_10", "did you mean 'tu-mobilenetv1_100'?", id="a digit short in timm"),
        pytest.param("shufflenet_v2", "did you mean 'shufflenet_v2_x", id="no width of ShuffleNet"),
    ],
)
@pytest.mark.parametrize("arch", ["unet", "fcn", "dpt"])
def test_an_unknown_encoder_is_named_with_a_suggestion(arch: str, encoder: str, suggestion: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_network(NetworkConfig.model_validate({"arch": arch, "encoder": encoder}))
    assert f"got '{encoder}'" in str(caught.value)
    assert suggestion in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"encoder": "tu-nonsense"}, id="unknown to timm"),
        pytest.param({"encoder": "zzz"}, id="like nothing"),
        pytest.param({"encoder_weights": "nonsense"}, id="unknown weights"),
        pytest.param({"encoder": "shufflenet_v2_x0_5", "encoder_weights": "imagenet"}, id="weights nobody has"),
        pytest.param({"encoder": "tu-inception_v3"}, id="features that do not halve the image"),
        pytest.param({"encoder": "tu-vit_tiny_patch16_224"}, id="a transformer of one size"),
        pytest.param({"encoder": "mobilenet_v2", "arch": "dpt"}, id="no transformer for DPT"),
        pytest.param({"encoder": "shufflenet_v2_x0_5", "arch": "deeplabv3"}, id="no dilated form of ShuffleNet"),
    ],
)
def test_an_impossible_network_is_a_configuration_error(changes: dict[str, str]) -> None:
    config = NetworkConfig.model_validate({"decoder_channels": (8, 8, 8), **changes})
    with pytest.raises(ConfigError) as caught:
        build_network(config)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("network")


def test_shufflenet_takes_images_of_any_number_of_channels() -> None:
    network = build_network(small("unet", encoder="shufflenet_v2_x0_5", channels=5)).eval()
    with torch.inference_mode():
        assert network(torch.zeros((1, 5, 33, 47))).shape == (1, 1, 33, 47)


def test_a_failed_download_of_weights_names_a_way_without_them() -> None:
    config = NetworkConfig(encoder_weights="imagenet")
    with pytest.raises(ModelError, match=r"cannot be downloaded; .*--init"), encoder_errors(config):
        raise OSError("no network")


def test_a_network_without_an_encoder_cannot_be_frozen() -> None:
    with pytest.raises(ConfigError, match=r"optimiser\.frozen: expected 0"):
        find_encoder(build_network(small("unet-classic")))
