"""Cache the features of a frozen encoder for repeated patches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class FeatureCache:
    """Features of a frozen encoder, cached per patch until a memory limit is reached.

    Args:
        encoder: Frozen encoder of ``(N, C, H, W)`` images. Its calls go through this cache from now on.
        limit_bytes: Memory limit, in bytes.

    Attributes:
        computed: Number of patches whose features have been computed.
    """

    def __init__(self, encoder: nn.Module, *, limit_bytes: int) -> None:
        self.computed = 0
        self._left_bytes = limit_bytes
        self._cached: dict[int, list[Tensor]] = {}
        self._numbers: Sequence[int] = ()
        self._encoder = encoder
        self._compute: Callable[[Tensor], list[Tensor]] = encoder.forward
        encoder.forward = self._features

    def expect(self, numbers: Sequence[int]) -> None:
        """Set the patch numbers of the next call of the encoder."""
        self._numbers = numbers

    def detach(self) -> None:
        """Restore the forward method of the encoder and drop all features."""
        self._encoder.forward = self._compute
        self._cached.clear()

    def _features(self, images: Tensor) -> list[Tensor]:
        numbers, self._numbers = self._numbers, ()
        if len(numbers) != len(images):
            return self._compute(images)
        if all(number in self._cached for number in numbers):
            columns = zip(*(self._cached[number] for number in numbers), strict=True)
            return [_join(column).to(images.device) for column in columns]
        with torch.no_grad():
            features = self._compute(images)
        self.computed += len(numbers)
        for index, number in enumerate(numbers):
            self._keep(number, [feature[index] for feature in features])
        return features

    def _keep(self, number: int, features: Sequence[Tensor]) -> None:
        needed = sum(feature.numel() * feature.element_size() for feature in features)
        if number in self._cached or needed > self._left_bytes:
            return
        self._left_bytes -= needed
        self._cached[number] = [feature.detach().cpu().clone() for feature in features]


def _join(features: Sequence[Tensor]) -> Tensor:
    """Stack ``(C, h, w)`` features to ``(N, C, h, w)`` in channels-last layout."""
    joined = torch.stack(list(features))
    return joined.contiguous(memory_format=torch.channels_last) if joined.ndim == 4 else joined
