"""Batches of patches for one process of a training, prepared beside it; what cannot be read ends it in one line."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from crackseg.errors import CracksegError, TrainingError
from crackseg.machine import interrupts_held, usable_cores
from crackseg.training.config import TrainConfig
from crackseg.training.distributed import Team
from crackseg.training.patches import PatchDataset


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Patches to train on at once.

    Attributes:
        images: ``(N, P, P, 3) uint8`` RGB pixels.
        target: ``(N, 1 + planes, P, P)``: the masks, and what the losses need beside them.
        numbers: Which patches these are; equal numbers are equal patches.
    """

    images: Tensor
    target: Tensor
    numbers: tuple[int, ...]

    def parts(self, size: int) -> Iterator[Batch]:
        """Yield the batch in parts of at most ``size`` patches."""
        for start in range(0, len(self.numbers), size):
            part = slice(start, start + size)
            yield Batch(self.images[part], self.target[part], self.numbers[part])


def iter_batches(
    patches: PatchDataset, config: TrainConfig, steps: Iterable[int], team: Team
) -> Generator[Batch, None, None]:
    """Yield the batches of one process: for each step as many as it adds up.

    The processes that prepare them end with the generator.

    Step ``s`` of a training takes the same patches however many processes share it: `Team.size` processes with
    batches of ``b`` take those of one with batches of ``size * b``.

    Args:
        patches: Where they come from.
        config: The training.
        steps: The steps, of which there may be no end.
        team: The processes; the batches of this one are yielded.

    Raises:
        TrainingError: If a process that prepares patches was killed.
        CracksegError: What reading a sample raises.
    """
    asked, given = itertools.tee(_numbers(config, steps, team))
    loader: DataLoader[Any] = DataLoader(
        _Careful(patches),
        batch_sampler=asked,
        num_workers=_workers(config, team),
        pin_memory=team.device.type == "cuda",
        worker_init_fn=_start_worker,
        collate_fn=_collate,
    )
    with interrupts_held():
        found = iter(loader)
    try:
        for patch_numbers, item in zip(given, found, strict=True):
            if isinstance(item, CracksegError):
                raise item
            images, target = item
            planes = target if target.ndim == 4 else target[:, None]
            yield Batch(images, planes, tuple(patches.identity(number) for number in patch_numbers))
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise TrainingError(
            "a process that prepares patches was killed",
            hint="is there memory enough? lower data.cache_mb or set workers=0; --resume goes on",
        ) from error


def _numbers(config: TrainConfig, steps: Iterable[int], team: Team) -> Iterator[list[int]]:
    """Yield the numbers of the patches of each batch."""
    size, accumulate = config.data.batch_size, config.optimiser.accumulate
    for step in steps:
        for turn in range(accumulate):
            first = ((step * accumulate + turn) * team.size + team.rank) * size
            yield list(range(first, first + size))


class _Careful(Dataset[Any]):
    """Patches; an error of ours takes a patch's place, since a worker process would hand it on as a traceback."""

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
    """Keep a worker that prepares patches to one thread."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
