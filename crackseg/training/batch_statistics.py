"""Estimate the statistics of batch normalisation again on other images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from crackseg.networks.factory import SegmentationNetwork, normalise


@dataclass(slots=True, eq=False)
class _Moments:
    """Sums over the inputs of a layer, to pool several batches.

    Attributes:
        old_mean: ``(C,)`` float32 mean of the original model.
        old_variance: ``(C,)`` float32 variance of the original model.
        count: Number of values per channel.
        total: ``(C,)`` float64 sum of the values.
        squares: ``(C,)`` float64 sum of their squares.
    """

    old_mean: Tensor
    old_variance: Tensor
    count: int
    total: Tensor
    squares: Tensor

    def add(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add a batch ``(N, C, ...)``; return its ``(C,)`` mean and variance."""
        axes = [axis for axis in range(values.ndim) if axis != 1]
        wide = values.float()
        mean = wide.mean(dim=axes, keepdim=True)
        # torch.var_mean takes three times as long.
        mean, variance = mean.flatten(), (wide - mean).square_().mean(dim=axes)
        count = values.numel() // values.shape[1]
        self.count += count
        self.total += mean.double() * count
        self.squares += (variance.double() + mean.double().square()) * count
        return mean, variance

    def pooled(self) -> tuple[Tensor, Tensor]:
        """Return the ``(C,)`` float64 mean and variance over all batches."""
        mean = self.total / self.count
        return mean, (self.squares / self.count - mean.square()).clamp(min=0)


def find_norms(network: nn.Module) -> dict[str, _BatchNorm]:
    """Find the batch normalisation layers that keep statistics, by name."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }


def mix_statistics(
    network: SegmentationNetwork,
    batches: Sequence[Tensor],
    *,
    share: float,
    progress: Callable[[], None] | None = None,
) -> None:
    """Mix the statistics of a network with those of other images.

    Each layer takes ``(1 - share) * old + share * new``. The new mean and variance are those of its inputs in the
    adapted network, over all pixels. They are exact for one batch; several batches are pooled.

    Args:
        network: Network; changed in place and left in evaluation mode.
        batches: ``(N, H, W, 3)`` uint8 RGB pixels each, with sides that are multiples of the stride.
        share: Share of the new statistics, in [0, 1].
        progress: Called after each batch.

    Source:
        Schneider et al., "Improving robustness against common corruptions by covariate shift adaptation", NeurIPS 2020,
        section 3.
    """
    device = next(network.parameters()).device
    network.eval()
    with torch.inference_mode(), _measuring(network, share) as moments:
        for pixels in batches:
            network(normalise(pixels.to(device)).contiguous(memory_format=torch.channels_last))
            if progress is not None:
                progress()
    for name, norm in find_norms(network).items():
        if moments[name].count:
            _set_mixed(norm, moments[name], moments[name].pooled(), share)


@contextmanager
def _measuring(network: nn.Module, share: float) -> Iterator[dict[str, _Moments]]:
    """Yield moments of the layers, which normalise by a mix."""
    moments: dict[str, _Moments] = {}
    handles = []
    for name, norm in find_norms(network).items():
        zeros = torch.zeros_like(_mean(norm), dtype=torch.float64)
        moments[name] = _Moments(_mean(norm).clone(), _variance(norm).clone(), 0, zeros, zeros.clone())
        handles.append(norm.register_forward_pre_hook(_hook(moments[name], share)))
    try:
        yield moments
    finally:
        for handle in handles:
            handle.remove()


def _hook(moments: _Moments, share: float) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(norm, _BatchNorm):
            _set_mixed(norm, moments, moments.add(inputs[0]), share)

    return measure


def _set_mixed(norm: _BatchNorm, moments: _Moments, new: tuple[Tensor, Tensor], share: float) -> None:
    mean, variance = (part.to(moments.old_mean.dtype) for part in new)
    with torch.no_grad():
        _mean(norm).copy_(torch.lerp(moments.old_mean, mean, share))
        _variance(norm).copy_(torch.lerp(moments.old_variance, variance, share))


def _mean(norm: _BatchNorm) -> Tensor:
    return cast(Tensor, norm.running_mean)


def _variance(norm: _BatchNorm) -> Tensor:
    return cast(Tensor, norm.running_var)
