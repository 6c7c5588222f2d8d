"""Choose between float32 and bfloat16 for a processor and its layers."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn
from torch.nn import functional

from crackseg.networks.config import Precision

_GAIN = 1.2
"""Speed-up from which ``auto`` chooses bfloat16."""


def use_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Return True to compute in bfloat16; ``auto`` measures a convolution."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return _convolution_s(torch.float32) > _GAIN * _convolution_s(torch.bfloat16)


def keep_strided_depthwise_float32(network: nn.Module) -> None:
    """Keep strided depthwise convolutions in float32 for training on a CPU.

    Their gradient is 6 to 30 times faster than in bfloat16, and a step of a MobileNetV2 U-Net becomes a third faster.
    All other layers gain from bfloat16. Weights and names do not change. ``benchmarks/train_step.py`` measures this.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and module.groups == module.in_channels > 1 and max(module.stride) > 1:
            module.__class__ = _Float32Conv2d


class _Float32Conv2d(nn.Conv2d):
    """A convolution that computes in float32 under autocast and returns the type of its input."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float()).to(input.dtype)


def _convolution_s(dtype: torch.dtype) -> float:
    """Return the shortest of five times of a convolution, in seconds."""
    image = torch.zeros((4, 64, 128, 128), dtype=dtype).contiguous(memory_format=torch.channels_last)
    kernel = torch.zeros((64, 64, 3, 3), dtype=dtype).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(5):
            start = time.perf_counter()
            functional.conv2d(image, kernel, padding=1)
            times.append(time.perf_counter() - start)
    return min(times)
