"""Count detected cracks and false calls, one per connected component."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.metrics.counts import ratio
from crackseg.metrics.tolerance import within

MATCHED_SHARE = 0.5
"""Least share of a component's pixels near the other mask for a match."""


@dataclass(frozen=True, slots=True)
class ComponentCounts:
    """Counts of matched 8-connected components; counts of images add up with ``+``.

    A component matches if at least half of its pixels lie within the tolerance of the other mask.

    Attributes:
        cracks: Number of components of the true mask.
        detected: Number of them that match the predicted mask.
        calls: Number of components of the predicted mask.
        false_calls: Number of them that do not match the true mask.
        area_px: Area of the images, in pixels.
    """

    cracks: int = 0
    detected: int = 0
    calls: int = 0
    false_calls: int = 0
    area_px: int = 0

    @classmethod
    def of(cls, predicted: NDArray[np.bool_], true: NDArray[np.bool_], *, tolerance_px: float) -> ComponentCounts:
        """Count the components of one image.

        Args:
            predicted: ``(H, W)`` bool predicted mask.
            true: ``(H, W)`` bool true mask.
            tolerance_px: Largest distance between two pixels that match, in pixels.

        Raises:
            ValueError: If the shapes differ.
        """
        if predicted.shape != true.shape:
            raise ValueError(f"expected masks of one shape, got {predicted.shape} and {true.shape}")
        cracks, detected = _count_matches(true, within(predicted, tolerance_px))
        calls, right = _count_matches(predicted, within(true, tolerance_px))
        return cls(cracks, detected, calls, calls - right, true.size)

    def __add__(self, other: ComponentCounts) -> ComponentCounts:
        return ComponentCounts(
            self.cracks + other.cracks,
            self.detected + other.detected,
            self.calls + other.calls,
            self.false_calls + other.false_calls,
            self.area_px + other.area_px,
        )

    @property
    def detection_rate(self) -> float:
        """Share of the cracks that are detected; NaN without a crack."""
        return ratio(self.detected, self.cracks)

    @property
    def false_per_mpx(self) -> float:
        """False calls per million pixels; NaN without a pixel."""
        return ratio(1e6 * self.false_calls, self.area_px)


def _count_matches(mask: NDArray[np.bool_], near: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the numbers of components and of those half in ``near``."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    area = np.bincount(labels[mask], minlength=count)[1:]
    covered = np.bincount(labels[mask & near], minlength=count)[1:]
    return count - 1, int(np.count_nonzero(covered >= MATCHED_SHARE * area))
