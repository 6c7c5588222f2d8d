"""Convert samples of any type and layout to 8-bit RGB or mask levels.

The policy is that of `crackseg.imaging.codec`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ImageError

VOID = 255
"""Value of pixels that are neither trained nor scored, next to class numbers or in a palette."""


def turn_upright(samples: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """Undo an EXIF orientation.

    Args:
        samples: ``(H, W)`` or ``(H, W, C)`` samples of any data type and range.
        orientation: Orientation, 1 to 8 (EXIF 2.3, tag 274).

    Returns:
        Upright samples of the same type: ``(W, H)`` or ``(W, H, C)`` for an orientation of 5 or more.

    >>> turn_upright(np.array([[1, 2, 3]]), 6)
    array([[1],
           [2],
           [3]])
    """
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def to_uint8(samples: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Convert samples of any type to 8 bits.

    Deeper integers are shifted down by the smallest even bit depth that holds the largest of them. Floats are read as
    [0, 1] or [0, 255].

    Args:
        samples: ``(H, W)`` or ``(H, W, C)`` samples of any data type, 0 or more.
        name: Name of the image in errors.

    Returns:
        uint8 samples, 0 to 255, in the same shape.

    Raises:
        ImageError: If a sample is negative, NaN or infinite, or a float above 255.

    >>> to_uint8(np.array([[0, 2048, 4095]], dtype=np.uint16), "12-bit image")
    array([[  0, 128, 255]], dtype=uint8)
    """
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * np.uint8(255)
    low, high = float(samples.min()), float(samples.max())
    if not np.isfinite([low, high]).all() or low < 0:
        raise ImageError(
            f"expected finite samples of 0 or more, got values from {low:g} to {high:g}",
            where=name,
            hint="scale the values to 0 to 255",
        )
    if np.issubdtype(samples.dtype, np.floating):
        if high > 255:
            raise ImageError(
                f"expected float samples in [0, 1] or [0, 255], got up to {high:g}",
                where=name,
                hint="scale the values to 0 to 255",
            )
        return np.rint(samples.astype(np.float64) * (255 if high <= 1 else 1)).astype(np.uint8)
    bits = max(8, (int(high).bit_length() + 1) // 2 * 2)
    return np.right_shift(samples.astype(np.int64), bits - 8).astype(np.uint8)


def to_three_channels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat grey over three channels, and drop a fourth channel.

    Args:
        pixels: ``(H, W)`` or ``(H, W, C)`` uint8 pixels, 0 to 255, with 1, 3 or 4 channels.

    Returns:
        ``(H, W, 3)`` uint8 pixels, 0 to 255.

    >>> to_three_channels(np.array([[7]], dtype=np.uint8))
    array([[[7, 7, 7]]], dtype=uint8)
    """
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(pixels[..., :3])


def to_rgb(samples: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Convert samples to RGB pixels.

    Args:
        samples: ``(H, W)`` or ``(H, W, C)`` samples of any data type, 0 or more.
        name: Name of the image in errors.

    Returns:
        ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.

    Raises:
        ImageError: If a sample is negative, NaN or infinite, or a float above 255.

    >>> to_rgb(np.array([[0.5]]), "float image")
    array([[[128, 128, 128]]], dtype=uint8)
    """
    return to_three_channels(to_uint8(samples, name))


_LARGEST_CLASS = 31
"""Largest value that counts as a class number next to 255; higher ones are grey levels."""


def find_void(samples: NDArray[np.generic]) -> NDArray[np.bool_] | None:
    """Find the void pixels of a grey mask.

    Segmentation frameworks mark pixels that are neither trained nor scored by 255 next to class numbers. A mask of 0
    and 255 has none.

    Args:
        samples: ``(H, W)`` or ``(H, W, C)`` samples of any data type.

    Returns:
        ``(H, W)`` bool void pixels; None if 255 is a level and not void.

    >>> find_void(np.array([[0, 1, 255]], dtype=np.uint8))
    array([[False, False,  True]])
    >>> find_void(np.array([[0, 255]], dtype=np.uint8)) is None
    True
    """
    if not np.issubdtype(samples.dtype, np.integer):
        return None
    if samples.ndim == 3:
        if (samples[..., :1] != samples[..., :3]).any():
            return None
        samples = samples[..., 0]
    between = samples[(samples != 0) & (samples != VOID)]
    if not between.size or int(between.min()) < 0 or int(between.max()) > _LARGEST_CLASS:
        return None
    void = np.asarray(samples == VOID)
    return void if void.any() else None


def to_mask_levels(samples: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Convert samples to the grey levels of a mask.

    The largest of several channels counts. If no sample exceeds 1, 1 is crack.

    Args:
        samples: ``(H, W)`` or ``(H, W, C)`` samples of any data type, 0 or more.
        name: Name of the mask in errors.

    Returns:
        ``(H, W)`` uint8 levels, 0 to 255; 255 is crack.

    Raises:
        ImageError: If a sample is negative, NaN or infinite, or a float above 255.

    >>> to_mask_levels(np.array([[0, 1]], dtype=np.uint8), "mask")
    array([[  0, 255]], dtype=uint8)
    """
    pixels = to_uint8(samples, name)
    grey = np.asarray(pixels.max(axis=2), dtype=np.uint8) if pixels.ndim == 3 else pixels
    return grey * np.uint8(255) if grey.max() <= 1 else grey
