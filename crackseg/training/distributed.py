"""Train one network in several processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from crackseg.errors import ConfigError

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of a training; in a team of one, every method returns its argument.

    Attributes:
        device: Device of this process.
        rank: Number of this process, from 0. Process 0 validates and writes.
        size: Number of processes.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """True for the process that validates and writes."""
        return self.rank == 0

    def prepare(self, network: nn.Module) -> None:
        """Extend batch normalisation, in place, to the batches of all processes.

        Raises:
            ConfigError: If the network has another kind of batch normalisation.
        """
        if self.size == 1:
            return
        for module in network.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = _SharedBatchNorm2d
            elif isinstance(module, _BatchNorm) and not isinstance(module, _SharedBatchNorm2d):
                raise ConfigError(
                    f"{type(module).__name__} cannot be trained in several processes",
                    where="network.encoder",
                    hint="choose an encoder that is not from timm, or train in one process",
                )

    def wrap(self, network: nn.Module) -> nn.Module:
        """Wrap a network to average its gradients over the processes."""
        if self.size == 1:
            return network
        return DistributedDataParallel(network)

    def gather(self, own: Tensor) -> Tensor:
        """Concatenate the tensors of all processes; gradients reach only this process's tensor.

        Compute a loss of the result and multiply it by `size`. Averaged over the processes, its gradient is that of the
        loss of the whole batch, even if the loss is not a sum over patches.

        Args:
            own: ``(N, ...)`` tensor of this process, of the same shape in all processes.

        Returns:
            ``(size * N, ...)`` tensor, in the order of the ranks.
        """
        if self.size == 1:
            return own
        parts = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(parts, own.detach().contiguous())
        parts[self.rank] = own
        return torch.cat(parts)

    def agree(self, *, stop: bool, elapsed_s: float) -> tuple[bool, float]:
        """Combine the stop flags (any) and times (longest) of all processes."""
        if self.size == 1:
            return stop, elapsed_s
        values = torch.tensor([float(stop), elapsed_s], dtype=torch.float64, device=self.device)
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return bool(values[0] > 0), float(values[1])

    def broadcast(self, value: _Value) -> _Value:
        """Return the value of process 0."""
        if self.size == 1:
            return value
        values: list[Any] = [value]
        dist.broadcast_object_list(values, src=0, device=self.device)
        return cast(_Value, values[0])


@contextlib.contextmanager
def join_team(device: torch.device) -> Iterator[Team]:
    """Join the processes that ``torchrun`` started, for the duration of the block.

    ``torchrun`` sets the number of processes (``WORLD_SIZE``) and the number of this one (``RANK``) in the environment.
    Without them the team has one process. For ``cuda`` without a number, each process takes its own GPU
    (``LOCAL_RANK``).

    Args:
        device: Device to compute on.

    Yields:
        The team.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(device)
        return
    if str(device) == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(device, dist.get_rank(), size)
    finally:
        dist.destroy_process_group()


class _SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes; PyTorch has it only for GPUs."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        if not self.training or self.running_mean is None or self.running_var is None:
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            wide = input.float()
            count = input.numel() // input.shape[1] * dist.get_world_size()
            mean = _sum_over_processes(wide.sum(dim=(0, 2, 3))) / count
            centred = wide - mean[:, None, None]
            variance = _sum_over_processes((centred * centred).sum(dim=(0, 2, 3))) / count
            self._update_running(mean.detach(), variance.detach() * (count / max(count - 1, 1)))
            factor = torch.rsqrt(variance + self.eps)
            if self.affine:
                factor = factor * self.weight
            answer: Tensor = centred * factor[:, None, None]
            if self.affine:
                answer = answer + self.bias[:, None, None]
            return answer.to(input.dtype)

    def _update_running(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics with those of a batch."""
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        for running, now in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None:
                running.lerp_(now, 0.1 if self.momentum is None else self.momentum)


class _Sum(torch.autograd.Function):
    """Sum of a tensor over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_: Any, own: Tensor) -> Tensor:
        return _all_reduce(own)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return _all_reduce(gradients[0])


def _all_reduce(own: Tensor) -> Tensor:
    total = own.clone()
    dist.all_reduce(total)
    return total


def _sum_over_processes(own: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, with its gradient."""
    total: Tensor = _Sum.apply(own)
    return total
