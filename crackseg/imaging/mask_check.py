"""Refuse images of surfaces where masks are expected, by their grey levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ImageError

_MANY_LEVELS = 16
"""Largest number of levels of a mask of class numbers; soft edges and texture have more."""
_NEAR_END = 16
"""Largest distance from 0 or 255 of the background and of drawn cracks, compression included."""
_LEAST_EXTREME = 0.5
_LEAST_COMMON = 0.2
"""Least share of the two commonest levels; background and crack hold nearly all of a mask."""


def looks_like_photo(levels: NDArray[np.uint8]) -> bool:
    """Return whether grey levels are those of a photo.

    A mask may have soft edges, texture, compression or class numbers, but most of it is background or crack. In a
    photo, most pixels lie between black and white, or no two levels are common.

    Args:
        levels: ``(H, W)`` uint8 levels from `read_mask_levels`.

    Example:
        >>> wall = np.random.default_rng(0).normal(150, 12, (64, 64)).astype(np.uint8)
        >>> looks_like_photo(wall), looks_like_photo(np.where(wall > 170, np.uint8(255), np.uint8(0)))
        (True, False)
    """
    counts = np.bincount(levels.ravel(), minlength=256)
    if np.count_nonzero(counts) <= _MANY_LEVELS:
        return False
    extreme = 1 - counts[_NEAR_END : 256 - _NEAR_END].sum() / levels.size
    common = np.sort(counts)[-2:].sum() / levels.size
    return bool(extreme < _LEAST_EXTREME or common < _LEAST_COMMON)


def refuse_photo(levels: NDArray[np.uint8], path: Path, *, hint: str = "give its mask: white cracks on black") -> None:
    """Refuse a file whose levels are those of a photo.

    Args:
        levels: ``(H, W)`` uint8 levels from `read_mask_levels`.
        path: The file, for the error.
        hint: Advice of the error.

    Raises:
        ImageError: If `looks_like_photo` is true.
    """
    if looks_like_photo(levels):
        count = np.count_nonzero(np.bincount(levels.ravel(), minlength=256))
        between = np.count_nonzero((levels >= _NEAR_END) & (levels < 256 - _NEAR_END)) / levels.size
        raise ImageError(
            f"expected a mask, got an image: {count} grey levels, {100 * between:.0f} % of the pixels between black and"
            " white",
            where=path,
            hint=hint,
        )
