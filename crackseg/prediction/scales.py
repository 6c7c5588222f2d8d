"""Predict an image at several sizes and fuse the crack probabilities."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import UsageError
from crackseg.geometry import Region
from crackseg.imaging.codec import ImageSource
from crackseg.prediction.tiled import TiledProbability, TileLimits, iter_bands
from crackseg.runtimes.predictor import Predictor, TileMemoryError

SCALES = (0.5, 1.0, 1.5, 2.0)
"""Sizes of the image for ``scales``, relative to its own."""

BAND_PX = 64
"""Height of the bands in which an image is fused, in pixels."""

Fusion = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Fuse ``(S, H, W)`` float32 probabilities at S sizes, in [0, 1], into ``(H, W)``."""

_KERNEL_PX = 4
"""Context of resizing, in pixels of the image; cubic resizing reaches 2."""

_LEAST_PROBABILITY = np.float32(1e-4)
"""Probabilities are moved at least this far from 0 and 1, where the logit is infinite."""

_Result = TypeVar("_Result")


class ScaledImage:
    """Image that is resized while it is read, as an `ImageSource`.

    The last row and column are repeated until the sides are whole at both sizes. So pixel ``y`` of the image lies at
    ``(y + 0.5) * scale - 0.5`` exactly, and no part of the result depends on the regions that are read.

    Args:
        image: The image.
        scale: New size over its own; a multiple of a sixteenth.
    """

    def __init__(self, image: ImageSource, scale: float) -> None:
        self._image = image
        self.ratio = Fraction(scale).limit_denominator(16)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width ``(H, W)``, in pixels of the new size."""
        height, width = (_blocks(length, self.ratio) * self.ratio.numerator for length in self._image.shape)
        return height, width

    def read(self, region: Region) -> NDArray[np.uint8]:
        """Return a resized region.

        Args:
            region: Region, in pixels of the new size.

        Returns:
            ``(h, w, 3)`` uint8 RGB pixels, 0 to 255.
        """
        if self.ratio == 1:
            return self._image.read(region)
        height, width = self._image.shape
        rows = _window(region.row0, region.row1, height, self.ratio)
        cols = _window(region.col0, region.col1, width, self.ratio)
        pixels = self._image.read(Region(rows[0], cols[0], min(rows[1], height), min(cols[1], width)))
        missing = rows[1] - rows[0] - pixels.shape[0], cols[1] - cols[0] - pixels.shape[1]
        if any(missing):
            pixels = np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        row0, row1, col0, col1 = (int(edge * self.ratio) for edge in (*rows, *cols))
        way = cv2.INTER_AREA if self.ratio < 1 else cv2.INTER_CUBIC
        resized = cv2.resize(pixels, (col1 - col0, row1 - row0), interpolation=way)
        return np.asarray(resized, dtype=np.uint8)[region.slices((row0, col0))]


def _blocks(length: int, ratio: Fraction) -> int:
    """Return the number of smallest blocks that are whole at both sizes."""
    return -(-length // ratio.denominator)


def _window(start: int, stop: int, length: int, ratio: Fraction) -> tuple[int, int]:
    """Return the source pixels of resized pixels, as whole blocks."""
    context = _blocks(_KERNEL_PX, ratio)
    first = max(start // ratio.numerator - context, 0)
    last = min(-(-stop // ratio.numerator) + context, _blocks(length, ratio))
    return first * ratio.denominator, last * ratio.denominator


class _ProbabilityAtScale:
    """The probability of a resized image, read back from top to bottom in the size of the image."""

    def __init__(self, image: ImageSource, predictor: Predictor, limits: TileLimits, scale: float) -> None:
        resized = ScaledImage(image, scale)
        plan = limits.plan(resized.shape, predictor)
        self._shape, self._ratio = image.shape, resized.ratio
        self._bands = iter_bands(resized, predictor, plan, batch=limits.batch(plan, predictor))
        self._held: deque[tuple[int, NDArray[np.float32]]] = deque()

    def read(self, row0: int, row1: int) -> NDArray[np.float32]:
        """Return the next rows of the probability.

        Args:
            row0: First row, at or below that of the call before; a multiple of `BAND_PX`.
            row1: One past the last row.

        Returns:
            ``(row1 - row0, W)`` float32 crack probability, in [0, 1].
        """
        inverse = 1 / self._ratio
        height, width = self._shape
        start, stop = _window(row0, row1, _blocks(height, self._ratio) * self._ratio.numerator, inverse)
        window = self._read_window(start, stop)
        if self._ratio == 1:
            return window[row0 - start : row1 - start]
        top, bottom = int(start * inverse), int(stop * inverse)
        size = int(window.shape[1] * inverse), bottom - top
        way = cv2.INTER_AREA if self._ratio > 1 else cv2.INTER_LINEAR
        restored = cv2.resize(window, size, interpolation=way)
        return np.asarray(restored, dtype=np.float32)[row0 - top : row1 - top, :width]

    def _read_window(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return rows of the resized image, and drop the bands above them."""
        while self._held and _end(self._held[0]) <= start:
            self._held.popleft()
        while not self._held or _end(self._held[-1]) < stop:
            # Only these rows are needed; without the copy, both bands would stay in memory.
            self._held = deque((max(first, start), band[max(start - first, 0) :].copy()) for first, band in self._held)
            self._held.append(next(self._bands))
        parts = [band[max(start - first, 0) : stop - first] for first, band in self._held if first < stop]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _end(band: tuple[int, NDArray[np.float32]]) -> int:
    """Return the end of a first row with its ``(h, W)`` band."""
    return band[0] + len(band[1])


def iter_fused_bands(
    image: ImageSource,
    predictor: Predictor,
    limits: TileLimits,
    *,
    scales: Sequence[float] = SCALES,
    fuse: Fusion | None = None,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Predict an image at several sizes, one band after another.

    Each size has its own tiles, so the memory does not grow with the size. The result does not depend on the tiles.

    Args:
        image: The image.
        predictor: The network.
        limits: Limits of a tile, at each size.
        scales: Sizes of the image, relative to its own.
        fuse: Fuses the probabilities at the sizes; `fuse_logits` if None.

    Returns:
        For each band its first image row and its ``(h, W)`` float32 crack probability, in [0, 1].

    Raises:
        TileMemoryError: If a tile finds no memory.
        ModelError: If the network returns NaN or infinity.
    """
    fuse = fuse or fuse_logits
    parts = [_ProbabilityAtScale(image, predictor, limits, scale) for scale in scales]
    for row0 in range(0, image.shape[0], BAND_PX):
        row1 = min(row0 + BAND_PX, image.shape[0])
        yield row0, fuse(np.stack([part.read(row0, row1) for part in parts]))


def fuse_logits(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sigmoid of the mean logit over several sizes.

    A size that is certain counts for more than one that is in doubt. ``docs/research/scales.md`` compares it with other
    ways.

    Args:
        probabilities: ``(S, H, W)`` float32 crack probability at S sizes, in [0, 1].

    Returns:
        ``(H, W)`` float32 crack probability, in [0, 1].
    """
    inside = np.clip(probabilities, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    mean = np.log(inside / (1 - inside)).mean(axis=0)
    return np.asarray(1 / (1 + np.exp(-mean)), dtype=np.float32)


def predict_scales(
    image: ImageSource,
    predictor: Predictor,
    limits: TileLimits,
    *,
    scales: Sequence[float] = SCALES,
    fuse: Fusion | None = None,
) -> TiledProbability:
    """Return the fused crack probability over several sizes of an image.

    The tiles of the result are those of the image in its own size.

    Args:
        image: The image.
        predictor: The network.
        limits: Limits of a tile, at each size.
        scales: Sizes of the image, relative to its own.
        fuse: Fuses the probabilities at the sizes; `fuse_logits` if None.

    Raises:
        UsageError: If the limits leave no room for the context of the network.
        ModelError: If the network returns NaN or infinity, or finds no memory for any tile.
    """
    probability = np.empty(image.shape, dtype=np.float32)

    def fill(limits: TileLimits) -> TiledProbability:
        for start, band in iter_fused_bands(image, predictor, limits, scales=scales, fuse=fuse):
            probability[start : start + len(band)] = band
        return TiledProbability(probability, limits.plan(image.shape, predictor))

    return with_smaller_limits(fill, image, predictor, limits, scales=scales)


def with_smaller_limits(
    run: Callable[[TileLimits], _Result],
    image: ImageSource,
    predictor: Predictor,
    limits: TileLimits,
    *,
    scales: Sequence[float] = SCALES,
) -> _Result:
    """Run with smaller limits while a tile finds no memory.

    Args:
        run: Called with the limits.
        image: The image.
        predictor: The network.
        limits: First limits.
        scales: Sizes of the image, relative to its own; the largest needs the largest tiles.

    Raises:
        UsageError: If the limits leave no room for the context of the network.
        TileMemoryError: If there is no memory for any tile.
    """
    shape = ScaledImage(image, max(scales)).shape
    plan = limits.plan(shape, predictor)
    while True:
        try:
            return run(limits)
        except TileMemoryError as error:
            try:
                plan = (limits := limits.halved(plan, predictor)).plan(shape, predictor)
            except UsageError:
                raise error from None
