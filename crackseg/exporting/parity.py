"""Whether a model in another form still says what it said: the gate before anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ModelError
from crackseg.imaging.codec import ArrayImage
from crackseg.metrics.counts import Counts
from crackseg.modelcard.card import PrecisionName
from crackseg.prediction.tiled import predict_probability
from crackseg.runtimes.predictor import Predictor


class ParityError(ModelError):
    """A model in another form that says something else."""


@dataclass(frozen=True, slots=True)
class ParityLimits:
    """How far two forms of a model may be apart.

    Attributes:
        difference: Largest difference in probability.
        changed: Share of pixels that change sides of the threshold.
        f1_loss: Loss in pooled F1 against the true masks.
    """

    difference: float
    changed: float
    f1_loss: float


LIMITS: dict[PrecisionName, ParityLimits] = {
    "fp32": ParityLimits(1e-3, 1e-4, 0.0005),
    "bf16": ParityLimits(0.5, 0.005, 0.002),
    "int8": ParityLimits(0.9, 0.01, 0.005),
}
"""Limits by precision. Rounding moves single pixels at the edge of a crack far, so what counts below float32 is how
many change sides, and what that costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far two forms of a model are apart on some images.

    Attributes:
        images: Images compared.
        pixels: Their pixels.
        difference: Largest difference in probability.
        changed_px: Pixels that change sides of the threshold.
        before: Pixels of the first form against the true masks.
        after: Pixels of the second form against the true masks.
    """

    images: int
    pixels: int
    difference: float
    changed_px: int
    before: Counts
    after: Counts

    @property
    def changed(self) -> float:
        """Share of pixels that change sides of the threshold."""
        return self.changed_px / max(self.pixels, 1)

    @property
    def f1_loss(self) -> float:
        """Loss in pooled F1 against the true masks; 0 where they hold no crack and none is called."""
        loss = self.before.f1 - self.after.f1
        return 0.0 if np.isnan(loss) else loss

    def describe(self) -> str:
        """Return the comparison in one line."""
        return (
            f"probability off by at most {self.difference:.2g}, {100 * self.changed:.3f} % of pixels changed, "
            f"F1 {self.before.f1:.4f} -> {self.after.f1:.4f} on {self.images} images"
        )

    def check(self, limits: ParityLimits) -> None:
        """Check it against limits.

        Raises:
            ParityError: If it is beyond one, or not a number.
        """
        within = (
            self.difference <= limits.difference
            and self.changed <= limits.changed
            and self.f1_loss <= limits.f1_loss
            and self.images > 0
        )
        if not within:
            raise ParityError(
                f"the exported model is not the same: {self.describe()}; allowed are {limits.difference:g}, "
                f"{100 * limits.changed:g} % and a loss of {limits.f1_loss:g}",
                hint="nothing was written; give more of your own images with --data, or another --precision",
            )


def compare(
    first: Predictor,
    second: Predictor,
    samples: Iterable[tuple[NDArray[np.uint8], NDArray[np.bool_]]],
    *,
    threshold: float,
) -> Parity:
    """Compare two forms of a model.

    Args:
        first: The model as it was.
        second: The model in another form.
        samples: ``(H, W, 3)`` RGB pixels and ``(H, W)`` true mask each.
        threshold: Probability from which a pixel counts as crack.

    Raises:
        ModelError: If one of the two answers with anything but finite numbers.
    """
    images = pixels = changed_px = 0
    difference, before, after = 0.0, Counts(), Counts()
    for image, true in samples:
        was, now = (predict_probability(ArrayImage(image), predictor) for predictor in (first, second))
        images, pixels = images + 1, pixels + true.size
        difference = max(difference, float(np.abs(was - now).max()))
        changed_px += int(np.count_nonzero((was >= threshold) != (now >= threshold)))
        before, after = before + Counts.of(was >= threshold, true), after + Counts.of(now >= threshold, true)
    return Parity(
        images=images, pixels=pixels, difference=difference, changed_px=changed_px, before=before, after=after
    )
