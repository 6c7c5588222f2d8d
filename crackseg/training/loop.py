"""Run the steps of a training."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from crackseg.errors import ModelError, TrainingError
from crackseg.imaging.samples import VOID
from crackseg.networks.factory import SegmentationNetwork, normalise
from crackseg.networks.precision import keep_strided_depthwise_float32
from crackseg.parallel import Progress, ProgressCallback
from crackseg.training.batch_check import needs_two_patches
from crackseg.training.collapse_guard import CollapseGuard
from crackseg.training.config import TrainConfig
from crackseg.training.distillation import load_teacher, teacher_loss
from crackseg.training.distributed import Team
from crackseg.training.feature_cache import FeatureCache
from crackseg.training.loader import Batch, iter_batches
from crackseg.training.loss_sum import total_loss
from crackseg.training.optimiser import clip_gradients, find_encoder, freeze, make_optimiser, restore_averages, set_rate
from crackseg.training.patches import PatchDataset
from crackseg.training.resume import ResumeState
from crackseg.training.schedule import learning_rate, share_done


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProgress(Progress):
    """Progress of a training: ``done`` is its finished share, of a ``total`` of 1.

    Attributes:
        step: Finished steps.
        loss: Loss of the last step; with `row`, the mean over the epoch.
        row: Row of ``metrics.csv`` that an epoch has just completed; None between epochs.
        phase: Work other than steps, such as a validation, with its progress; empty during steps.
    """

    step: int
    loss: float
    row: Mapping[str, float] | None = None
    phase: str = ""


TrainingCallback = Callable[[TrainingProgress], None]
"""Function that a training calls with its progress; every `ProgressCallback` is one."""


def ignore_progress(_: TrainingProgress) -> None:
    """Ignore the progress of a training."""


def as_phase(progress: TrainingCallback) -> ProgressCallback:
    """Return a callback that shows other work as a phase."""

    def show(work: Progress) -> None:
        phase = f"{work.note}: {work.done:.0f} of {work.total:.0f}"
        progress(TrainingProgress(0.0, 1.0, step=0, loss=0.0, phase=phase))

    return show


class Loop:
    """Network, moving average, optimiser and counters of a running training.

    Args:
        network: Network to train.
        patches: Training patches.
        config: Configuration of the training.
        epoch_steps: Number of steps between two validations.
        team: Processes that share the work, and the device of this one.
        bfloat16: Compute in bfloat16.

    Raises:
        CracksegError: Any error of `load_teacher`.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        patches: PatchDataset,
        config: TrainConfig,
        *,
        epoch_steps: int,
        team: Team,
        bfloat16: bool,
    ) -> None:
        device = team.device
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        team.prepare(self.network)
        if bfloat16 and device.type == "cpu":
            keep_strided_depthwise_float32(self.network)
        self.step = 0
        self.epoch_steps = epoch_steps
        self.guard = CollapseGuard()
        self._config = config
        self._patches = patches
        self._team = team
        self._bfloat16 = bfloat16
        self._teacher = load_teacher(config.teacher, config.network, device=device, bfloat16=bfloat16)
        self._optimiser = make_optimiser(self.network, config.optimiser)
        # Walking through the modules takes as long as the arithmetic, so this happens once.
        self._parameters = tuple(self.network.parameters())
        pairs = list(zip(_tensors(self.average), _tensors(self.network), strict=True))
        self._averaged = _unzip([pair for pair in pairs if pair[0].is_floating_point()])
        self._counted = [pair for pair in pairs if not pair[0].is_floating_point()]
        self._parallel: nn.Module | None = None
        self._frozen = False
        self._features: FeatureCache | None = None
        self._batches: Generator[Batch, None, None] | None = None
        self._at_once = config.data.batch_size
        self._elapsed_s = 0.0
        self._started_s = time.monotonic()
        self._loss_sum, self._loss_count = 0.0, 0

    @property
    def elapsed_s(self) -> float:
        """Wall time of the training in seconds, without pauses between sessions."""
        return self._elapsed_s + time.monotonic() - self._started_s

    @property
    def done(self) -> float:
        """Finished share in [0, 1], by the clock of this process."""
        return self._done_at(self.elapsed_s)

    def _done_at(self, elapsed_s: float) -> float:
        return share_done(self._config.schedule, step=self.step, epoch_steps=self.epoch_steps, elapsed_s=elapsed_s)

    @property
    def current_learning_rate(self) -> float:
        """Learning rate of the next step."""
        return learning_rate(self._config.optimiser, self.done)

    def run_epoch(self, *, stopped: Callable[[], bool], progress: TrainingCallback) -> bool:
        """Train to the end of the epoch.

        Args:
            stopped: Returns True if the training should stop after the current step.
            progress: Called after every step.

        Returns:
            True if the epoch is complete, False if the training was stopped before.

        Raises:
            TrainingError: If the loss is not finite, no patch holds a crack, or memory is too small for one patch.
            CracksegError: Any error of reading a sample.
        """
        self.network.train()
        self._set_frozen(frozen=self._frozen)
        end = (self.step // self.epoch_steps + 1) * self.epoch_steps
        while self.step < end:
            group = self._next_group()
            stop, elapsed_s = self._team.agree(stop=stopped(), elapsed_s=self.elapsed_s)
            if stop:
                self.close()
                return False
            done = self._done_at(elapsed_s)
            self._update_freezing(done)
            loss = self.train_step(group, rate=learning_rate(self._config.optimiser, done), progress=progress)
            progress(TrainingProgress(self.done, 1.0, step=self.step, loss=loss))
            if self._done_at(elapsed_s) >= 1:
                break
        return True

    def _next_group(self) -> list[Batch]:
        """Return the batches of the next step, prepared in advance."""
        if self._batches is None:
            self._batches = iter_batches(self._patches, self._config, itertools.count(self.step), self._team)
        return list(itertools.islice(self._batches, self._config.optimiser.accumulate))

    def close(self) -> None:
        """Stop the processes that prepare patches; the next epoch starts them again."""
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def take_mean_loss(self) -> float:
        """Return the mean loss of the epoch and reset it."""
        mean = self._loss_sum / max(self._loss_count, 1)
        self._loss_sum, self._loss_count = 0.0, 0
        return mean

    def train_step(self, group: Sequence[Batch], *, rate: float, progress: TrainingCallback = ignore_progress) -> float:
        """Train one step and return its loss.

        Args:
            group: Batches whose gradients are added.
            rate: Learning rate.
            progress: Called if a step has to be computed in smaller parts because memory is short.

        Raises:
            TrainingError: If the loss is not finite, no patch holds a crack, or memory is too small for one patch.
        """
        torch.manual_seed(self._config.seed * 1_000_003 + self.step)
        set_rate(self._optimiser, rate)
        while (value := self._add_gradients(group)) is None:
            self._halve(progress)
        clip_gradients(self._parameters, self._config.optimiser.gradient_clip)
        self._optimiser.step()
        self.step += 1
        self._update_average()
        self._loss_sum += value
        self._loss_count += 1
        return value

    def _add_gradients(self, group: Sequence[Batch]) -> float | None:
        """Add the gradients of batches; return their loss, or None without memory."""
        self._optimiser.zero_grad(set_to_none=True)
        patches = sum(len(batch.numbers) for batch in group)
        value = 0.0
        try:
            for part in (part for batch in group for part in batch.parts(self._at_once)):
                loss = self._loss(part)
                share = len(part.numbers) / patches
                value += share * self._check_finite(loss)
                # Each process has the gradient of its own patches, and these are averaged.
                (loss * (share * self._team.size)).backward()  # type: ignore[no-untyped-call]
        except (MemoryError, RuntimeError, ValueError) as error:
            if needs_two_patches(error):
                raise TrainingError(
                    f"out of memory for {_patches(self._config.data.batch_size)}, and the network needs two at once",
                    hint="lower data.patch_px, or choose another network.arch; then start again",
                ) from error
            if not _is_out_of_memory(error):
                raise
            return None
        return value

    def _loss(self, part: Batch) -> Tensor:
        device = self._team.device
        if self._parallel is None:
            self._parallel = self._team.wrap(self.network)
        if self._features is not None:
            self._features.expect(part.numbers)
        images = normalise(part.images.to(device, non_blocking=True)).contiguous(memory_format=torch.channels_last)
        target = self._team.gather(part.target.to(device, non_blocking=True).float())
        if self.guard.waits:
            has_crack = bool(((target[:, 0] > 0) & (target[:, 0] != VOID)).any())
            self.guard.check_batch(has_crack=has_crack, patches=len(target))
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bfloat16):
            output = self._parallel(images, deep=True)
        outputs = output if isinstance(output, tuple) else (output,)
        logits = tuple(self._team.gather(part) for part in outputs)
        loss = total_loss(logits, target, self._config.loss)
        if self._teacher is None:
            return loss
        probability = self._team.gather(self._teacher(images))
        return torch.lerp(loss, teacher_loss(logits, probability), self._config.teacher.weight)

    def _check_finite(self, loss: Tensor) -> float:
        value = float(loss.detach())
        if not abs(value) < float("inf"):
            raise TrainingError(
                f"the loss is {value} at step {self.step}",
                hint="lower optimiser.learning_rate or set precision=fp32; --resume continues from the last epoch",
            )
        return value

    def _halve(self, progress: TrainingCallback) -> None:
        """Halve the number of patches computed at once, and add their gradients."""
        self._optimiser.zero_grad(set_to_none=True)
        if self._team.device.type == "cuda":
            torch.cuda.empty_cache()
        if self._at_once == 1 or self._team.size > 1:
            raise TrainingError(
                f"out of memory for {_patches(self._at_once)} of {self._config.data.patch_px} px",
                hint="lower data.batch_size or data.patch_px, or choose a smaller network; then continue with --resume",
            )
        self._at_once = (self._at_once + 1) // 2
        note = f"out of memory; from now on {_patches(self._at_once)} at once, with their gradients added"
        progress(TrainingProgress(self.done, 1.0, note, step=self.step, loss=0.0))

    def _update_freezing(self, done: float) -> None:
        frozen = done < self._config.optimiser.frozen
        if frozen != self._frozen:
            self._set_frozen(frozen=frozen)

    def _set_frozen(self, *, frozen: bool) -> None:
        """Freeze or train the encoder; cache features of repeated patches while frozen."""
        if frozen or self._frozen:
            encoder = find_encoder(self.network)
            freeze(encoder, frozen=frozen)
            if frozen and self._features is None and self._config.data.distinct_patches is not None:
                self._features = FeatureCache(encoder, limit_bytes=self._config.data.cache_mb * 1_000_000)
        if not frozen and self._features is not None:
            self._features.detach()
            self._features = None
        if frozen != self._frozen:
            self._parallel = None
        self._frozen = frozen

    def _update_average(self) -> None:
        decay = min(self._config.optimiser.ema_decay, (1 + self.step) / (10 + self.step))
        means, now = self._averaged
        with torch.no_grad():
            average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            average(means, now, None)
            for mean, count in self._counted:
                mean.copy_(count)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors (of any shape) and values that `restore` reads."""
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
        """Continue from a saved state.

        Args:
            state: Saved state.
            where: File of the state, for error messages.

        Raises:
            ModelError: If the state belongs to another network.
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
                "the state belongs to another network", where=where, hint="use the configuration of the run"
            ) from error
        restore_averages(self._optimiser, parts["optimiser"])
        self.step = int(state.values["step"])
        self._elapsed_s = float(state.values["elapsed_s"])
        self._started_s = time.monotonic()
        self._loss_sum, self._loss_count = float(state.values["loss_sum"]), int(state.values["loss_count"])


def _tensors(network: nn.Module) -> list[Tensor]:
    """Return weights and running statistics in the order of the modules."""
    return [*network.parameters(), *network.buffers()]


def _unzip(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [mean for mean, _ in pairs], [now for _, now in pairs]


def _patches(count: int) -> str:
    return f"{count} patch" if count == 1 else f"{count} patches"


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)
