"""FCN: bilinear at its start, with one score more for every variant."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from crackseg.networks.config import FcnVariant, NetworkConfig
from crackseg.networks.factory import CRACK_PRIOR, build_network
from crackseg.networks.fcn import BilinearUpsampling, Fcn

pytestmark = pytest.mark.train


@pytest.mark.parametrize("factor", [2, 8, 16, 32])
@pytest.mark.parametrize("classes", [1, 3])
def test_an_enlargement_starts_as_bilinear_interpolation(factor: int, classes: int) -> None:
    scores = torch.randn((2, classes, 3, 5), generator=torch.Generator().manual_seed(0))
    expected = functional.interpolate(scores, scale_factor=factor, mode="bilinear", align_corners=False)
    torch.testing.assert_close(BilinearUpsampling(classes, factor)(scores), expected)


@pytest.mark.parametrize("factor", [2, 8, 32])
@pytest.mark.parametrize("classes", [1, 3])
def test_a_trained_enlargement_equals_its_transposed_convolution(factor: int, classes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn((2, classes, 3, 5), generator=generator, requires_grad=True)
    enlarge = BilinearUpsampling(classes, factor)
    with torch.no_grad():
        enlarge.layer.weight.copy_(torch.randn(enlarge.layer.weight.shape, generator=generator))
    answers = enlarge(scores), enlarge.layer(functional.pad(scores, (1, 1, 1, 1), mode="replicate"))
    torch.testing.assert_close(*answers)
    gradient = torch.randn(answers[0].shape, generator=generator)
    gradients = [torch.autograd.grad((answer * gradient).sum(), [scores, enlarge.layer.weight]) for answer in answers]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("variant", "strides"), [("32s", [32]), ("16s", [32, 16]), ("8s", [32, 16, 8])])
def test_every_variant_has_a_score_at_its_strides(variant: FcnVariant, strides: list[int]) -> None:
    network = build_network(NetworkConfig(arch="fcn", encoder="resnet18", variant=variant)).eval().network
    assert isinstance(network, Fcn)
    sizes: list[int] = []
    for score in network.scores:
        score.register_forward_hook(lambda _, __, output: sizes.append(output.shape[-1]))
    with torch.inference_mode():
        network(torch.zeros((1, 3, 64, 64)))
    assert sizes == [64 // stride for stride in strides]


def test_only_the_coarsest_score_is_not_zero_at_the_start() -> None:
    torch.manual_seed(0)
    configs = [NetworkConfig(arch="fcn", encoder="resnet18", variant=variant) for variant in ("32s", "8s")]
    coarse, fine = (build_network(config).eval() for config in configs)
    assert isinstance(fine.network, Fcn)
    assert isinstance(coarse.network, Fcn)
    state = coarse.state_dict()
    fine.load_state_dict({**fine.state_dict(), **{name: state[name] for name in state if "enlargements" not in name}})
    image = torch.randn((1, 3, 96, 64))
    with torch.inference_mode():
        feature = fine.network.encoder(image)[-1]
        score = fine.network.scores[0](feature)
        for _ in range(2):
            score = functional.interpolate(score, scale_factor=2, mode="bilinear", align_corners=False)
        expected = functional.interpolate(score, scale_factor=8, mode="bilinear", align_corners=False)
        torch.testing.assert_close(fine(image), expected, atol=1e-5, rtol=1e-5)


def test_the_bias_of_the_coarsest_score_is_the_prior() -> None:
    network = build_network(NetworkConfig(arch="fcn", encoder="resnet18")).network
    assert isinstance(network, Fcn)
    first, *others = network.scores
    assert isinstance(first, nn.Conv2d)
    assert first.bias is not None
    assert torch.sigmoid(first.bias).tolist() == pytest.approx([CRACK_PRIOR])
    assert all(float(parameter.detach().abs().sum()) == 0 for score in others for parameter in score.parameters())
