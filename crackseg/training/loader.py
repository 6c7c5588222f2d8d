"""Prepare batches of patches in other processes."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from crackseg.errors import CracksegError, TrainingError
from crackseg.machine import isolate_workers, usable_cores
from crackseg.training.config import TrainConfig
from crackseg.training.distributed import Team
from crackseg.training.patches import PatchDataset


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A batch of training patches.

    Attributes:
        images: ``(N, P, P, 3)`` uint8 RGB pixels.
        target: ``(N, 1 + planes, P, P)`` masks of class numbers, uint8 or float32, and the planes that the losses need.
        numbers: Number of each patch; equal numbers are equal patches.
    """

    images: Tensor
    target: Tensor
    numbers: tuple[int, ...]

    def parts(self, size: int) -> Iterator[Batch]:
        """Split the batch into parts of at most ``size`` patches."""
        for start in range(0, len(self.numbers), size):
            part = slice(start, start + size)
            yield Batch(self.images[part], self.target[part], self.numbers[part])


def iter_batches(
    patches: PatchDataset, config: TrainConfig, steps: Iterable[int], team: Team
) -> Generator[Batch, None, None]:
    """Yield the batches of one process, ``optimiser.accumulate`` of them per step.

    The processes that prepare them end with the generator. The patches of a step do not depend on the number of
    training processes: `Team.size` processes with batches of ``b`` take those of one process with batches of
    ``size * b``.

    Args:
        patches: Training patches.
        config: Configuration of the training.
        steps: Numbers of the steps; may be endless.
        team: Training processes; the batches of this one are yielded.

    Raises:
        TrainingError: If a process that prepares patches was killed.
        CracksegError: Any error of reading a sample.
    """
    sampled, numbers = itertools.tee(_numbers(config, steps, team))
    loader: DataLoader[Any] = DataLoader(
        _ErrorsAsItems(patches),
        batch_sampler=sampled,
        num_workers=_workers(config, team),
        pin_memory=team.device.type == "cuda",
        worker_init_fn=_start_worker,
        collate_fn=_collate,
    )
    with isolate_workers():
        items = iter(loader)
    with name_killed_workers():
        for patch_numbers, item in zip(numbers, items, strict=True):
            if isinstance(item, CracksegError):
                raise item
            images, target = item
            planes = target if target.ndim == 4 else target[:, None]
            yield Batch(images, planes, tuple(patches.identity(number) for number in patch_numbers))


@contextlib.contextmanager
def name_killed_workers() -> Iterator[None]:
    """Turn the RuntimeError for a killed worker process into one line.

    PyTorch raises it in the main thread, wherever that is when the worker ends.

    Raises:
        TrainingError: If a process that prepares patches was killed.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise TrainingError(
            "a process that prepares patches was killed",
            hint="memory may be short; lower data.cache_mb or set workers=0, then continue with --resume",
        ) from error


def _numbers(config: TrainConfig, steps: Iterable[int], team: Team) -> Iterator[list[int]]:
    """Yield the patch numbers of each batch."""
    size, accumulate = config.data.batch_size, config.optimiser.accumulate
    for step in steps:
        for turn in range(accumulate):
            first = ((step * accumulate + turn) * team.size + team.rank) * size
            yield list(range(first, first + size))


class _ErrorsAsItems(Dataset[Any]):
    """Patches in which a CracksegError takes the place of a patch.

    Raised in a worker process, it would arrive as a traceback.
    """

    def __init__(self, patches: PatchDataset) -> None:
        self._patches = patches

    def __getitem__(self, index: int) -> Any:
        try:
            return self._patches[index]
        except CracksegError as error:
            return error


def _collate(items: Sequence[Any]) -> Any:
    return next((item for item in items if isinstance(item, CracksegError)), None) or default_collate(list(items))


def _workers(config: TrainConfig, team: Team) -> int:
    if config.workers is not None:
        return config.workers
    return 1 if team.device.type == "cpu" else max(1, usable_cores() // team.size - 1)


def _start_worker(_: int) -> None:
    """Limit a worker process to one thread."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
