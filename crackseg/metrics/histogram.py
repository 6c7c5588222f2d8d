"""Probability counts by class, from which the score at every threshold follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.metrics.counts import Counts

BINS = 200
"""Cells of [0, 1]; a threshold is chosen to 1/200."""
_FIRST, _LAST = BINS // 20, BINS - BINS // 20
_PLATEAU = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityHistogram:
    """Pixels by probability, crack and background apart. Histograms of several images add up with ``+``.

    Attributes:
        crack: ``(BINS + 1,) int64``, crack pixels; cell ``i`` holds probabilities in [i, i + 1) / BINS.
        background: The same of background pixels.
        images: Images that hold crack.
    """

    crack: NDArray[np.int64]
    background: NDArray[np.int64]
    images: int = 0

    @classmethod
    def empty(cls) -> ProbabilityHistogram:
        """Return the histogram of no pixel."""
        return cls(np.zeros(BINS + 1, np.int64), np.zeros(BINS + 1, np.int64))

    @classmethod
    def of(cls, probability: NDArray[np.float32], true: NDArray[np.bool_]) -> ProbabilityHistogram:
        """Count the pixels of one image.

        Args:
            probability: ``(H, W)``, in [0, 1].
            true: ``(H, W)`` true mask.
        """
        cells = np.floor(probability * BINS).astype(np.int64)
        crack, background = (np.bincount(cells[chosen], minlength=BINS + 1) for chosen in (true, ~true))
        return cls(crack, background, int(true.any()))

    def __add__(self, other: ProbabilityHistogram) -> ProbabilityHistogram:
        return ProbabilityHistogram(
            self.crack + other.crack, self.background + other.background, self.images + other.images
        )

    def counts_at(self, threshold: float) -> Counts:
        """Return the counts at a threshold that is a multiple of 1 / BINS."""
        cell = round(threshold * BINS)
        hit, false = int(self.crack[cell:].sum()), int(self.background[cell:].sum())
        return Counts(hit, false, int(self.crack[:cell].sum()), int(self.background[:cell].sum()))

    def best_threshold(self) -> float:
        """Return the threshold of the highest F1, in [0.05, 0.95]; 0.5 where there is no crack."""
        if not self.crack.any():
            return 0.5
        candidates = [cell / BINS for cell in range(_FIRST, _LAST + 1)]
        return max(candidates, key=lambda threshold: (self.counts_at(threshold).f1, -abs(threshold - 0.5)))

    def steady_threshold(self, start: float) -> float:
        """Return a threshold of a high F1 that a few images do not pull far, in [0.05, 0.95].

        It is the middle of the thresholds around `best_threshold` whose F1 is within 1 % of the highest, drawn towards
        ``start``, which counts as much as one image with crack.

        Args:
            start: Threshold that is known to serve: of the model that a training starts from.
        """
        best = round(self.best_threshold() * BINS)
        floor = _PLATEAU * self._f1(best)
        first = next((cell + 1 for cell in range(best, _FIRST - 1, -1) if self._f1(cell) < floor), _FIRST)
        last = next((cell - 1 for cell in range(best, _LAST + 1) if self._f1(cell) < floor), _LAST)
        middle = (first + last) / 2
        drawn = (self.images * middle + start * BINS) / (self.images + 1)
        return min(max(round(drawn), _FIRST), _LAST) / BINS

    def _f1(self, cell: int) -> float:
        return self.counts_at(cell / BINS).f1
