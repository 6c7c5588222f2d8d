"""Several processes that train one network: who they are, what they agree on, and what they add up."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as messages
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from crackseg.errors import ConfigError

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of a training; of one, every method gives back what it was given.

    Attributes:
        device: Where this process computes.
        rank: Its number, from 0; number 0 validates and writes.
        size: How many there are.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process validates and writes."""
        return self.rank == 0

    def prepare(self, network: nn.Module) -> None:
        """Let the batch normalisation of a network, in place, see the batches of all processes.

        Raises:
            ConfigError: If the network normalises batches in a way that cannot be shared.
        """
        if self.size == 1:
            return
        for module in network.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = _SharedBatchNorm2d
            elif isinstance(module, _BatchNorm) and not isinstance(module, _SharedBatchNorm2d):
                raise ConfigError(
                    f"its {type(module).__name__} cannot be trained in several processes",
                    where="network.encoder",
                    hint="choose an encoder that is not from timm",
                )

    def wrapped(self, network: nn.Module) -> nn.Module:
        """Return a network whose backward pass averages gradients over the processes."""
        if self.size == 1:
            return network
        return DistributedDataParallel(network)

    def gathered(self, mine: Tensor) -> Tensor:
        """Return the tensors of all processes, joined along the first axis; gradients reach this process's own alone.

        A loss of the result, times `size`, gives after averaging the gradient of the loss of the joined batch, whether
        or not the loss is a sum over patches.
        """
        if self.size == 1:
            return mine
        parts = [torch.empty_like(mine) for _ in range(self.size)]
        messages.all_gather(parts, mine.detach().contiguous())
        parts[self.rank] = mine
        return torch.cat(parts)

    def agreed(self, *, wish: bool, seconds: float) -> tuple[bool, float]:
        """Return whether any process has a wish, and the longest time."""
        if self.size == 1:
            return wish, seconds
        values = torch.tensor([float(wish), seconds], dtype=torch.float64, device=self.device)
        messages.all_reduce(values, messages.ReduceOp.MAX)
        return bool(values[0] > 0), float(values[1])

    def told(self, value: _Value) -> _Value:
        """Return the value that process 0 has."""
        if self.size == 1:
            return value
        parcel: list[Any] = [value]
        messages.broadcast_object_list(parcel, src=0, device=self.device)
        return cast(_Value, parcel[0])


@contextlib.contextmanager
def joined_team(device: torch.device) -> Iterator[Team]:
    """Join the processes that ``torchrun`` has started together with this one, for as long as the block lasts.

    ``torchrun`` says in the environment how many there are (``WORLD_SIZE``) and which this one is (``RANK``). Without
    it, this process is alone. Where a GPU is asked for without a number, each takes its own (``LOCAL_RANK``).

    Args:
        device: Where to compute.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(device)
        return
    if str(device) == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    messages.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(device, messages.get_rank(), size)
    finally:
        messages.destroy_process_group()


class _SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes, on any device; torch has it for GPUs alone."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch calls it so
        if not self.training or self.running_mean is None or self.running_var is None:
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            wide = input.float()
            count = input.numel() // input.shape[1] * messages.get_world_size()
            mean = _summed(wide.sum(dim=(0, 2, 3))) / count
            centred = wide - mean[:, None, None]
            variance = _summed((centred * centred).sum(dim=(0, 2, 3))) / count
            self._note(mean.detach(), variance.detach() * (count / max(count - 1, 1)))
            factor = torch.rsqrt(variance + self.eps)
            if self.affine:
                factor = factor * self.weight
            answer: Tensor = centred * factor[:, None, None]
            if self.affine:
                answer = answer + self.bias[:, None, None]
            return answer.to(input.dtype)

    def _note(self, mean: Tensor, variance: Tensor) -> None:
        """Take the statistics of a batch into the running ones."""
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        for running, now in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None:
                running.lerp_(now, 0.1 if self.momentum is None else self.momentum)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_: Any, mine: Tensor) -> Tensor:
        return _added_up(mine)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return _added_up(gradients[0])


def _added_up(mine: Tensor) -> Tensor:
    total = mine.clone()
    messages.all_reduce(total)
    return total


def _summed(mine: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, gradients included."""
    total: Tensor = _Sum.apply(mine)
    return total
