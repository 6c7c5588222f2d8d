"""Cracks found and false calls, counted as an inspector counts: each connected piece once."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.metrics.counts import ratio
from crackseg.metrics.tolerance import within

MATCHED_SHARE = 0.5
"""Share of a component's pixels that must lie near the other mask."""


@dataclass(frozen=True, slots=True)
class ComponentCounts:
    """8-connected components by what became of them. Counts of several images add up with ``+``.

    Attributes:
        cracks: Components of the true mask.
        found: Those of them of which at least half the pixels lie within the tolerance of a pixel called crack.
        calls: Components of the predicted mask.
        false_calls: Those of them of which less than half the pixels lie within the tolerance of a crack pixel.
        area_px: Pixels of the images.
    """

    cracks: int = 0
    found: int = 0
    calls: int = 0
    false_calls: int = 0
    area_px: int = 0

    @classmethod
    def of(cls, predicted: NDArray[np.bool_], true: NDArray[np.bool_], *, tolerance_px: float) -> ComponentCounts:
        """Count the components of one image.

        Args:
            predicted: ``(H, W)`` predicted mask.
            true: ``(H, W)`` true mask.
            tolerance_px: Largest distance between two pixels that match, in pixels.

        Raises:
            ValueError: If the shapes differ.
        """
        if predicted.shape != true.shape:
            raise ValueError(f"expected masks of one shape, got {predicted.shape} and {true.shape}")
        cracks, found = _matched(true, within(predicted, tolerance_px))
        calls, right = _matched(predicted, within(true, tolerance_px))
        return cls(cracks, found, calls, calls - right, true.size)

    def __add__(self, other: ComponentCounts) -> ComponentCounts:
        return ComponentCounts(
            self.cracks + other.cracks,
            self.found + other.found,
            self.calls + other.calls,
            self.false_calls + other.false_calls,
            self.area_px + other.area_px,
        )

    @property
    def detection_rate(self) -> float:
        """Share of the cracks that are found; NaN if there is none."""
        return ratio(self.found, self.cracks)

    @property
    def false_per_mpx(self) -> float:
        """False calls per million pixels; NaN without a pixel."""
        return ratio(1e6 * self.false_calls, self.area_px)


def _matched(mask: NDArray[np.bool_], near: NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many components a mask has, and how many of them lie by half or more where ``near`` is set."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    area = np.bincount(labels[mask], minlength=count)[1:]
    covered = np.bincount(labels[mask & near], minlength=count)[1:]
    return count - 1, int(np.count_nonzero(covered >= MATCHED_SHARE * area))
