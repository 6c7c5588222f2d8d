"""Scores at a hundred thresholds of one image, from which the best on the test images is taken: an oracle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.metrics.curve import Floats, share

STEPS = 100
"""Thresholds 0, 0.01 ... 0.99; a pixel is called crack where its probability is above."""

_FIRST_LEVEL = np.array([np.argmax(np.arange(256) / 255 > step / STEPS) for step in range(STEPS)])


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdSweep:
    """Pixels of one image at every threshold.

    Attributes:
        hits: ``(STEPS,) int64``, crack pixels called crack.
        called: ``(STEPS,) int64``, pixels called crack.
        crack: Crack pixels.
        area_px: Pixels.
    """

    hits: NDArray[np.int64]
    called: NDArray[np.int64]
    crack: int
    area_px: int

    @classmethod
    def of(cls, probability: NDArray[np.float32], true: NDArray[np.bool_]) -> ThresholdSweep:
        """Count the pixels of one image, its probability rounded to 8 bits as the published evaluations store it.

        Args:
            probability: ``(H, W)``, in [0, 1].
            true: ``(H, W)`` true mask.

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
        """Return the F1 at every threshold, ``(STEPS,)``; 0 where there is no crack, even if none is called."""
        value = share(2.0 * self.hits, self.called + float(self.crack))
        return np.where(self.hits == 0, 0.0, value)

    def mean_iou(self) -> Floats:
        """Return the mean of the IoU of the crack and of the background at every threshold, ``(STEPS,)``.

        0 where there is no crack and none is called. Beware: where nothing at all is called, the background alone
        gives nearly a half.
        """
        union = self.called + float(self.crack) - self.hits
        calm = float(self.area_px) - union
        crack, background = share(self.hits, union), share(calm, calm + union - self.hits)
        return np.where(union == 0, 0.0, (np.nan_to_num(crack) + np.nan_to_num(background)) / 2)
