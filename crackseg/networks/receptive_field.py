"""Measure the receptive field of a network."""

from __future__ import annotations

import torch
from torch import nn

FALLBACK_CONTEXT_PX = 320
"""Context for networks without a finite one, in pixels; their seams are approximate."""

_NARROW_PX = 96
"""Short side of the test image, in pixels; no smaller than any kernel."""

_FIRST_PX = 192
"""Half the long side of the first test image, in pixels."""


def measure_context(network: nn.Module, *, stride: int, limit_px: int = 768) -> int | None:
    """Measure the context with which tiling has no error at all.

    Half of a test image is NaN. The outputs that depend on that half are exactly those that become NaN, since no layer
    turns NaN back into a number. The edge lies on a multiple of the stride, like the edges of tiles. The image grows
    until the NaN no longer reaches its end.

    Args:
        network: Maps ``(1, 3, H, W)`` to ``(1, K, H, W)``, in evaluation mode, on the CPU.
        stride: Total downsampling of the network, in pixels.
        limit_px: Largest context that counts as finite, in pixels.

    Returns:
        The largest distance that the NaN reaches in the four directions, in pixels. None if it exceeds ``limit_px``,
        as with squeeze-excite, global pooling and attention, which depend on the whole image.
    """
    last = -(-limit_px // stride) * stride
    edge = min(-(-_FIRST_PX // stride) * stride, last)
    while (reach := _reach(network, edge, stride)) >= edge:
        if edge == last:
            return None
        edge = min(2 * edge, last)
    return reach


def _reach(network: nn.Module, edge: int, stride: int) -> int:
    """Return the largest reach of NaN beyond an edge, over four directions.

    Args:
        network: The network.
        edge: Position of the edge, and number of pixels after it.
        stride: Total downsampling of the network, in pixels.
    """
    reach = 0
    narrow = -(-_NARROW_PX // stride) * stride
    for axis in (2, 3):
        for forward in (True, False):
            shape = [1, 3, narrow, narrow]
            shape[axis] = 2 * edge
            image = torch.zeros(shape)
            image.narrow(axis, 0 if forward else edge, edge).fill_(float("nan"))
            with torch.inference_mode():
                touched = torch.isnan(network(image))[0].any(dim=0).any(dim=3 - axis)
            beyond = touched[edge:] if forward else touched[:edge].flip(0)
            indices = torch.nonzero(beyond)
            reach = max(reach, int(indices.max()) + 1 if len(indices) else 0)
    return reach
