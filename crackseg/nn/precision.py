"""Whether this processor computes faster in bfloat16."""

from __future__ import annotations

import time

import torch
from torch.nn import functional

from crackseg.nn.train_config import Precision

_GAIN = 1.2
"""How much faster bfloat16 must be to be worth its rounding."""


def use_bfloat16(wanted: Precision, device: torch.device) -> bool:
    """Return whether to compute in bfloat16: as told, or, for ``auto``, where a convolution was measured to gain."""
    if wanted != "auto":
        return wanted == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return _convolution_s(torch.float32) > _GAIN * _convolution_s(torch.bfloat16)


def _convolution_s(dtype: torch.dtype) -> float:
    """Return the shortest of five times of one 3x3 convolution, in seconds."""
    image = torch.zeros((4, 64, 128, 128), dtype=dtype).contiguous(memory_format=torch.channels_last)
    kernel = torch.zeros((64, 64, 3, 3), dtype=dtype).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(5):
            start = time.perf_counter()
            functional.conv2d(image, kernel, padding=1)
            times.append(time.perf_counter() - start)
    return min(times)
