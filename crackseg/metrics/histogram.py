"""Count pixels by probability, and choose a threshold from the counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.metrics.counts import Counts

BINS = 200
"""Number of cells of [0, 1]; a threshold is a multiple of 1/200."""
_FIRST, _LAST = BINS // 20, BINS - BINS // 20
_PLATEAU = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityHistogram:
    """Histograms of the probability of crack and background pixels; those of images add up with ``+``.

    Attributes:
        crack: ``(BINS + 1,)`` int64 numbers of crack pixels; cell ``i`` holds probabilities in [i, i + 1) / BINS.
        background: ``(BINS + 1,)`` int64 numbers of background pixels.
        images: Number of images with crack.
    """

    crack: NDArray[np.int64]
    background: NDArray[np.int64]
    images: int = 0

    @classmethod
    def empty(cls) -> ProbabilityHistogram:
        """Return a histogram without pixels."""
        return cls(np.zeros(BINS + 1, np.int64), np.zeros(BINS + 1, np.int64))

    @classmethod
    def of(cls, probability: NDArray[np.float32], true: NDArray[np.bool_]) -> ProbabilityHistogram:
        """Count the pixels of one image.

        Args:
            probability: ``(H, W)`` float32 crack probability, in [0, 1].
            true: ``(H, W)`` bool true mask.
        """
        cells = np.floor(probability * BINS).astype(np.int64)
        crack, background = (np.bincount(cells[chosen], minlength=BINS + 1) for chosen in (true, ~true))
        return cls(crack, background, int(true.any()))

    def __add__(self, other: ProbabilityHistogram) -> ProbabilityHistogram:
        return ProbabilityHistogram(
            self.crack + other.crack, self.background + other.background, self.images + other.images
        )

    def counts_at(self, threshold: float) -> Counts:
        """Return the counts at a threshold, a multiple of 1 / BINS."""
        cell = round(threshold * BINS)
        hit, false = int(self.crack[cell:].sum()), int(self.background[cell:].sum())
        return Counts(hit, false, int(self.crack[:cell].sum()), int(self.background[:cell].sum()))

    def best_threshold(self) -> float:
        """Return the threshold in [0.05, 0.95] of the highest F1.

        It is 0.5 if there is no crack. Among equal scores the threshold nearest to 0.5 is returned.
        """
        if not self.crack.any():
            return 0.5
        candidates = [cell / BINS for cell in range(_FIRST, _LAST + 1)]
        return max(candidates, key=lambda threshold: (self.counts_at(threshold).f1, -abs(threshold - 0.5)))

    def steady_threshold(self, start: float) -> float:
        """Return a threshold of high F1 that is steady for few images.

        It lies in [0.05, 0.95]. The thresholds around `best_threshold` with an F1 within 1 % of the highest have a
        middle. The result is the mean of that middle and ``start``, in which ``start`` weighs as much as one image with
        crack.

        Args:
            start: Proven threshold, such as that of the model from which training starts.
        """
        best = round(self.best_threshold() * BINS)
        floor = _PLATEAU * self._f1(best)
        first = next((cell + 1 for cell in range(best, _FIRST - 1, -1) if self._f1(cell) < floor), _FIRST)
        last = next((cell - 1 for cell in range(best, _LAST + 1) if self._f1(cell) < floor), _LAST)
        middle = (first + last) / 2
        mean = (self.images * middle + start * BINS) / (self.images + 1)
        return min(max(round(mean), _FIRST), _LAST) / BINS

    def _f1(self, cell: int) -> float:
        return self.counts_at(cell / BINS).f1
