"""Strided depthwise convolutions compute in float32, all others in bfloat16."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from crackseg.networks import precision
from crackseg.networks.config import Precision
from crackseg.networks.precision import keep_strided_depthwise_float32, use_bfloat16


def _layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 8, 3, padding=1, stride=2, groups=8),
        nn.Conv2d(8, 4, 3, padding=1, stride=2),
    )


def _types_of_convolutions(network: nn.Module, image: torch.Tensor) -> list[torch.dtype]:
    """Return the type of the input of each convolution."""
    dtypes: list[torch.dtype] = []
    plain = nn.Conv2d._conv_forward

    def watch(layer: nn.Conv2d, image: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        answer: torch.Tensor = plain(layer, image, weight, bias)
        dtypes.append(answer.dtype)
        return answer

    nn.Conv2d._conv_forward = watch  # type: ignore[assignment, method-assign]
    try:
        with torch.autocast("cpu", torch.bfloat16):
            network(image)
    finally:
        nn.Conv2d._conv_forward = plain  # type: ignore[method-assign]
    return dtypes


def test_only_strided_depthwise_convolutions_leave_bfloat16() -> None:
    network = _layers()
    keep_strided_depthwise_float32(network)
    bf16, fp32 = torch.bfloat16, torch.float32
    assert _types_of_convolutions(network, torch.randn(1, 3, 16, 16)) == [bf16, bf16, fp32, bf16]


def test_values_gradients_and_names_do_not_change() -> None:
    plain = _layers()
    kept = copy.deepcopy(plain)
    keep_strided_depthwise_float32(kept)
    image = torch.randn(2, 3, 17, 15)
    for network in (plain, kept):
        network(image).square().sum().backward()
    assert list(kept.state_dict()) == list(plain.state_dict())
    assert torch.equal(kept(image), plain(image))
    for ours, theirs in zip(kept.parameters(), plain.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize(("name", "expected"), [("fp32", False), ("bf16", True)])
def test_a_configured_precision_is_used(name: Precision, expected: bool) -> None:  # noqa: FBT001
    assert use_bfloat16(name, torch.device("cpu")) is expected


@pytest.mark.parametrize(("gain", "expected"), [(1.1, False), (1.5, True)])
def test_auto_uses_bfloat16_where_a_convolution_is_faster(
    monkeypatch: pytest.MonkeyPatch,
    gain: float,
    expected: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(precision, "_convolution_s", lambda dtype: gain if dtype == torch.float32 else 1.0)
    assert use_bfloat16("auto", torch.device("cpu")) is expected


def test_a_convolution_takes_time() -> None:
    assert 0 < precision._convolution_s(torch.float32) < 60
