"""Network, average, optimiser and counters of a training, and the steps that move them."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from crackseg.errors import ModelError, TrainingError
from crackseg.machine import interrupts_held, usable_cores
from crackseg.nn.checkpoint import ResumeState
from crackseg.nn.factory import SegmentationNetwork, normalise
from crackseg.nn.guards import CollapseGuard
from crackseg.nn.losses import total_loss
from crackseg.nn.patches import PatchDataset
from crackseg.nn.precision import keep_strided_depthwise_float32
from crackseg.nn.schedule import learning_rate, progress
from crackseg.nn.train_config import TrainConfig


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """One message of a running training.

    Attributes:
        done: Share of the training that is done, in [0, 1].
        step: Steps done.
        loss: Loss of the last step, or the epoch's mean where `row` is set.
        row: The row of ``metrics.csv`` just completed, if an epoch has ended.
    """

    done: float
    step: int
    loss: float
    row: Mapping[str, float] | None = None


class Loop:
    """A training between its first step and its last.

    Args:
        network: The network to train.
        patches: What to train it on.
        config: The training.
        epoch_steps: Steps between two validations.
        device: Where to compute.
        bfloat16: Whether to compute in bfloat16.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        patches: PatchDataset,
        config: TrainConfig,
        *,
        epoch_steps: int,
        device: torch.device,
        bfloat16: bool,
    ) -> None:
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        if bfloat16 and device.type == "cpu":
            keep_strided_depthwise_float32(self.network)
        self.step = 0
        self.epoch_steps = epoch_steps
        self.guard = CollapseGuard()
        self._config = config
        self._patches = patches
        self._device = device
        self._bfloat16 = bfloat16
        self._optimiser = _optimiser(self.network, config)
        self._elapsed_s = 0.0
        self._started_s = time.monotonic()
        self._loss_sum, self._loss_count = 0.0, 0

    @property
    def elapsed_s(self) -> float:
        """Wall time of the training, pauses between two sessions left out, in seconds."""
        return self._elapsed_s + time.monotonic() - self._started_s

    @property
    def done(self) -> float:
        """Share of the training that is done, in [0, 1]."""
        schedule = self._config.schedule
        return progress(schedule, step=self.step, epoch_steps=self.epoch_steps, elapsed_s=self.elapsed_s)

    @property
    def current_learning_rate(self) -> float:
        """Learning rate of the next step."""
        return learning_rate(self._config.optimiser, self.done)

    def run_epoch(self, *, stopped: Callable[[], bool], report: Callable[[TrainingProgress], None]) -> bool:
        """Train to the end of the epoch.

        Returns:
            Whether it got there; False if it was stopped before.

        Raises:
            TrainingError: If the loss is no longer finite, or no patch holds a crack.
        """
        self.network.train()
        for image, mask in self._batches():
            if stopped():
                return False
            loss = self._train_step(image, mask)
            report(TrainingProgress(self.done, self.step, loss))
            if self.done >= 1:
                break
        return True

    def take_mean_loss(self) -> float:
        """Return the mean loss of the epoch, and begin the next."""
        mean = self._loss_sum / max(self._loss_count, 1)
        self._loss_sum, self._loss_count = 0.0, 0
        return mean

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches from the current step to the end of its epoch."""
        last = (self.step // self.epoch_steps + 1) * self.epoch_steps
        size = self._config.data.batch_size
        loader = DataLoader(
            self._patches,
            batch_size=size,
            sampler=range(self.step * size, last * size),
            num_workers=self._workers(),
            pin_memory=self._device.type == "cuda",
            worker_init_fn=_start_worker,
        )
        with interrupts_held():
            batches = iter(loader)
        yield from batches

    def _workers(self) -> int:
        if self._config.workers is not None:
            return self._config.workers
        return 1 if self._device.type == "cpu" else max(1, usable_cores() - 1)

    def _train_step(self, image: Tensor, mask: Tensor) -> float:
        self.guard.check_batch(has_crack=bool(mask.any()), patches=len(mask))
        torch.manual_seed(self._config.seed * 1_000_003 + self.step)
        for group in self._optimiser.param_groups:
            group["lr"] = self.current_learning_rate
        image = normalise(image.to(self._device, non_blocking=True)).contiguous(memory_format=torch.channels_last)
        target = mask.to(self._device, non_blocking=True)[:, None].float()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            logits = self.network(image)
        loss = total_loss(logits, target, self._config.loss)
        value = float(loss.detach())
        if not abs(value) < float("inf"):
            raise TrainingError(
                f"the loss is {value} at step {self.step}",
                hint="lower optimiser.learning_rate, or set precision=fp32; --resume goes on from the last epoch",
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self._config.optimiser.gradient_clip)
        self._optimiser.step()
        self.step += 1
        self._update_average()
        self._loss_sum += value
        self._loss_count += 1
        return value

    def _update_average(self) -> None:
        decay = min(self._config.optimiser.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(now, 1 - decay)
                else:
                    mean.copy_(now)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and values from which `restore` makes this loop again."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for index, slots in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in slots.items()}
        values = {
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "loss_sum": self._loss_sum,
            "loss_count": self._loss_count,
        }
        return tensors, values

    def restore(self, state: ResumeState, *, where: Path) -> None:
        """Go on from a saved state.

        Raises:
            ModelError: If it is the state of another network.
        """
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimiser": {}}
        for name, tensor in state.tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        try:
            self.network.load_state_dict(parts["network"])
            self.average.load_state_dict(parts["average"])
        except RuntimeError as error:
            raise ModelError(
                "is the state of another network", where=where, hint="use the same configuration"
            ) from error
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            index, _, slot = name.partition(".")
            slots.setdefault(int(index), {})[slot] = tensor
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": slots})
        self.step = int(state.values["step"])
        self._elapsed_s = float(state.values["elapsed_s"])
        self._started_s = time.monotonic()
        self._loss_sum, self._loss_count = float(state.values["loss_sum"]), int(state.values["loss_count"])


def _optimiser(network: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW; only kernels decay, not biases and normalisation."""
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": config.optimiser.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.optimiser.learning_rate)


def _start_worker(_: int) -> None:
    """Keep a worker that prepares patches to one thread."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
