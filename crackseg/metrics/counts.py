"""Pixel counts, and the ratios made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def ratio(part: float, whole: float) -> float:
    """Return ``part / whole``, or NaN if ``whole`` is 0: undefined is not zero."""
    return part / whole if whole else math.nan


@dataclass(frozen=True, slots=True)
class Counts:
    """Pixels by prediction and truth. Counts of several images add up with ``+``.

    Attributes:
        true_positive: Crack called crack.
        false_positive: Background called crack.
        false_negative: Crack called background.
        true_negative: Background called background.
    """

    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    true_negative: int = 0

    @classmethod
    def of(cls, predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> Counts:
        """Count the pixels of one image.

        Args:
            predicted: ``(H, W)`` predicted mask.
            true: ``(H, W)`` true mask.

        Raises:
            ValueError: If the shapes differ.
        """
        if predicted.shape != true.shape:
            raise ValueError(f"expected masks of one shape, got {predicted.shape} and {true.shape}")
        both = int(np.count_nonzero(predicted & true))
        positive, crack = int(np.count_nonzero(predicted)), int(np.count_nonzero(true))
        return cls(both, positive - both, crack - both, true.size - positive - crack + both)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
            self.true_negative + other.true_negative,
        )

    @property
    def precision(self) -> float:
        """Share of the pixels called crack that are crack; NaN if none is called crack."""
        return ratio(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        """Share of the crack pixels that are called crack; NaN if there is no crack."""
        return ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall (= Dice); NaN if there is no crack and none is called."""
        return ratio(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)

    @property
    def iou(self) -> float:
        """Intersection over union of the crack class; NaN if there is no crack and none is called."""
        return ratio(self.true_positive, self.true_positive + self.false_positive + self.false_negative)

    @property
    def false_alarm(self) -> float:
        """Share of the background pixels that are called crack."""
        return ratio(self.false_positive, self.false_positive + self.true_negative)
