"""Predict many images: decide which are computed at once, and in which threads."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from crackseg.errors import CracksegError
from crackseg.imaging.codec import image_size
from crackseg.machine import usable_cores
from crackseg.parallel import MemoryBudget, map_in_order
from crackseg.prediction.decoding import DecodedImage, ReadAhead, decode_file
from crackseg.prediction.result import PredictionFailure, PredictionResult, TooLargeError
from crackseg.prediction.steps import Segmentation, Steps
from crackseg.prediction.tiled import tile_bytes_of
from crackseg.runtimes.predictor import SplitPredictor, room_of

_Result = TypeVar("_Result")

_LEAST_SHARE_OF_CORES = 0.75
"""Images are computed one per core if the memory has room for this share of the cores."""


def predict_each(
    steps: Steps, images: Iterable[str | os.PathLike[str]] | ReadAhead, use: Callable[[PredictionResult], _Result]
) -> Iterator[_Result]:
    """Predict images in their order and apply ``use`` to each result.

    Each core computes its own image, from reading to ``use``, if the image is one tile and the tile memory has room
    for enough of them: three quarters of the number of cores. Any other image has the network to itself, with all
    cores. So does every image of a network that cannot be split.

    Args:
        steps: The model's steps, from `crackseg.prediction.model.Model.steps`.
        images: Paths, or files that are already being read.
        use: Called with each result, in several threads.

    Raises:
        UsageError: If the tiles are too small.
        ModelError: If the network returns NaN or infinity, or finds no memory for any tile.
    """
    if isinstance(images, ReadAhead):
        return map(use, _predict_in_turn(steps, images))
    paths, cores = iter(images), usable_cores()
    first = list(itertools.islice(paths, 2))
    paths, predictor = itertools.chain(first, paths), steps.network.predictor
    if len(first) > 1 and cores > 1 and steps.network.tta != "scales" and isinstance(predictor, SplitPredictor):
        one = _ImagePerCore(steps, steps.with_predictor(predictor.one_thread()), cores)
        return map_in_order(lambda path: use(one(path)), paths, threads=cores, max_pending=one.max_pending)
    ahead = ReadAhead(paths, at_once=cores if room_of(predictor) else 1)
    return map(use, _predict_in_turn(steps, ahead))


def _predict_in_turn(steps: Steps, images: ReadAhead) -> Iterator[PredictionResult]:
    """Predict images in turn, one ahead of the caller."""
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="crackseg-network")
    computed = steps.network.run_each(images)

    def compute_next() -> tuple[DecodedImage, Segmentation] | PredictionFailure | None:
        item = next(computed, None)
        if not isinstance(item, tuple):
            return item
        image, tiled = item
        return image, steps.threshold(image, tiled)

    pending = pool.submit(compute_next)
    try:
        while (segmented := pending.result()) is not None:
            # The caller now streams an image that is too large, and needs the memory.
            alone = isinstance(segmented, PredictionFailure) and isinstance(segmented.error, TooLargeError)
            if not alone:
                pending = pool.submit(compute_next)
            yield segmented if isinstance(segmented, PredictionFailure) else steps.result_or_failure(*segmented)
            if alone:
                pending = pool.submit(compute_next)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _ImagePerCore:
    """Predicts one image of many in the thread that calls it.

    Args:
        whole: Steps whose network computes with all cores.
        split: Steps whose network computes with one core for each thread.
        cores: Cores there are.
    """

    def __init__(self, whole: Steps, split: Steps, cores: int) -> None:
        self._whole, self._split, self._cores = whole, split, cores
        self._budget = MemoryBudget(whole.network.limits.memory_bytes)

    def __call__(self, path: str | os.PathLike[str]) -> PredictionResult:
        """Return the result of an image file."""
        image = decode_file(path)
        if isinstance(image, PredictionFailure):
            return image
        share_bytes = self._share_bytes(image.shape)
        steps = self._split if share_bytes else self._whole
        with self._budget.reserve(share_bytes or self._budget.size_bytes):
            segmentation = steps.threshold(image, steps.run(image))
        return steps.result_or_failure(image, segmentation)

    def _share_bytes(self, shape: tuple[int, int]) -> int:
        """Return the memory per image; 0 if all cores share one."""
        network = self._split.network
        plan = network.plan(shape)
        share_bytes = tile_bytes_of(plan, network.predictor)
        at_once = min(self._budget.size_bytes // share_bytes, self._cores)
        return share_bytes if len(plan) == 1 and at_once >= _LEAST_SHARE_OF_CORES * self._cores else 0

    def max_pending(self, path: str | os.PathLike[str]) -> int:
        """Return how many images may be in progress while this one is.

        Two per core if each computes its own image, and two if all cores share one. One if the image is too large to be
        read whole: the caller then streams it, and needs the memory.
        """
        try:
            shape = image_size(Path(path))
        except CracksegError:
            return 1 if Path(path).suffix.lower() in (".tif", ".tiff") else 2 * self._cores
        return 2 * self._cores if self._share_bytes(shape) else 2
