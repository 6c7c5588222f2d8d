"""Load the user's assets lazily: background images, crack masks and noise patches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, ImageError, UsageError
from crackseg.files import list_images
from crackseg.generation.job import AssetFolders
from crackseg.imaging.codec import image_size, read_image, read_mask_levels
from data_gen import Assets, Recipe
from data_gen.cutout import cut

_SMALLEST_BACKGROUND_PX = 32
"""Smallest side of a background; a smaller image shows only its own repetition."""
_PATCH_PX = 128
_PATCHES_KEPT = 2048
"""Number of noise patches that each process caches, at most 32 MiB; an image shows hundreds."""

Pixels = NDArray[np.uint8]
"""``(h, w, 3)`` uint8 RGB or ``(h, w)`` uint8 grey pixels, in [0, 255]."""


@dataclass(frozen=True)
class _Folder(Sequence[Pixels]):
    """Images of a folder that are read on access."""

    paths: tuple[Path, ...]
    read: Callable[[Path], Pixels]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        return self.read(self.paths[index])


@functools.lru_cache(maxsize=_PATCHES_KEPT)
def _read_patch(path: Path) -> Pixels:
    """Read a ``(h, w)`` noise patch with no side longer than `_PATCH_PX`."""
    levels = read_mask_levels(path)
    longest = max(levels.shape)
    if longest <= _PATCH_PX:
        return levels
    height, width = (max(1, side * _PATCH_PX // longest) for side in levels.shape)
    return np.asarray(cv2.resize(levels, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def load_assets(folders: AssetFolders, recipe: Recipe | None = None) -> tuple[list[str], Assets]:
    """Find the usable images in the user's folders.

    Args:
        folders: Folders of the assets.
        recipe: Recipe with the threshold and the least area of patterns; its defaults if None.

    Returns:
        One line for each file that cannot be used, and the assets.

    Raises:
        UsageError: If a folder is missing or holds no usable image.
    """
    skipped: list[str] = []

    def usable(folder: Path | None, read: Callable[[Path], Pixels], check: Callable[[Path], None]) -> _Folder:
        good = []
        for path in () if folder is None else list_images(folder):
            try:
                check(path)
                good.append(path)
            except CracksegError as error:
                skipped.append(str(error))
        if folder is not None and not good:
            reason = f" ({skipped[-1]})" if skipped else ""
            raise UsageError(
                f"the folder holds no usable image{reason}", where=folder, hint="add images, for example PNG files"
            )
        return _Folder(tuple(good), read)

    noise = folders.noise
    small, big = (
        usable(None if noise is None else noise / name, _read_patch, _check_patch) for name in ("small", "big")
    )
    backgrounds = usable(folders.backgrounds, read_image, _check_background)
    check_pattern = functools.partial(_check_pattern, recipe=recipe or Recipe())
    return skipped, Assets(backgrounds, usable(folders.patterns, read_mask_levels, check_pattern), small, big)


def _check_background(path: Path) -> None:
    height, width = image_size(path)
    if min(height, width) < _SMALLEST_BACKGROUND_PX:
        raise ImageError(
            f"expected a background of {_SMALLEST_BACKGROUND_PX} or more pixels on each side, got {height}x{width}"
            " (height x width)",
            where=path,
            hint="use a larger image",
        )
    read_image(path)


def _check_pattern(path: Path, *, recipe: Recipe) -> None:
    image_size(path)
    least = recipe.cracks.min_cutout_px
    if cut(np.random.default_rng(0), read_mask_levels(path), level=recipe.level, min_area_px=least) is None:
        raise ImageError(
            f"the pattern holds no crack larger than a speck, of {least} px or more",
            where=path,
            hint="draw the crack bright on black, or lower level or cracks.min_cutout_px",
        )


def _check_patch(path: Path) -> None:
    image_size(path)
    read_mask_levels(path)
