"""How far a pixel of the input can change the output, measured on the network itself."""

from __future__ import annotations

import torch
from torch import nn

FALLBACK_CONTEXT_PX = 320
"""Context used for networks that have no finite one; their seams are approximate."""

_NARROW_PX = 96
"""Narrow side of the image that is looked at: no smaller than any kernel."""

_FIRST_PX = 192
"""Half of the long side that is tried first."""


def measure_context(network: nn.Module, *, stride: int, limit_px: int = 768) -> int | None:
    """Measure the context that makes tiling exact: zero error, not merely a small one.

    Half of an image is NaN. Whatever the NaN reaches depends on that half, and nothing else does, since no layer turns
    NaN back into a number. The edge stands on a multiple of the stride, as the edges of tiles do. The image is made
    larger until the NaN no longer reaches its end.

    Args:
        network: Maps ``(1, 3, H, W)`` to ``(1, K, H, W)``, in evaluation mode, on the CPU.
        stride: Its total downsampling, in pixels.
        limit_px: Contexts above this count as not finite.

    Returns:
        The largest distance, over the four directions, at which the NaN arrives, in pixels; None if it reaches beyond
        ``limit_px``: squeeze-excite, global pooling and attention look at the whole image.
    """
    last = -(-limit_px // stride) * stride
    edge = min(-(-_FIRST_PX // stride) * stride, last)
    while (reach := _reach(network, edge, stride)) >= edge:
        if edge == last:
            return None
        edge = min(2 * edge, last)
    return reach


def _reach(network: nn.Module, edge: int, stride: int) -> int:
    """Return how far beyond an edge, with as many pixels on each side, the NaN arrives, over the four directions."""
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
            places = torch.nonzero(beyond)
            reach = max(reach, int(places.max()) + 1 if len(places) else 0)
    return reach
