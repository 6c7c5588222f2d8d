"""A network over an image of any size: tile by tile, within a stated memory, the same whatever the tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ModelError, UsageError
from crackseg.images import ImageSource
from crackseg.runtimes.predictor import Predictor, TileMemoryError
from crackseg.tiling import TilePlan, plan_tiles, read_mirrored

DEFAULT_MEMORY_GIB = 2.0
"""Memory that a tile may take in the network unless told otherwise, in GiB."""

BYTES_PER_PX = 280
"""Memory that a network is taken to need for each pixel of a tile; measured by ``benchmarks/predict_memory.py``."""


@dataclass(frozen=True, slots=True)
class TileLimits:
    """What bounds a tile.

    Attributes:
        side_px: Largest side of a tile, in pixels; no limit if None.
        memory_gib: Memory that a tile may take in the network, in GiB.
    """

    side_px: int | None = None
    memory_gib: float = DEFAULT_MEMORY_GIB

    def __post_init__(self) -> None:
        if not 0 < self.memory_gib < 1e6:
            raise UsageError(f"expected a memory of more than 0 GiB, got {self.memory_gib:g}", where="--memory")

    def halved(self, plan: TilePlan) -> TileLimits:
        """Return limits that allow half the tile of a plan that found no memory."""
        return TileLimits(self.side_px, plan.largest_px * BYTES_PER_PX / 2**31)

    def plan(self, shape: tuple[int, int], predictor: Predictor) -> TilePlan:
        """Cut an image of a shape for a network.

        Raises:
            UsageError: If no tile is small enough.
        """
        try:
            return plan_tiles(
                shape,
                context=predictor.context,
                stride=predictor.stride,
                size=self.side_px,
                budget_px=int(self.memory_gib * 2**30) // BYTES_PER_PX,
            )
        except ValueError as error:
            raise UsageError(str(error), hint="choose a larger --tile or --memory") from error


def predict_probability(
    image: ImageSource,
    predictor: Predictor,
    *,
    tile_size: int | None = None,
    memory_gib: float = DEFAULT_MEMORY_GIB,
) -> NDArray[np.float32]:
    """Run a network over an image of any size.

    Where a tile finds no memory, the image is cut smaller and begun again: the result is the same.

    Args:
        image: The image.
        predictor: The network.
        tile_size: Largest side of a tile, in pixels.
        memory_gib: Memory that a tile may take in the network, in GiB.

    Returns:
        ``(H, W)`` crack probability, in [0, 1].

    Raises:
        UsageError: If the limits leave no room beside the context of the network.
        ModelError: If the network answers with anything but finite numbers, or finds no memory for any tile.
    """
    limits = TileLimits(tile_size, memory_gib)
    probability = np.empty(image.shape, dtype=np.float32)
    plan = limits.plan(image.shape, predictor)
    while True:
        try:
            for start, band in iter_bands(image, predictor, plan):
                probability[start : start + len(band)] = band
        except TileMemoryError as error:
            try:
                plan = (limits := limits.halved(plan)).plan(image.shape, predictor)
            except UsageError:
                raise error from None
        else:
            return probability


def iter_bands(image: ImageSource, predictor: Predictor, plan: TilePlan) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Run a network over an image, one row of tiles after the other.

    Returns:
        For each, the first row of the image it is about and the ``(h, W)`` crack probability, in [0, 1].

    Raises:
        TileMemoryError: If a tile finds no memory.
        ModelError: If the network answers with anything but finite numbers.
    """
    for tiles in plan.bands():
        top = tiles[0].write.row0
        parts = []
        for tile in tiles:
            answer = predictor(read_mirrored(image, tile.read)[None])[0]
            part = answer[tile.write.slices((tile.read.row0, tile.read.col0))]
            if not np.isfinite(part).all():
                raise ModelError(
                    "the network answered with NaN or infinity", hint="its weights are damaged; train it again"
                )
            parts.append(part)
        yield top, parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
