"""Compute precision, recall and F1 within a tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.metrics.counts import ratio

_LARGEST_DISC_PX = 10.0


@dataclass(frozen=True, slots=True)
class ToleranceCounts:
    """Counts of pixels within a tolerance of the other mask; counts of images add up with ``+``.

    Attributes:
        predicted: Number of predicted crack pixels.
        predicted_near: Number of them within the tolerance of a true crack pixel.
        true: Number of true crack pixels.
        true_near: Number of them within the tolerance of a predicted crack pixel.
    """

    predicted: int = 0
    predicted_near: int = 0
    true: int = 0
    true_near: int = 0

    @classmethod
    def of(cls, predicted: NDArray[np.bool_], true: NDArray[np.bool_], *, tolerance_px: float) -> ToleranceCounts:
        """Count the pixels of one image.

        Args:
            predicted: ``(H, W)`` bool predicted mask.
            true: ``(H, W)`` bool true mask.
            tolerance_px: Largest Euclidean distance between the centres of two pixels that match, in pixels.

        Raises:
            ValueError: If the shapes differ.
        """
        if predicted.shape != true.shape:
            raise ValueError(f"expected masks of one shape, got {predicted.shape} and {true.shape}")
        near_true, near_predicted = within(true, tolerance_px), within(predicted, tolerance_px)
        return cls(
            int(np.count_nonzero(predicted)),
            int(np.count_nonzero(predicted & near_true)),
            int(np.count_nonzero(true)),
            int(np.count_nonzero(true & near_predicted)),
        )

    def __add__(self, other: ToleranceCounts) -> ToleranceCounts:
        return ToleranceCounts(
            self.predicted + other.predicted,
            self.predicted_near + other.predicted_near,
            self.true + other.true,
            self.true_near + other.true_near,
        )

    @property
    def precision(self) -> float:
        """Share of predicted crack pixels near a true one; NaN without any."""
        return ratio(self.predicted_near, self.predicted)

    @property
    def recall(self) -> float:
        """Share of true crack pixels near a predicted one; NaN without any."""
        return ratio(self.true_near, self.true)

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 for one empty mask, NaN for two."""
        if not self.predicted and not self.true:
            return float("nan")
        if not self.predicted or not self.true:
            return 0.0
        return 0.0 if not self.true_near else 2 * self.precision * self.recall / (self.precision + self.recall)


def within(mask: NDArray[np.bool_], distance_px: float) -> NDArray[np.bool_]:
    """Return which pixels lie within a Euclidean distance of a mask.

    For small distances the mask is dilated by a disc, which is much faster than an exact distance map.

    Args:
        mask: ``(H, W)`` bool mask.
        distance_px: Largest distance between pixel centres, in pixels.

    Returns:
        ``(H, W)`` bool, True for pixels within the distance.

    Example:
        >>> import numpy as np
        >>> within(np.array([[True, False, False, False]]), 2).tolist()
        [[True, True, True, False]]
    """
    if not mask.any():
        return np.zeros_like(mask)
    if distance_px <= _LARGEST_DISC_PX:
        return cv2.dilate(mask.astype(np.uint8), _disc(distance_px)).astype(np.bool_)
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= distance_px + 1e-4)


def _disc(radius_px: float) -> NDArray[np.uint8]:
    steps = np.arange(-math.floor(radius_px), math.floor(radius_px) + 1)
    return np.asarray(steps[:, None] ** 2 + steps**2 <= radius_px**2 + 1e-9, dtype=np.uint8)
