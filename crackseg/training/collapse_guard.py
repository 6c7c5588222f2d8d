"""Stop a training that has failed, and name the probable cause."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import TrainingError
from crackseg.metrics.histogram import BINS, ProbabilityHistogram

PATCHES_WITHOUT_CRACK = 400
"""Number of first patches that must hold at least one crack pixel."""
EPOCHS_OF_GRACE = 2
"""Number of first epochs in which a network may have the same output everywhere."""
SHARE_OF_GRACE = 0.2
"""Share of a training in which a network may have the same output everywhere, in addition to the first epochs."""
_SPREAD = 0.02


class CollapseGuard:
    """Watch over batches and validations that ends a failed training."""

    def __init__(self) -> None:
        self._patches = 0
        self._saw_crack = False
        self._epochs = 0

    @property
    def waits(self) -> bool:
        """True until a batch holds a crack."""
        return not self._saw_crack

    def check_batch(self, *, has_crack: bool, patches: int) -> None:
        """Check the batch of the next step.

        Args:
            has_crack: True if one of its masks holds a crack.
            patches: Number of its patches.

        Raises:
            TrainingError: If none of the first `PATCHES_WITHOUT_CRACK` patches holds a crack.
        """
        if self._saw_crack or has_crack:
            self._saw_crack = True
            return
        self._patches += patches
        if self._patches >= PATCHES_WITHOUT_CRACK:
            raise TrainingError(
                f"no crack pixel in the first {self._patches} patches",
                hint="run crackseg check DIR; the masks may be empty or hold values other than 0 and 255",
            )

    def check_epoch(self, histogram: ProbabilityHistogram, *, done: float) -> None:
        """Check a validation.

        Args:
            histogram: Probabilities on crack and background pixels.
            done: Finished share of the training, in [0, 1].

        Raises:
            TrainingError: If the network has the same output everywhere, after the time of grace.
        """
        self._epochs += 1
        if self._epochs <= EPOCHS_OF_GRACE or done < SHARE_OF_GRACE:
            return
        low, middle, high = (_quantile(histogram.crack + histogram.background, share) for share in (0.001, 0.5, 0.999))
        if high - low >= _SPREAD or not histogram.crack.any():
            return
        label = "crack" if middle >= 0.5 else "background"
        raise TrainingError(
            f"the network predicts every pixel of the validation images as {label} (probability {middle:.2f} within "
            f"{_SPREAD:g}) after {self._epochs} epochs",
            hint=_probable_cause(histogram),
        )


def crack_share(histogram: ProbabilityHistogram) -> float:
    """Return the share of crack pixels, in [0, 1]; NaN without pixels."""
    crack, background = int(histogram.crack.sum()), int(histogram.background.sum())
    return crack / (crack + background) if crack + background else math.nan


def _quantile(cells: NDArray[np.int64], share: float) -> float:
    """Return a quantile of the probability, to one histogram bin.

    Args:
        cells: ``(BINS,)`` int64 pixels per bin.
        share: Share of the pixels below the quantile, in [0, 1].
    """
    return float(np.searchsorted(np.cumsum(cells), share * cells.sum())) / BINS


def _probable_cause(histogram: ProbabilityHistogram) -> str:
    share = crack_share(histogram)
    if share > 0.5:
        return f"check whether black and white are swapped, since {100 * share:.0f} % of the masks is crack"
    if share < 0.0005:
        return f"raise data.crack_share or loss.positive_weight, since only {100 * share:.3f} % of the masks is crack"
    return "lower optimiser.learning_rate, add the Dice loss, and check that each mask belongs to its image"
