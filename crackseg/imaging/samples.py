"""Convert samples of any type and layout to 8-bit RGB or mask levels, by the policy of `crackseg.imaging.codec`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ImageError


def turn_upright(samples: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """Undo an EXIF orientation, 1 to 8 (EXIF 2.3, tag 274), of ``(H, W)`` or ``(H, W, C)`` samples."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def to_uint8(samples: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Return samples of any type as 8 bits.

    Args:
        samples: ``(H, W)`` or ``(H, W, C)``, of any type.
        name: What to call them in an error.

    Returns:
        The same shape. Deeper integers are shifted down by the smallest even bit depth that holds the largest of them,
        floats taken as [0, 1] or [0, 255].

    Raises:
        ImageError: If a sample is negative, NaN or infinite, or a float above 255.
    """
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * np.uint8(255)
    low, high = float(samples.min()), float(samples.max())
    if not np.isfinite([low, high]).all() or low < 0:
        raise ImageError(f"expected samples of 0 or more, got values from {low:g} to {high:g}", where=name)
    if np.issubdtype(samples.dtype, np.floating):
        if high > 255:
            raise ImageError(f"expected float samples in [0, 1] or [0, 255], got up to {high:g}", where=name)
        return np.rint(samples.astype(np.float64) * (255 if high <= 1 else 1)).astype(np.uint8)
    bits = max(8, (int(high).bit_length() + 1) // 2 * 2)
    return np.right_shift(samples.astype(np.int64), bits - 8).astype(np.uint8)


def to_three_channels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``(H, W)`` or ``(H, W, C)`` pixels as ``(H, W, 3)``: grey repeated, a fourth channel dropped."""
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(pixels[..., :3])


def to_rgb(samples: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Return samples as ``(H, W, 3)`` RGB pixels; raises as `to_uint8` does."""
    return to_three_channels(to_uint8(samples, name))


def to_mask_levels(samples: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Return samples as the ``(H, W)`` levels of a mask, 255 being crack; raises as `to_uint8` does.

    Of several channels the largest counts. Where no sample exceeds 1, 1 is crack.
    """
    pixels = to_uint8(samples, name)
    grey = np.asarray(pixels.max(axis=2), dtype=np.uint8) if pixels.ndim == 3 else pixels
    return grey * np.uint8(255) if grey.max() <= 1 else grey
