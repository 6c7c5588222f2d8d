"""Measure whether an image can be judged: its size, brightness, contrast, sharpness and kind."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crackseg.config import Section
from crackseg.modelcard.domain import Domain

_BLUR_PX = 2.0


class QualityLimits(Section):
    """Limits of `Quality`; the verdict of an image outside them is CANNOT JUDGE.

    Attributes:
        min_side_px: Least shorter side.
        min_bright_level: Least 99th percentile of the grey levels, of 255.
        max_dark_level: Greatest 1st percentile of the grey levels, of 255.
        min_contrast: Least standard deviation of the grey levels.
        min_sharpness: Least `Quality.sharpness`. The images of eleven data sets had 1.66 or more; blurred with a
            standard deviation of 4 px, they had at most 1.25.
        max_distance: Greatest distance from the training images, as a factor on the limit in the model card; None
            accepts every image.
    """

    min_side_px: int = Field(default=32, ge=1)
    min_bright_level: int = Field(default=40, ge=0, le=255)
    max_dark_level: int = Field(default=250, ge=0, le=255)
    min_contrast: float = Field(default=0.5, ge=0)
    min_sharpness: float = Field(default=1.3, ge=0)
    max_distance: float | None = Field(default=1.0, gt=0)


@dataclass(frozen=True, slots=True)
class Quality:
    """Measurements that decide whether an image can be judged.

    Attributes:
        side_px: Shorter side.
        bright_level: 99th percentile of the grey levels, of 255.
        dark_level: 1st percentile of the grey levels, of 255.
        contrast: Standard deviation of the grey levels.
        sharpness: Mean step between neighbouring pixels, divided by the same after a blur of 2 px. It is about 1 for
            a blurred image of any contrast.
        distance: Distance from the training images; None if the model card does not describe them.
        distance_limit: Limit of ``distance`` in the model card; None if the card does not describe training images.
    """

    side_px: int
    bright_level: float
    dark_level: float
    contrast: float
    sharpness: float
    distance: float | None = None
    distance_limit: float | None = None

    def to_dict(self) -> dict[str, float]:
        """Return the measurements as a JSON object, rounded."""
        measurements = {name: getattr(self, name) for name in self.__slots__}
        return {name: round(float(value), 3) for name, value in measurements.items() if value is not None}


def measure_quality(image: NDArray[np.uint8], domain: Domain | None = None) -> Quality:
    """Measure whether an image can be judged.

    Args:
        image: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.
        domain: Description of the training images; None if the model card has none.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    counts = np.bincount(grey.ravel(), minlength=256)
    share = np.cumsum(counts) / grey.size
    levels = np.arange(256)
    mean = float(counts @ levels) / grey.size
    contrast = float(np.sqrt(counts @ (levels - mean) ** 2 / grey.size))
    blurred = _steps(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), _BLUR_PX))
    return Quality(
        side_px=min(grey.shape),
        bright_level=float(np.searchsorted(share, 0.99)),
        dark_level=float(np.searchsorted(share, 0.01)),
        contrast=contrast,
        sharpness=_steps(grey.astype(np.float32)) / blurred if blurred > 0 else 0.0,
        distance=None if domain is None else domain.distance(image),
        distance_limit=None if domain is None else domain.limit,
    )


def _steps(grey: NDArray[np.float32] | NDArray[np.generic]) -> float:
    """Return the mean absolute difference between neighbours, down and across.

    Args:
        grey: ``(H, W)`` float32 grey levels, 0 to 255.
    """
    values = np.asarray(grey, dtype=np.float32)
    steps = [float(np.abs(np.diff(values, axis=axis)).mean()) for axis in (0, 1) if values.shape[axis] > 1]
    return sum(steps) / max(len(steps), 1)


def list_quality_problems(quality: Quality, limits: QualityLimits) -> tuple[str, ...]:
    """Return the reasons why an image cannot be judged, a line each."""
    reasons = []
    if quality.side_px < limits.min_side_px:
        reasons.append(f"too small: shorter side {quality.side_px} px, expected at least {limits.min_side_px} px")
    if quality.bright_level < limits.min_bright_level:
        reasons.append(
            f"too dark: 99 % of the pixels have grey levels up to {quality.bright_level:.0f}, "
            f"expected at least {limits.min_bright_level} of 255"
        )
    if quality.dark_level > limits.max_dark_level:
        reasons.append(
            f"too bright: 99 % of the pixels have grey levels from {quality.dark_level:.0f}, "
            f"expected at most {limits.max_dark_level} of 255"
        )
    if quality.contrast < limits.min_contrast:
        reasons.append(
            f"too little contrast: standard deviation of the grey levels {quality.contrast:.2g}, "
            f"expected at least {limits.min_contrast:g}"
        )
    elif quality.sharpness < limits.min_sharpness:
        reasons.append(f"blurred: sharpness {quality.sharpness:.2f}, expected at least {limits.min_sharpness:g}")
    return tuple(reasons) or _distance_problems(quality, limits)


def _distance_problems(quality: Quality, limits: QualityLimits) -> tuple[str, ...]:
    if quality.distance is None or quality.distance_limit is None or limits.max_distance is None:
        return ()
    limit = limits.max_distance * quality.distance_limit
    if quality.distance <= limit:
        return ()
    return (f"far from the training images of the model: distance {quality.distance:.2f}, limit {limit:.2f}",)
