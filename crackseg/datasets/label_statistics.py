"""What the masks of a data set amount to: how much is crack, how wide, and how far a shift of one pixel lowers IoU."""

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
"""Edges of the histogram of crack fractions; masks without crack have a bin of their own."""

_LEAST_PX = 100


@dataclass(frozen=True, slots=True)
class LabelSums:
    """Sums over masks; those of several masks add up with ``+``.

    Attributes:
        masks: How many.
        pixels: All of their pixels.
        crack_px: Crack pixels.
        outline_px: Length of the outline of the cracks, without the border of the image.
        shared_px: Crack pixels that a mask and itself shifted by one pixel share, to the right and down.
        either_px: Pixels that are crack in one or the other.
    """

    masks: int = 0
    pixels: int = 0
    crack_px: int = 0
    outline_px: float = 0.0
    shared_px: int = 0
    either_px: int = 0

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> LabelSums:
        """Sum up one ``(H, W)`` mask.

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
        # Of two sets, the union holds half of their sum and of their difference, the intersection half of the rest.
        total, shared_px = sum(either), (sum(either) - crossings) // 2
        return cls(1, plane.size, crack_px, outline_px, shared_px, total - shared_px)

    def __add__(self, other: LabelSums) -> LabelSums:
        return LabelSums(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def crack_fraction(self) -> float | None:
        """Share of the pixels that is crack."""
        return self.crack_px / self.pixels if self.pixels else None

    @property
    def width_mean_px(self) -> float | None:
        """Mean width of the labels: a strip much longer than wide has twice its area for each pixel of outline."""
        return 2 * self.crack_px / self.outline_px if self.outline_px else None

    @property
    def shift_iou(self) -> float | None:
        """IoU of the masks with themselves shifted by one pixel: what labels that are off by one cap a score at."""
        return self.shared_px / self.either_px if self.either_px else None

    def to_dict(self) -> dict[str, Any]:
        """Return what follows from the sums, ready for JSON."""
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
    """Return how much darker the labelled pixels are than what surrounds them at 3 to 8 pixels.

    A crack is darker than its wall. A mask that belongs to another picture lies on nothing in particular.

    Args:
        grey: ``(H, W)`` image.
        mask: ``(H, W)`` label.

    Returns:
        The difference of the means, in standard deviations of the surroundings; None where either is too small.
    """
    plane = np.ascontiguousarray(mask).view(np.uint8)
    inner, outer = (cv2.dilate(plane, np.ones((side, side), np.uint8)) for side in (5, 17))
    ring = cv2.subtract(outer, inner)
    if min(cv2.countNonZero(plane), cv2.countNonZero(ring)) < _LEAST_PX:
        return None
    around, spread = (float(values[0, 0]) for values in cv2.meanStdDev(grey, mask=ring))
    return (around - cv2.mean(grey, mask=plane)[0]) / max(spread, 1.0)


def count_fractions(fractions: Sequence[float]) -> list[tuple[float, float, int]]:
    """Return the histogram of crack fractions: (above, up to, masks), first the masks without crack, (0, 0, masks)."""
    bins = [(0.0, 0.0, sum(fraction == 0 for fraction in fractions))]
    for above, upto in itertools.pairwise(FRACTION_EDGES):
        bins.append((above, upto, sum(above < fraction <= upto for fraction in fractions)))
    return bins
