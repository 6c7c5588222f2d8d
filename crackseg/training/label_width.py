"""Measure the width of labelled cracks, which limits the score of a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.class_masks import read_class_sample, split_void
from crackseg.datasets.samples import Sample
from crackseg.measurement.skeleton import skeletonise

_MASKS_READ = 32


@dataclass(frozen=True, slots=True)
class LabelWidths:
    """Widths of labelled cracks, measured along their centrelines.

    Attributes:
        masks: Number of measured masks with cracks.
        narrow_px: 10th percentile of the width, in pixels.
        median_px: Median width, in pixels.
        wide_px: 90th percentile of the width, in pixels.
    """

    masks: int
    narrow_px: float
    median_px: float
    wide_px: float

    @property
    def tolerance_px(self) -> float:
        """Half the median width, in pixels, but at least 1."""
        return max(1.0, self.median_px / 2)

    def describe(self) -> str:
        """Return the widths in one line."""
        if self.masks == 0:
            return "labels: no crack in the masks that were measured"
        return (
            f"labels: {self.median_px:.1f} px wide (middle 80 %: {self.narrow_px:.1f} to {self.wide_px:.1f}, "
            f"{self.masks} masks); a centreline is inside up to {self.tolerance_px:.1f} px off, and a prediction "
            f"shifted by 1 px has an F1 of at most {max(0.0, 1 - 1 / self.median_px):.2f}"
        )


def measure_labels(samples: Sequence[Sample], classes: int = 1) -> LabelWidths:
    """Measure the labels of at most 32 samples, evenly spread.

    Args:
        samples: Samples.
        classes: Number of classes in the masks. All but the background count as crack.

    Raises:
        ImageError: If a sample cannot be read.
        DatasetError: If an image and its mask differ in size.
    """
    step = -(-len(samples) // _MASKS_READ)
    per_mask = [
        label_widths(split_void(read_class_sample(sample, classes)[1])[0] > 0) for sample in samples[:: max(step, 1)]
    ]
    widths = [part for part in per_mask if len(part)]
    if not widths:
        return LabelWidths(0, 0.0, 0.0, 0.0)
    low, middle, high = (float(value) for value in np.percentile(np.concatenate(widths), (10, 50, 90)))
    return LabelWidths(len(widths), low, middle, high)


def label_widths(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the width of a mask at each point of its centrelines.

    The mask is doubled in size first. The middle of every stripe then lies between pixels, and stripes of even and odd
    widths are measured equally.

    Args:
        mask: ``(H, W)`` bool mask.

    Returns:
        ``(N,)`` float32 widths, in pixels.
    """
    if not mask.any():
        return np.zeros(0, np.float32)
    doubled = np.pad(np.kron(mask, np.ones((2, 2), np.bool_)), 1)
    distance = cv2.distanceTransform(doubled.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[skeletonise(doubled)], dtype=np.float32)
