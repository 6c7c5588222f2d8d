"""Run a network over images of any size in tiles that fit a stated memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ModelError, UsageError
from crackseg.imaging.codec import ArrayImage, ImageSource
from crackseg.prediction.tiling import TilePlan, crop_mirrored, plan_tiles, read_mirrored
from crackseg.runtimes.predictor import BYTES_PER_PX as BYTES_PER_PX
from crackseg.runtimes.predictor import Predictor, TileMemoryError, bytes_per_px_of, room_of

_Result = TypeVar("_Result")

DEFAULT_MEMORY_GIB = 2.0
"""Default memory for one tile in the network, in GiB."""

MAX_BATCH = 32
"""Largest number of inputs that go through a network at a time."""

_ROOM_SHARE = 0.8
"""Share of a device's free memory that tiles may take."""


@dataclass(frozen=True, slots=True)
class TileLimits:
    """Limits of a tile.

    Attributes:
        side_px: Largest side of a tile, in pixels; no limit if None.
        memory_gib: Memory for one tile in the network, in GiB.

    Raises:
        UsageError: If ``memory_gib`` is not positive and finite.
    """

    side_px: int | None = None
    memory_gib: float = DEFAULT_MEMORY_GIB

    def __post_init__(self) -> None:
        if not 0 < self.memory_gib < 1e6:
            raise UsageError(f"expected a memory of more than 0 GiB, got {self.memory_gib:g}", where="--memory")

    @property
    def memory_bytes(self) -> int:
        """Memory for one tile in the network, in bytes."""
        return int(self.memory_gib * 2**30)

    @classmethod
    def of(cls, predictor: Predictor, *, side_px: int | None = None, memory_gib: float | None = None) -> TileLimits:
        """Return the limits for a network.

        Args:
            predictor: The network.
            side_px: Largest side of a tile, in pixels; no limit if None.
            memory_gib: Memory for one tile, in GiB; if None, most of the free memory of a GPU, or the default.
        """
        if memory_gib is None:
            room_bytes = _ROOM_SHARE * room_of(predictor)
            memory_gib = room_bytes / 2**30 if room_bytes else DEFAULT_MEMORY_GIB
        return cls(side_px, memory_gib)

    def halved(self, plan: TilePlan, predictor: Predictor) -> TileLimits:
        """Return limits that allow half the largest tile of a plan."""
        return TileLimits(self.side_px, plan.largest_px * bytes_per_px_of(predictor) / 2**31)

    def plan(self, shape: tuple[int, int], predictor: Predictor) -> TilePlan:
        """Return the tiles of an image for a network.

        Args:
            shape: Image height and width ``(H, W)``, in pixels.
            predictor: The network.

        Raises:
            UsageError: If no tile is small enough.
        """
        try:
            return plan_tiles(
                shape,
                context=predictor.context,
                stride=predictor.stride,
                size=self.side_px,
                budget_px=self.memory_bytes // bytes_per_px_of(predictor),
            )
        except ValueError as error:
            raise UsageError(str(error), hint="choose a larger --tile or --memory") from error

    def batch(self, plan: TilePlan, predictor: Predictor) -> int:
        """Return the number of tiles per batch; 1 on a CPU."""
        if not room_of(predictor):
            return 1
        return min(max(self.memory_bytes // tile_bytes_of(plan, predictor), 1), MAX_BATCH)


def tile_bytes_of(plan: TilePlan, predictor: Predictor) -> int:
    """Return the memory for the largest tile of a plan, in bytes."""
    return bytes_per_px_of(predictor) * plan.largest_px


@dataclass(frozen=True, slots=True, eq=False)
class TiledProbability:
    """The crack probability of an image, with the tiles it was computed in.

    Attributes:
        probability: ``(H, W)`` float32 crack probability, in [0, 1].
        plan: The tiles.
    """

    probability: NDArray[np.float32]
    plan: TilePlan


def predict_probability(
    image: ImageSource,
    predictor: Predictor,
    *,
    tile_size: int | None = None,
    memory_gib: float = DEFAULT_MEMORY_GIB,
) -> NDArray[np.float32]:
    """Return the crack probability of an image of any size.

    If a tile finds no memory, the image is computed again in smaller tiles; the result is the same.

    Args:
        image: The image.
        predictor: The network.
        tile_size: Largest side of a tile, in pixels; no limit if None.
        memory_gib: Memory for one tile in the network, in GiB.

    Returns:
        ``(H, W)`` float32 crack probability, in [0, 1].

    Raises:
        UsageError: If the limits leave no room for the context of the network.
        ModelError: If the network returns NaN or infinity, or finds no memory for any tile.
    """
    return predict_tiled(image, predictor, TileLimits(tile_size, memory_gib)).probability


def predict_tiled(image: ImageSource, predictor: Predictor, limits: TileLimits) -> TiledProbability:
    """Return the crack probability of an image, with its tiles.

    See `predict_probability` for what happens if a tile finds no memory.

    Args:
        image: The image.
        predictor: The network.
        limits: Limits of a tile.

    Raises:
        UsageError: As `predict_probability` does.
        ModelError: As `predict_probability` does.
    """
    probability = np.empty(image.shape, dtype=np.float32)

    def fill(plan: TilePlan, batch: int) -> TiledProbability:
        for start, band in iter_bands(image, predictor, plan, batch=batch):
            probability[start : start + len(band)] = band
        return TiledProbability(probability, plan)

    return with_smaller_tiles(fill, image.shape, predictor, limits)


def with_smaller_tiles(
    run: Callable[[TilePlan, int], _Result], shape: tuple[int, int], predictor: Predictor, limits: TileLimits
) -> _Result:
    """Run a plan, or smaller ones while a tile finds no memory.

    Args:
        run: Called with a plan and the number of tiles to compute at a time.
        shape: Image height and width ``(H, W)``, in pixels.
        predictor: The network.
        limits: Limits of the first plan.

    Raises:
        UsageError: If the limits leave no room for the context of the network.
        TileMemoryError: If there is no memory for any tile.
    """
    plan = limits.plan(shape, predictor)
    while True:
        try:
            return run(plan, limits.batch(plan, predictor))
        except TileMemoryError as error:
            try:
                plan = (limits := limits.halved(plan, predictor)).plan(shape, predictor)
            except UsageError:
                raise error from None


def predict_alike(
    images: Sequence[NDArray[np.uint8]], predictor: Predictor, limits: TileLimits
) -> list[TiledProbability]:
    """Return the crack probability of images of one shape.

    They are computed together if each is one tile.

    Args:
        images: ``(H, W, 3)`` uint8 RGB pixels each.
        predictor: The network.
        limits: Limits of a tile.

    Returns:
        The crack probability of each image; the others do not change it.

    Raises:
        UsageError: If the limits leave no room for the context of the network.
        ModelError: If the network returns NaN or infinity, or finds no memory for any tile.
    """
    plan = limits.plan(images[0].shape[:2], predictor)
    if len(images) == 1 or len(plan) > 1:
        return [predict_tiled(ArrayImage(pixels), predictor, limits) for pixels in images]
    (tile,) = plan
    inputs = (crop_mirrored(pixels, tile.read) for pixels in images)
    part = tile.write.slices((tile.read.row0, tile.read.col0))
    try:
        outputs = list(run_batches(inputs, predictor, limits.batch(plan, predictor)))
    except TileMemoryError:
        return [predict_tiled(ArrayImage(pixels), predictor, limits) for pixels in images]
    return [TiledProbability(_check_finite(tiles[part]), plan) for tiles in outputs]


def run_batches(inputs: Iterable[NDArray[np.uint8]], predictor: Predictor, batch: int) -> Iterator[NDArray[np.float32]]:
    """Run a network on inputs in batches that fit the memory.

    Args:
        inputs: ``(h, w, 3)`` uint8 RGB pixels each, all of one size.
        predictor: The network.
        batch: Largest batch; it shrinks if one finds no memory.

    Returns:
        The ``(h, w)`` float32 crack probability of each input, in [0, 1], in input order.

    Raises:
        TileMemoryError: If there is no memory for a single input.
    """
    waiting = iter(inputs)
    while group := list(itertools.islice(waiting, batch)):
        while group:
            now = group[:batch]
            try:
                outputs = predictor(now[0][None] if len(now) == 1 else np.stack(now))
            except TileMemoryError:
                if len(now) == 1:
                    raise
                batch = len(now) // 2
                continue
            yield from outputs
            group = group[batch:]


def _check_finite(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a probability unchanged if it is finite.

    Raises:
        ModelError: If it holds NaN or infinity.
    """
    if not np.isfinite(probability).all():
        raise ModelError(
            "expected a probability, got NaN or infinity from the network",
            hint="its weights are damaged; train it again",
        )
    return probability


def iter_bands(
    image: ImageSource, predictor: Predictor, plan: TilePlan, *, batch: int = 1
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Run a network over an image, one row of tiles after another.

    Args:
        image: The image.
        predictor: The network.
        plan: The tiles.
        batch: Number of tiles to compute at a time.

    Returns:
        For each band its first image row and its ``(h, W)`` float32 crack probability, in [0, 1].

    Raises:
        TileMemoryError: If a tile finds no memory.
        ModelError: If the network returns NaN or infinity.
    """
    for tiles in plan.bands():
        top, bottom = tiles[0].write.row0, tiles[0].write.row1
        band = np.empty((bottom - top, plan.shape[1]), dtype=np.float32)
        inputs = (read_mirrored(image, tile.read) for tile in tiles)
        for tile, output in zip(tiles, run_batches(inputs, predictor, batch), strict=True):
            part = output[tile.write.slices((tile.read.row0, tile.read.col0))]
            band[tile.write.slices((top, 0))] = _check_finite(part)
        yield top, band
