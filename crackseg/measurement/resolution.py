"""What a width is worth: how far it may be off, and below what it says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WidthSource = Literal["mask", "probability", "grey"]
WidthStatistic = Literal["mean", "median", "p95", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How well widths are known that come from one source.

    The numbers are measured on generated cracks of known width by ``experiments/measurement.py``: 95 of 100 measured
    widths are off by no more than their uncertainty.

    Attributes:
        limit_px: Least width that is told apart from smaller ones, in pixels.
        reason: Why nothing smaller is.
        offset_px: Uncertainty of a mean, a median or a percentile at width 0, in pixels.
        share: Its growth with the width.
        offset_max_px: Uncertainty of the greatest width at width 0, in pixels.
        share_max: Its growth with the width.
    """

    limit_px: float
    reason: str
    offset_px: float
    share: float
    offset_max_px: float
    share_max: float

    def least_px(self, statistic: WidthStatistic) -> float:
        """Return the least value that is told.

        The mean and the median may come down to the limit; noise lifts the 95th percentile and the maximum, which must
        be above it by as much as they may be off.
        """
        return self.limit_px + {"p95": self.offset_px, "max": self.offset_max_px}.get(statistic, 0.0)

    def uncertainty_px(self, width_px: float, statistic: WidthStatistic) -> float:
        """Return by how much a width may be off, in pixels, at a confidence of 95 %."""
        if statistic == "max":
            return self.offset_max_px + self.share_max * width_px
        return self.offset_px + self.share * width_px


RESOLUTIONS: dict[WidthSource, Resolution] = {
    "mask": Resolution(
        limit_px=1.2,
        reason="a mask shows whatever is narrower than a pixel as one pixel",
        offset_px=0.25,
        share=0.04,
        offset_max_px=0.5,
        share_max=0.08,
    ),
    "probability": Resolution(
        limit_px=7.0,
        reason="the network's probability is several pixels wide on the narrowest crack",
        offset_px=1.0,
        share=0.4,
        offset_max_px=2.0,
        share_max=0.4,
    ),
    "grey": Resolution(
        limit_px=3.5,
        reason="blur makes a photograph show whatever is narrower as that wide",
        offset_px=1.5,
        share=0.25,
        offset_max_px=2.5,
        share_max=0.3,
    ),
}
"""By source. `probability` and `grey` hold for the shipped model and photographs as sharp as generated ones."""

GREY_BELOW_PX = 7.0
"""Cracks that the mask shows narrower than this are measured in the photograph, wider ones in the probability: light
falls into a wide crack, and the photograph shows it too narrow, as the probability shows a narrow one too wide."""

LEAST_CONTRAST, LEAST_CONTRAST_TO_NOISE = 4.0, 2.0
"""Grey values, and standard deviations of what lies beside it, by which a crack must be darker to be measured there."""
