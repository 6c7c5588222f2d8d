"""One-channel float pictures and the few operations on them that everything else is made of."""

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
"""``(h, w)`` float32."""

Planes = NDArray[np.float32]
"""``(3, h, w)`` float32: red, green, blue in about [0, 1]."""


def clip(plane: Plane, low: float = 0.0, high: float = 1.0) -> Plane:
    """Limit a plane to ``[low, high]``."""
    return np.clip(plane, np.float32(low), np.float32(high))


def at_least(plane: Plane, low: float) -> Plane:
    """Raise everything below ``low`` to ``low``."""
    return np.asarray(np.maximum(plane, np.float32(low)), dtype=np.float32)


def blurred(plane: Plane, sigma_px: float) -> Plane:
    """Blur by a Gaussian; a wide blur is made on a smaller grid, which makes no visible difference.

    Args:
        plane: ``(h, w)`` float32.
        sigma_px: Standard deviation, in pixels; > 0.

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


def to_picture(planes: Planes) -> NDArray[np.uint8]:
    """Turn planes ``(3, h, w)`` or ``(1, h, w)`` in [0, 1] into ``(h, w, 3)`` or ``(h, w)`` uint8, limited to range."""
    bytes_ = [cv2.convertScaleAbs(at_least(plane, 0.0), alpha=255.0) for plane in planes]
    return np.asarray(cv2.merge(bytes_), dtype=np.uint8)


def from_picture(picture: NDArray[np.uint8]) -> Planes:
    """Turn ``(h, w, 3)`` uint8 into ``(3, h, w)`` float32 in [0, 1]."""
    return np.multiply(picture.transpose(2, 0, 1), np.float32(1 / 255), dtype=np.float32, order="C")
