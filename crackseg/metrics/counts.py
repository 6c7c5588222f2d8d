"""Count pixels by prediction and true mask, and compute ratios."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def ratio(part: float, whole: float) -> float:
    """Return ``part / whole``, or NaN if ``whole`` is 0.

    Example:
        >>> ratio(1, 4), ratio(1, 0)
        (0.25, nan)
    """
    return part / whole if whole else math.nan


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of pixels by prediction and true mask; counts of images add up with ``+``.

    Attributes:
        true_positive: Number of crack pixels predicted as crack.
        false_positive: Number of background pixels predicted as crack.
        false_negative: Number of crack pixels predicted as background.
        true_negative: Number of background pixels predicted as background.
    """

    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    true_negative: int = 0

    @classmethod
    def of(cls, predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> Counts:
        """Count the pixels of one image.

        Args:
            predicted: ``(H, W)`` bool predicted mask.
            true: ``(H, W)`` bool true mask.

        Raises:
            ValueError: If the shapes differ.

        Example:
            >>> import numpy as np
            >>> counts = Counts.of(np.array([[True, True, False]]), np.array([[True, False, False]]))
            >>> counts.precision, counts.recall
            (0.5, 1.0)
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
        """Share of the predicted crack pixels that are crack; NaN without any."""
        return ratio(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        """Share of the crack pixels that are predicted; NaN without any."""
        return ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall (Dice); NaN without any crack."""
        return ratio(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)

    @property
    def iou(self) -> float:
        """Intersection over union of the crack class; NaN without any crack."""
        return ratio(self.true_positive, self.true_positive + self.false_positive + self.false_negative)

    @property
    def false_alarm(self) -> float:
        """Share of the background pixels that are predicted as crack."""
        return ratio(self.false_positive, self.false_positive + self.true_negative)
