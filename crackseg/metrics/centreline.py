"""Score the centrelines of cracks, regardless of their width."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.metrics.counts import ratio
from crackseg.metrics.tolerance import within

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CentrelineCounts:
    """Counts of centreline pixels inside the other mask and near the other centreline; they add up with ``+``.

    Attributes:
        called_line: Number of pixels of the predicted centreline.
        called_line_inside: Number of them inside the true mask.
        called_line_near: Number of them within the tolerance of the true centreline.
        true_line: Number of pixels of the true centreline.
        true_line_inside: Number of them inside the predicted mask.
        true_line_near: Number of them within the tolerance of the predicted centreline.
    """

    called_line: int = 0
    called_line_inside: int = 0
    called_line_near: int = 0
    true_line: int = 0
    true_line_inside: int = 0
    true_line_near: int = 0

    @classmethod
    def of(cls, predicted: tuple[Mask, Mask], true: tuple[Mask, Mask], *, tolerance_px: float) -> CentrelineCounts:
        """Count the pixels of one image.

        Args:
            predicted: ``(H, W)`` bool predicted mask and ``(H, W)`` bool centreline of it, one pixel wide.
            true: ``(H, W)`` bool true mask and ``(H, W)`` bool centreline of it.
            tolerance_px: Largest distance between two centreline pixels that match, in pixels.

        Raises:
            ValueError: If the shapes differ.
        """
        shapes = {array.shape for array in (*predicted, *true)}
        if len(shapes) != 1:
            raise ValueError(f"expected masks and centrelines of one shape, got {sorted(shapes)}")
        (called, called_line), (crack, crack_line) = predicted, true
        pixels = (
            called_line,
            called_line & crack,
            called_line & within(crack_line, tolerance_px),
            crack_line,
            crack_line & called,
            crack_line & within(called_line, tolerance_px),
        )
        return cls(*(int(np.count_nonzero(chosen)) for chosen in pixels))

    def __add__(self, other: CentrelineCounts) -> CentrelineCounts:
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return CentrelineCounts(*(one + two for one, two in pairs))

    @property
    def cldice(self) -> float:
        """Centreline Dice: harmonic mean of topology precision and topology sensitivity.

        Precision is the share of the predicted line inside the true mask, sensitivity that of the true line inside the
        predicted mask. The score is 0 if only one mask is empty, and NaN if both are.

        Source:
            Shit, Paetzold et al., "clDice - a novel topology-preserving loss function for tubular structure
            segmentation", CVPR 2021, eq. 1 and 2.
        """
        if not self.called_line and not self.true_line:
            return float("nan")
        if not self.called_line_inside or not self.true_line_inside:
            return 0.0
        precision, sensitivity = self.called_line_inside / self.called_line, self.true_line_inside / self.true_line
        return 2 * precision * sensitivity / (precision + sensitivity)

    @property
    def cliou(self) -> float:
        """Intersection over union of the two centrelines within the tolerance.

        Pixels of the true line near the predicted one are hits, and its others misses. Pixels of the predicted line
        not near the true one are false. The score is NaN if both masks are empty.

        Source:
            Benz, Rodehorst, "OmniCrack30k: a benchmark for crack segmentation and the reasonable effectiveness of
            transfer learning", CVPR workshops 2024, and its ``evaluation.py``; the tolerance there is 4 px. Its lines
            are those of ``thin`` of scikit-image, here ``skeletonise(mask, east_first=True)``.
        """
        return ratio(self.true_line_near, self.true_line + self.called_line - self.called_line_near)
