"""Compare an exported model with its original, and reject an export that differs too much."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ModelError
from crackseg.imaging.codec import ArrayImage
from crackseg.metrics.counts import Counts
from crackseg.modelcard.card import PrecisionName
from crackseg.prediction.tiled import predict_probability
from crackseg.runtimes.predictor import Predictor


class ParityError(ModelError):
    """Predictions of an exported model that differ too much from the original."""


@dataclass(frozen=True, slots=True)
class ParityLimits:
    """Largest accepted differences between an exported model and its original.

    Attributes:
        difference: Largest difference in probability.
        changed: Largest share of pixels that cross the threshold.
        f1_loss: Largest loss in F1 over all pixels, against the true masks.
    """

    difference: float
    changed: float
    f1_loss: float


LIMITS: dict[PrecisionName, ParityLimits] = {
    "fp32": ParityLimits(1e-3, 1e-4, 0.0005),
    "bf16": ParityLimits(0.5, 0.005, 0.002),
    "int8": ParityLimits(0.9, 0.01, 0.005),
}
"""Limits by precision.

Rounding changes the probability of single pixels at the edge of a crack a lot. Below float32, the
meaningful limits are the share of pixels that cross the threshold and the loss in F1.
"""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Parity:
    """Differences between an exported model and its original on some images.

    Attributes:
        images: Number of images compared.
        pixels: Number of their pixels.
        difference: Largest difference in probability.
        changed_px: Number of pixels that cross the threshold.
        before: Pixel counts of the original against the true masks.
        after: Pixel counts of the exported model against the true masks.

    Example:
        >>> counts = Counts(90, 10, 10, 890)
        >>> parity = Parity(images=1, pixels=1000, difference=0.01, changed_px=2, before=counts, after=counts)
        >>> parity.changed, parity.f1_loss
        (0.002, 0.0)
    """

    images: int
    pixels: int
    difference: float
    changed_px: int
    before: Counts
    after: Counts

    def __repr__(self) -> str:
        return f"Parity({self.describe()})"

    @property
    def changed(self) -> float:
        """Share of pixels that cross the threshold."""
        return self.changed_px / max(self.pixels, 1)

    @property
    def f1_loss(self) -> float:
        """Loss in F1 over all pixels; 0 without any crack."""
        loss = self.before.f1 - self.after.f1
        return 0.0 if np.isnan(loss) else loss

    def describe(self) -> str:
        """Return the comparison in one line."""
        return (
            f"probability differs by at most {self.difference:.2g}, {100 * self.changed:.3f} % of pixels changed, "
            f"F1 {self.before.f1:.4f} -> {self.after.f1:.4f} on {self.images} images"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON-ready values."""
        return {**dataclasses.asdict(self), "changed": self.changed, "f1_loss": self.f1_loss}

    def check(self, limits: ParityLimits) -> None:
        """Check the differences against limits.

        Raises:
            ParityError: If a difference exceeds its limit or is NaN.
        """
        within = (
            self.difference <= limits.difference
            and self.changed <= limits.changed
            and self.f1_loss <= limits.f1_loss
            and self.images > 0
        )
        if not within:
            raise ParityError(
                f"the exported model differs too much: {self.describe()}; the limits are {limits.difference:g}, "
                f"{100 * limits.changed:g} % and an F1 loss of {limits.f1_loss:g}",
                hint="nothing was written; give more of your own images with --data, or another --precision",
            )


def compare(
    original: Predictor,
    exported: Predictor,
    samples: Iterable[tuple[NDArray[np.uint8], NDArray[np.bool_]]],
    *,
    threshold: float,
) -> Parity:
    """Compare the predictions of two models.

    Args:
        original: The original model.
        exported: The exported model.
        samples: ``(H, W, 3)`` uint8 RGB pixels and ``(H, W)`` bool true mask of each image.
        threshold: Probability from which a pixel counts as crack.

    Raises:
        ModelError: If one of the models returns a number that is not finite.
    """
    images = pixels = changed_px = 0
    difference, before, after = 0.0, Counts(), Counts()
    for image, true in samples:
        first, second = (predict_probability(ArrayImage(image), predictor) for predictor in (original, exported))
        images, pixels = images + 1, pixels + true.size
        difference = max(difference, float(np.abs(first - second).max()))
        changed_px += int(np.count_nonzero((first >= threshold) != (second >= threshold)))
        before, after = before + Counts.of(first >= threshold, true), after + Counts.of(second >= threshold, true)
    return Parity(
        images=images, pixels=pixels, difference=difference, changed_px=changed_px, before=before, after=after
    )
