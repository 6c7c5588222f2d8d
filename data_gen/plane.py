"""Basic operations on one-channel float images."""

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
"""``(h, w)`` float32 values of one channel."""

Planes = NDArray[np.float32]
"""``(3, h, w)`` float32: red, green, blue in about [0, 1]."""


def clip(plane: Plane, low: float = 0.0, high: float = 1.0) -> Plane:
    """Limit a ``(h, w)`` plane to ``[low, high]``."""
    return np.clip(plane, np.float32(low), np.float32(high))


def at_least(plane: Plane, low: float) -> Plane:
    """Raise the values of a ``(h, w)`` plane to at least ``low``."""
    return np.asarray(np.maximum(plane, np.float32(low)), dtype=np.float32)


def blur(plane: Plane, sigma_px: float) -> Plane:
    """Blur a plane by a Gaussian.

    A wide blur is computed at a lower resolution, which makes no visible difference.

    Args:
        plane: ``(h, w)`` float32.
        sigma_px: Standard deviation, > 0, in pixels.

    Returns:
        ``(h, w)`` float32.
    """
    factor = max(1, int(sigma_px / 2.5))
    if factor == 1:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma_px), dtype=np.float32)
    height, width = plane.shape
    small = cv2.resize(plane, (max(width // factor, 1), max(height // factor, 1)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / factor)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def to_image(planes: Planes) -> NDArray[np.uint8]:
    """Convert float planes to an 8-bit image.

    Args:
        planes: ``(3, h, w)`` or ``(1, h, w)`` float32; values are clipped to [0, 1].

    Returns:
        ``(h, w, 3)`` or ``(h, w)`` uint8, in [0, 255].

    Example:
        >>> to_image(np.full((3, 1, 1), 0.5, np.float32)).tolist()
        [[[128, 128, 128]]]
    """
    bytes_ = [cv2.convertScaleAbs(at_least(plane, 0.0), alpha=255.0) for plane in planes]
    return np.asarray(cv2.merge(bytes_), dtype=np.uint8)


def to_planes(image: NDArray[np.uint8]) -> Planes:
    """Convert an 8-bit image to float planes.

    Args:
        image: ``(h, w, 3)`` uint8, in [0, 255].

    Returns:
        ``(3, h, w)`` float32, in [0, 1].
    """
    return np.multiply(image.transpose(2, 0, 1), np.float32(1 / 255), dtype=np.float32, order="C")
