"""Measure the labels of a data set: crack fraction, mean width, IoU after a shift."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FRACTION_EDGES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Edges of the histogram of crack fractions; masks without crack have a separate bin."""

_LEAST_PX = 100


@dataclass(frozen=True, slots=True)
class LabelSums:
    """Sums over masks. Sums add up with ``+``.

    Attributes:
        masks: Number of masks.
        pixels: Number of pixels.
        crack_px: Number of crack pixels.
        outline_px: Length of the outline of the cracks without the image border, in pixels.
        shared_px: Crack pixels that a mask shares with itself after a shift of 1 px, to the right and down.
        either_px: Pixels that are crack before or after the shift.
    """

    masks: int = 0
    pixels: int = 0
    crack_px: int = 0
    outline_px: float = 0.0
    shared_px: int = 0
    either_px: int = 0

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> LabelSums:
        """Sum up one ``(H, W)`` bool mask.

        Source:
            Outline by the Cauchy-Crofton formula over four directions: Legland, Kieu, Devaux, "Computation of Minkowski
            measures on 2D and 3D binary images", Image Analysis and Stereology 26 (2007) 83-92.
        """
        plane = np.ascontiguousarray(mask).view(np.uint8)
        crack_px = cv2.countNonZero(plane)
        if not crack_px:
            return cls(1, plane.size)
        right = plane[:, :-1], plane[:, 1:]
        down = plane[:-1], plane[1:]
        crossings = _differing(*right) + _differing(*down)
        diagonal = _differing(plane[:-1, :-1], plane[1:, 1:]) + _differing(plane[:-1, 1:], plane[1:, :-1])
        outline_px = math.pi / 8 * (crossings + diagonal / math.sqrt(2))
        either = [cv2.countNonZero(one) + cv2.countNonZero(other) for one, other in (right, down) if one.size]
        # |A or B| = (|A| + |B| + |A xor B|) / 2, and |A and B| is the rest of |A| + |B|.
        total, shared_px = sum(either), (sum(either) - crossings) // 2
        return cls(1, plane.size, crack_px, outline_px, shared_px, total - shared_px)

    def __add__(self, other: LabelSums) -> LabelSums:
        return LabelSums(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def crack_fraction(self) -> float | None:
        """Share of crack pixels, in [0, 1]; None without pixels."""
        return self.crack_px / self.pixels if self.pixels else None

    @property
    def width_mean_px(self) -> float | None:
        """Mean width of the labels, in pixels.

        The area of a long strip is half its width times its outline.
        """
        return 2 * self.crack_px / self.outline_px if self.outline_px else None

    @property
    def shift_iou(self) -> float | None:
        """IoU of the masks with themselves after a shift of 1 px."""
        return self.shared_px / self.either_px if self.either_px else None

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics ready for JSON."""
        iou = self.shift_iou
        return {
            "masks": self.masks,
            "crack_fraction": self.crack_fraction,
            "width_mean_px": self.width_mean_px,
            "shift_iou": iou,
            "shift_f1": None if iou is None else 2 * iou / (1 + iou),
        }


def _differing(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return cv2.countNonZero(cv2.absdiff(one, other)) if one.size else 0


def label_contrast(grey: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float | None:
    """Measure the contrast of a label with its surroundings.

    The surroundings are the pixels 3 to 8 px away from the label.

    A crack is darker than its wall. The mask of another image has no contrast.

    Args:
        grey: ``(H, W)`` uint8 grey image.
        mask: ``(H, W)`` bool mask.

    Returns:
        Mean of the surroundings minus mean of the label, in standard deviations of the surroundings; None where either
        has fewer than 100 pixels.
    """
    plane = np.ascontiguousarray(mask).view(np.uint8)
    inner, outer = (cv2.dilate(plane, np.ones((side, side), np.uint8)) for side in (5, 17))
    ring = cv2.subtract(outer, inner)
    if min(cv2.countNonZero(plane), cv2.countNonZero(ring)) < _LEAST_PX:
        return None
    around, spread = (float(values[0, 0]) for values in cv2.meanStdDev(grey, mask=ring))
    return (around - cv2.mean(grey, mask=plane)[0]) / max(spread, 1.0)


def count_fractions(fractions: Sequence[float]) -> list[tuple[float, float, int]]:
    """Count crack fractions in the bins of a histogram.

    Returns:
        (above, up to, masks) for each bin; the first bin (0, 0, masks) holds the masks without crack.

    Example:
        >>> count_fractions([0.0, 0.02, 0.5])[0], count_fractions([0.0, 0.02, 0.5])[-1]
        ((0.0, 0.0, 1), (0.3, 1.0, 1))
    """
    bins = [(0.0, 0.0, sum(fraction == 0 for fraction in fractions))]
    for above, up_to in itertools.pairwise(FRACTION_EDGES):
        bins.append((above, up_to, sum(above < fraction <= up_to for fraction in fractions)))
    return bins
