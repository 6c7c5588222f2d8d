"""How far a pixel of the input can change the output, measured on the network itself."""

from __future__ import annotations

import torch
from torch import nn

FALLBACK_CONTEXT_PX = 320
"""Context used for networks that have no finite one; their seams are approximate."""

_NARROW_PX = 96
"""Narrow side of the image that is looked at: a multiple of every stride, and no smaller than any kernel."""


def measure_context(network: nn.Module, *, stride: int, limit_px: int = 768) -> int | None:
    """Measure the context that makes tiling exact: zero error, not merely a small one.

    Half of an image is NaN. Whatever the NaN reaches depends on that half, and nothing else does, since no layer turns
    NaN back into a number. The edge stands on a multiple of the stride, as the edges of tiles do.

    Args:
        network: Maps ``(1, 3, H, W)`` to ``(1, 1, H, W)``, in evaluation mode, on the CPU.
        stride: Its total downsampling, in pixels.
        limit_px: Contexts above this count as not finite.

    Returns:
        The largest distance, over the four directions, at which the NaN arrives, in pixels; None if it reaches beyond
        ``limit_px``: squeeze-excite, global pooling and attention look at the whole image.
    """
    edge = -(-limit_px // stride) * stride
    reach = 0
    for axis in (2, 3):
        for forward in (True, False):
            shape = [1, 3, _NARROW_PX, _NARROW_PX]
            shape[axis] = 2 * edge
            image = torch.zeros(shape)
            image.narrow(axis, 0 if forward else edge, edge).fill_(float("nan"))
            with torch.inference_mode():
                touched = torch.isnan(network(image))[0, 0].any(dim=3 - axis)
            beyond = touched[edge:] if forward else touched[:edge].flip(0)
            places = torch.nonzero(beyond)
            reach = max(reach, int(places.max()) + 1 if len(places) else 0)
    return None if reach >= edge else reach
