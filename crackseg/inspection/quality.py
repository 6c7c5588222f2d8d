"""Whether an image can be judged at all: too small, too dark, too bright, blurred, or without any structure."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crackseg.config import Section

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
    """

    min_side_px: int = Field(default=32, ge=1)
    min_bright_level: int = Field(default=40, ge=0, le=255)
    max_dark_level: int = Field(default=250, ge=0, le=255)
    min_contrast: float = Field(default=0.5, ge=0)
    min_sharpness: float = Field(default=1.3, ge=0)


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
    """

    side_px: int
    bright_level: float
    dark_level: float
    contrast: float
    sharpness: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures by name, rounded for JSON."""
        return {name: round(float(getattr(self, name)), 3) for name in self.__slots__}


def measure_quality(image: NDArray[np.uint8]) -> Quality:
    """Measure what decides whether an image can be judged.

    Args:
        image: ``(H, W, 3)`` RGB pixels.
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
    )


def _steps(grey: NDArray[np.float32] | NDArray[np.generic]) -> float:
    """Return the mean step from a pixel to the next, down and across."""
    values = np.asarray(grey, dtype=np.float32)
    steps = [float(np.abs(np.diff(values, axis=axis)).mean()) for axis in (0, 1) if values.shape[axis] > 1]
    return sum(steps) / max(len(steps), 1)


def why_not_judged(quality: Quality, limits: QualityLimits) -> tuple[str, ...]:
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
    return tuple(reasons)
