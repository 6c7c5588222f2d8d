"""How wide the labels are, and how far off a prediction may lie before that can be called an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.class_masks import read_class_sample
from crackseg.datasets.samples import Sample
from crackseg.measurement.skeleton import skeletonise

_MASKS_READ = 32


@dataclass(frozen=True, slots=True)
class LabelWidths:
    """Widths of labels across their centrelines, in pixels.

    Attributes:
        masks: Masks with crack that were looked at.
        narrow_px: A tenth of the centrelines is at most this wide.
        median_px: Half of them.
        wide_px: Nine tenths of them.
    """

    masks: int
    narrow_px: float
    median_px: float
    wide_px: float

    @property
    def tolerance_px(self) -> float:
        """How far a centreline may be off and still lie inside a label of median width, in pixels; at least 1."""
        return max(1.0, self.median_px / 2)

    def describe(self) -> str:
        """Say all this in one line."""
        if self.masks == 0:
            return "labels: no crack in the masks looked at"
        return (
            f"labels: {self.median_px:.1f} px wide (middle 80 %: {self.narrow_px:.1f} to {self.wide_px:.1f}, "
            f"{self.masks} masks); a centreline up to {self.tolerance_px:.1f} px off lies inside, and a prediction "
            f"shifted by 1 px has an F1 of {max(0.0, 1 - 1 / self.median_px):.2f} at most"
        )


def measure_labels(samples: Sequence[Sample], classes: int = 1) -> LabelWidths:
    """Measure the labels of at most 32 samples, evenly chosen.

    Args:
        samples: The samples.
        classes: Classes that the masks tell apart; all but the background count.

    Raises:
        ImageError: If a sample cannot be read.
        DatasetError: If an image and its mask do not fit.
    """
    step = -(-len(samples) // _MASKS_READ)
    found = [label_widths(read_class_sample(sample, classes)[1] > 0) for sample in samples[:: max(step, 1)]]
    widths = [part for part in found if len(part)]
    if not widths:
        return LabelWidths(0, 0.0, 0.0, 0.0)
    low, middle, high = (float(value) for value in np.percentile(np.concatenate(widths), (10, 50, 90)))
    return LabelWidths(len(widths), low, middle, high)


def label_widths(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the ``(n,)`` widths of a ``(H, W)`` mask at each point of its centrelines, in pixels.

    The mask is doubled first: then the middle of every stripe lies between pixels, and stripes of even and of odd
    widths measure alike.
    """
    if not mask.any():
        return np.zeros(0, np.float32)
    doubled = np.pad(np.kron(mask, np.ones((2, 2), np.bool_)), 1)
    distance = cv2.distanceTransform(doubled.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[skeletonise(doubled)], dtype=np.float32)
