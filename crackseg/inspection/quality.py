"""Whether an image can be judged at all: too small, dark, bright or blurred, without structure, or of another kind."""

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
    """What an image must have to be judged; outside of these its verdict is CANNOT JUDGE.

    Attributes:
        min_side_px: Shorter side.
        min_bright_level: Level, of 255, that the brightest hundredth of the pixels must reach.
        max_dark_level: Level, of 255, that the darkest hundredth must not exceed.
        min_contrast: Standard deviation of the levels.
        min_sharpness: Lower bound of `Quality.sharpness`. Photographs of eleven data sets had 1.66 or more, the same
            photographs blurred with a standard deviation of 4 px at most 1.25.
        max_distance: Distance from the images that the model was trained on, over the limit in its card; any if None.
    """

    min_side_px: int = Field(default=32, ge=1)
    min_bright_level: int = Field(default=40, ge=0, le=255)
    max_dark_level: int = Field(default=250, ge=0, le=255)
    min_contrast: float = Field(default=0.5, ge=0)
    min_sharpness: float = Field(default=1.3, ge=0)
    max_distance: float | None = Field(default=1.0, gt=0)


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured to see whether an image can be judged.

    Attributes:
        side_px: Shorter side.
        bright_level: Level that a hundredth of the pixels exceed, of 255.
        dark_level: Level that a hundredth of the pixels lie below.
        contrast: Standard deviation of the levels.
        sharpness: Mean step between neighbouring pixels, over the same after a blur of 2 px; about 1 for an image that
            was blurred before, whatever its contrast.
        distance: From the images that the model was trained on; None if its card does not tell. So is the next one.
        distance_limit: From which the model's card calls an image far.
    """

    side_px: int
    bright_level: float
    dark_level: float
    contrast: float
    sharpness: float
    distance: float | None = None
    distance_limit: float | None = None

    def to_dict(self) -> dict[str, float]:
        """Return the measurements by name, rounded for JSON."""
        measurements = {name: getattr(self, name) for name in self.__slots__}
        return {name: round(float(value), 3) for name, value in measurements.items() if value is not None}


def measure_quality(image: NDArray[np.uint8], domain: Domain | None = None) -> Quality:
    """Measure what decides whether an image can be judged.

    Args:
        image: ``(H, W, 3)`` RGB pixels.
        domain: What the model was trained on, if that is known.
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
    """Return the mean step from a pixel to the next, down and across."""
    values = np.asarray(grey, dtype=np.float32)
    steps = [float(np.abs(np.diff(values, axis=axis)).mean()) for axis in (0, 1) if values.shape[axis] > 1]
    return sum(steps) / max(len(steps), 1)


def list_quality_problems(quality: Quality, limits: QualityLimits) -> tuple[str, ...]:
    """Return why an image cannot be judged, a line each; nothing if it can."""
    reasons = []
    if quality.side_px < limits.min_side_px:
        reasons.append(f"too small: {quality.side_px} px at the shorter side, at least {limits.min_side_px} are needed")
    if quality.bright_level < limits.min_bright_level:
        reasons.append(
            f"too dark: 99 % of the pixels are at level {quality.bright_level:.0f} of 255 or below, "
            f"expected {limits.min_bright_level} or more"
        )
    if quality.dark_level > limits.max_dark_level:
        reasons.append(f"too bright: 99 % of the pixels are at level {quality.dark_level:.0f} of 255 or above")
    if quality.contrast < limits.min_contrast:
        reasons.append("without structure: all pixels are of one level")
    elif quality.sharpness < limits.min_sharpness:
        reasons.append(f"blurred: sharpness {quality.sharpness:.2f}, at least {limits.min_sharpness:g} is needed")
    return tuple(reasons) or _why_far(quality, limits)


def _why_far(quality: Quality, limits: QualityLimits) -> tuple[str, ...]:
    if quality.distance is None or quality.distance_limit is None or limits.max_distance is None:
        return ()
    limit = limits.max_distance * quality.distance_limit
    if quality.distance <= limit:
        return ()
    return (f"far from what the model was trained on: distance {quality.distance:.2f}, limit {limit:.2f}",)
