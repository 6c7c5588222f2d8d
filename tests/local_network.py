"""Networks whose answers are exact sums of whole numbers, for tests of prediction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.modelcard.card import ModelCard
from crackseg.prediction.model import Model
from crackseg.prediction.result import Prediction, PredictionResult

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class LocalNetwork:
    """The mean brightness around a pixel, pooled over cells of the stride, with zeros beyond the edge of its input.

    Like a convolutional network it knows nothing beyond its input, and its answer depends on where the cells stand.
    """

    radius: int
    stride: int = 1
    promised: int | None = None
    pooled: bool = True

    @property
    def context(self) -> int:
        return self.radius + self.stride - 1 if self.promised is None else self.promised

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        count, height, width, channels = pixels.shape
        assert (height % self.stride, width % self.stride, channels) == (0, 0, 3)
        side = 2 * self.radius + 1
        answers = np.zeros((count, height, width), np.float32)
        for answer, image in zip(answers, pixels, strict=True):
            sums = cv2.boxFilter(
                image.sum(axis=2, dtype=np.float64), -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT
            )
            cell = self.stride if self.pooled else 1
            cells = sums.reshape(height // cell, cell, width // cell, cell).sum(axis=(1, 3))
            answer[:] = np.kron(cells / (255 * 3 * side**2 * cell**2), np.ones((cell, cell)))
        return answers


@dataclass(frozen=True)
class ConstantNetwork:
    """The same answer everywhere."""

    value: float
    stride: int = 1
    context: int = 0

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        return np.full(pixels.shape[:3], self.value, np.float32)


def brightness_model(*, radius: int = 0, threshold: float = 0.5) -> Model:
    """Calls bright pixels crack."""
    card = ModelCard(name="brightness", network={}, stride=1, context_px=radius, threshold=threshold)
    return Model(LocalNetwork(radius), card)


def noise(shape: tuple[int, int], seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def all_predicted(results: Iterable[PredictionResult]) -> list[Prediction]:
    """Return the results; raise the error of a failure."""
    predictions = []
    for result in results:
        if result.error is not None:
            raise result.error
        predictions.append(result)
    return predictions
