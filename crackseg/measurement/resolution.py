"""State the uncertainty and the resolution limit of measured widths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WidthSource = Literal["mask", "probability", "grey"]
WidthStatistic = Literal["mean", "median", "p95", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Resolution of the widths from one source.

    ``experiments/measurement.py`` determines the numbers on generated cracks of known width: 95 % of the measured
    widths are within their uncertainty.

    Attributes:
        limit_px: Resolution limit: least width that differs from smaller ones, in pixels.
        reason: Reason for the limit, in words.
        offset_px: Uncertainty of a mean, a median or a percentile at width 0, in pixels.
        share: Growth of that uncertainty with the width.
        offset_max_px: Uncertainty of the greatest width at width 0, in pixels.
        share_max: Growth of that uncertainty with the width.
    """

    limit_px: float
    reason: str
    offset_px: float
    share: float
    offset_max_px: float
    share_max: float

    def least_px(self, statistic: WidthStatistic) -> float:
        """Return the least value of a statistic that is reported, in pixels.

        For the mean and the median it is the limit. Noise raises the 95th percentile and the maximum, so they must
        exceed the limit by their uncertainty at width 0.
        """
        return self.limit_px + {"p95": self.offset_px, "max": self.offset_max_px}.get(statistic, 0.0)

    def uncertainty_px(self, width_px: float, statistic: WidthStatistic) -> float:
        """Return the uncertainty of a width at 95 % confidence, in pixels."""
        if statistic == "max":
            return self.offset_max_px + self.share_max * width_px
        return self.offset_px + self.share * width_px


RESOLUTIONS: dict[WidthSource, Resolution] = {
    "mask": Resolution(
        limit_px=1.2,
        reason="a mask shows a narrower crack as one pixel wide",
        offset_px=0.25,
        share=0.04,
        offset_max_px=0.5,
        share_max=0.08,
    ),
    "probability": Resolution(
        limit_px=7.0,
        reason="the probability of the narrowest crack is several pixels wide",
        offset_px=1.0,
        share=0.4,
        offset_max_px=2.0,
        share_max=0.4,
    ),
    "grey": Resolution(
        limit_px=3.5,
        reason="blur makes a narrower crack appear as wide as that",
        offset_px=1.5,
        share=0.25,
        offset_max_px=2.5,
        share_max=0.3,
    ),
}
"""Resolution by source; "probability" and "grey" hold for the shipped model and images as sharp as generated ones."""

GREY_BELOW_PX = 7.0
"""Width in the mask below which a crack is measured in the image's grey values, and above in the probability.

Light falls into a wide crack, so the image shows it too narrow; the probability shows a narrow crack too wide."""

LEAST_CONTRAST, LEAST_CONTRAST_TO_NOISE = 4.0, 2.0
"""Least contrast of a crack measured in grey values, in grey values and in standard deviations of its surroundings."""
