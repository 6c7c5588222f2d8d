"""Trainings that have gone wrong, stopped with the probable cause named instead of running to their end."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import TrainingError
from crackseg.metrics.histogram import BINS, ProbabilityHistogram

PATCHES_WITHOUT_CRACK = 400
"""So many patches, the first of a training, must hold at least one crack pixel."""
EPOCHS_OF_GRACE = 2
SHARE_OF_GRACE = 0.2
"""A network may answer the same everywhere for the first two epochs and the first fifth of a training."""
_SPREAD = 0.02


class CollapseGuard:
    """Watches batches and validations for a training that cannot learn, or no longer does."""

    def __init__(self) -> None:
        self._patches = 0
        self._saw_crack = False
        self._epochs = 0

    @property
    def waits(self) -> bool:
        """Whether no batch so far has held crack."""
        return not self._saw_crack

    def check_batch(self, *, has_crack: bool, patches: int) -> None:
        """Note a batch that is about to be trained on.

        Args:
            has_crack: Whether one of its masks holds crack.
            patches: How many patches it holds.

        Raises:
            TrainingError: If no patch has held crack for too long.
        """
        if self._saw_crack or has_crack:
            self._saw_crack = True
            return
        self._patches += patches
        if self._patches >= PATCHES_WITHOUT_CRACK:
            raise TrainingError(
                f"no crack pixel in the first {self._patches} patches",
                hint="are the masks empty, or of other values than 0 and 255? crackseg check DIR tells",
            )

    def check_epoch(self, histogram: ProbabilityHistogram, *, done: float) -> None:
        """Note a validation.

        Args:
            histogram: Of its probabilities.
            done: Share of the training that is done, in [0, 1].

        Raises:
            TrainingError: If the network answers the same everywhere, the time of grace being over.
        """
        self._epochs += 1
        if self._epochs <= EPOCHS_OF_GRACE or done < SHARE_OF_GRACE:
            return
        low, middle, high = (_quantile(histogram.crack + histogram.background, share) for share in (0.001, 0.5, 0.999))
        if high - low >= _SPREAD or not histogram.crack.any():
            return
        answer = "crack" if middle >= 0.5 else "background"
        raise TrainingError(
            f"the network calls every pixel of the validation images {answer} (probability {middle:.2f} to within "
            f"{_SPREAD:g}) after {self._epochs} epochs",
            hint=_probable_cause(histogram),
        )


def crack_share(histogram: ProbabilityHistogram) -> float:
    """Return the share of crack pixels, in [0, 1]; NaN of no pixels."""
    crack, background = int(histogram.crack.sum()), int(histogram.background.sum())
    return crack / (crack + background) if crack + background else math.nan


def _quantile(cells: NDArray[np.int64], share: float) -> float:
    """Return the probability below which a share of the pixels lies, to one cell."""
    return float(np.searchsorted(np.cumsum(cells), share * cells.sum())) / BINS


def _probable_cause(histogram: ProbabilityHistogram) -> str:
    share = crack_share(histogram)
    if share > 0.5:
        return f"{100 * share:.0f} % of the masks is crack: are black and white swapped?"
    if share < 0.0005:
        return f"only {100 * share:.3f} % of the masks is crack: raise data.crack_share or loss.positive_weight"
    return "lower optimiser.learning_rate, or add the Dice loss; do image and mask of each pair belong together?"
