"""Score an image at a hundred thresholds, for protocols with an oracle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.metrics.curve import Floats, share

STEPS = 100
"""Number of thresholds 0, 0.01 ... 0.99; a pixel is crack if its probability is above."""

_FIRST_LEVEL = np.array([np.argmax(np.arange(256) / 255 > step / STEPS) for step in range(STEPS)])


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdSweep:
    """Counts of the pixels of one image at every threshold.

    Attributes:
        hits: ``(STEPS,)`` int64 numbers of crack pixels predicted as crack.
        called: ``(STEPS,)`` int64 numbers of pixels predicted as crack.
        crack: Number of crack pixels.
        area_px: Area of the image, in pixels.
    """

    hits: NDArray[np.int64]
    called: NDArray[np.int64]
    crack: int
    area_px: int

    @classmethod
    def of(cls, probability: NDArray[np.float32], true: NDArray[np.bool_]) -> ThresholdSweep:
        """Count the pixels of one image at every threshold.

        The probability is rounded to 8 bits, as the published evaluations store it.

        Args:
            probability: ``(H, W)`` float32 crack probability, in [0, 1].
            true: ``(H, W)`` bool true mask.

        Raises:
            ValueError: If the shapes differ.
        """
        if probability.shape != true.shape:
            raise ValueError(f"expected arrays of one shape, got {probability.shape} and {true.shape}")
        levels = np.rint(probability * 255).astype(np.uint8)
        above = [np.cumsum(np.bincount(part, minlength=256)[::-1])[::-1] for part in (levels[true], levels.ravel())]
        hits, called = (counts[_FIRST_LEVEL] for counts in above)
        return cls(hits, called, int(np.count_nonzero(true)), true.size)

    def f1(self) -> Floats:
        """Return the F1 at every threshold.

        Returns:
            ``(STEPS,)`` float64 scores; 0 if there is no crack, even if none is predicted.
        """
        value = share(2.0 * self.hits, self.called + float(self.crack))
        return np.where(self.hits == 0, 0.0, value)

    def mean_iou(self) -> Floats:
        """Return the mean IoU of crack and background at every threshold.

        Where no pixel is predicted as crack, the background still scores, so the mean is nearly a half.

        Returns:
            ``(STEPS,)`` float64 scores; 0 if there is neither a true nor a predicted crack.
        """
        union = self.called + float(self.crack) - self.hits
        clear = float(self.area_px) - union
        crack, background = share(self.hits, union), share(clear, clear + union - self.hits)
        return np.where(union == 0, 0.0, (np.nan_to_num(crack) + np.nan_to_num(background)) / 2)
