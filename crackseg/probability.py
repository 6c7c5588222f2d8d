"""A network over an image of any size: tile by tile, within a stated memory, the same whatever the tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ModelError, UsageError
from crackseg.images import ImageSource
from crackseg.runtimes.predictor import Predictor, TileMemoryError
from crackseg.tiling import TilePlan, plan_tiles, read_mirrored

_Result = TypeVar("_Result")

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
    probability = np.empty(image.shape, dtype=np.float32)

    def fill(plan: TilePlan) -> None:
        for start, band in iter_bands(image, predictor, plan):
            probability[start : start + len(band)] = band

    with_smaller_tiles(fill, image.shape, predictor, TileLimits(tile_size, memory_gib))
    return probability


def with_smaller_tiles(
    run: Callable[[TilePlan], _Result], shape: tuple[int, int], predictor: Predictor, limits: TileLimits
) -> _Result:
    """Do something with the plan of an image, and begin again with smaller tiles where one finds no memory.

    Args:
        run: What to do.
        shape: Height and width of the image, in pixels.
        predictor: The network.
        limits: What bounds the first plan.

    Raises:
        UsageError: If the limits leave no room beside the context of the network.
        TileMemoryError: If there is no memory for any tile.
    """
    plan = limits.plan(shape, predictor)
    while True:
        try:
            return run(plan)
        except TileMemoryError as error:
            try:
                plan = (limits := limits.halved(plan)).plan(shape, predictor)
            except UsageError:
                raise error from None


def find_mask(probability: NDArray[np.float32], *, threshold: float, low: float | None = None) -> NDArray[np.bool_]:
    """Tell which pixels are crack.

    Args:
        probability: ``(H, W)``, in [0, 1].
        threshold: Probability from which a pixel counts as crack.
        low: With hysteresis, the probability from which a pixel counts that hangs together, over its eight neighbours,
            with one at the threshold.

    Returns:
        ``(H, W)`` mask.

    Source:
        Canny, "A Computational Approach to Edge Detection", PAMI 1986, section VII: thresholding with hysteresis.
    """
    certain = probability >= threshold
    if low is None or low >= threshold:
        return certain
    count, labels = cv2.connectedComponents((probability >= low).view(np.uint8), connectivity=8)
    kept = np.zeros(count, dtype=np.bool_)
    kept[np.asarray(labels)[certain]] = True
    return np.asarray(kept[labels])


def iter_bands(image: ImageSource, predictor: Predictor, plan: TilePlan) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Run a network over an image, one row of tiles after the other.

    Returns:
        For each, the first row of the image it is about and the ``(h, W)`` crack probability, in [0, 1].

    Raises:
        TileMemoryError: If a tile finds no memory.
        ModelError: If the network answers with anything but finite numbers.
    """
    for tiles in plan.bands():
        top, bottom = tiles[0].write.row0, tiles[0].write.row1
        band = np.empty((bottom - top, plan.shape[1]), dtype=np.float32)
        for tile in tiles:
            answer = predictor(read_mirrored(image, tile.read)[None])[0]
            part = answer[tile.write.slices((tile.read.row0, tile.read.col0))]
            if not np.isfinite(part).all():
                raise ModelError(
                    "the network answered with NaN or infinity", hint="its weights are damaged; train it again"
                )
            band[tile.write.slices((top, 0))] = part
        yield top, band
