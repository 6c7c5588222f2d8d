"""What an encoder that is kept still makes of patches that come again: computed once, and remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class FeatureCache:
    """Remembers the features of an encoder, patch by patch, until the memory set aside for them is full.

    Args:
        encoder: Maps ``(N, C, H, W)`` images to a list of features, and keeps still; calls of it go through this cache
            from now on.
        limit_bytes: Memory to use.
    """

    def __init__(self, encoder: nn.Module, *, limit_bytes: int) -> None:
        self.computed = 0
        self._left_bytes = limit_bytes
        self._known: dict[int, list[Tensor]] = {}
        self._numbers: Sequence[int] = ()
        self._encoder = encoder
        self._compute: Callable[[Tensor], list[Tensor]] = encoder.forward
        encoder.forward = self._features

    def expect(self, numbers: Sequence[int]) -> None:
        """Say which patches the next call of the encoder is about."""
        self._numbers = numbers

    def detach(self) -> None:
        """Give the encoder its own way back, and forget all features."""
        self._encoder.forward = self._compute
        self._known.clear()

    def _features(self, images: Tensor) -> list[Tensor]:
        numbers, self._numbers = self._numbers, ()
        if len(numbers) != len(images):
            return self._compute(images)
        if all(number in self._known for number in numbers):
            columns = zip(*(self._known[number] for number in numbers), strict=True)
            return [_joined(column).to(images.device) for column in columns]
        with torch.no_grad():
            features = self._compute(images)
        self.computed += len(numbers)
        for index, number in enumerate(numbers):
            self._keep(number, [feature[index] for feature in features])
        return features

    def _keep(self, number: int, features: Sequence[Tensor]) -> None:
        needed = sum(feature.numel() * feature.element_size() for feature in features)
        if number in self._known or needed > self._left_bytes:
            return
        self._left_bytes -= needed
        self._known[number] = [feature.detach().cpu().clone() for feature in features]


def _joined(features: Sequence[Tensor]) -> Tensor:
    """Return ``(C, h, w)`` features as ``(N, C, h, w)``, laid out as images are in a training."""
    joined = torch.stack(list(features))
    return joined.contiguous(memory_format=torch.channels_last) if joined.ndim == 4 else joined
