"""The user's own material: photographs, crack masks and patches of noise, read when they are needed."""

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
from data_gen import Assets
from data_gen.cutout import cut

_SMALLEST_BACKGROUND_PX = 32
"""A smaller photograph, mirrored up to size, shows nothing but its own repetition."""
_PATCH_PX = 128
_PATCHES_KEPT = 2048
"""Patches of noise are kept by each process: at most 32 MiB of them, for an image shows hundreds."""

Picture = NDArray[np.uint8]
"""``(h, w, 3)`` RGB or ``(h, w)`` grey pixels."""


@dataclass(frozen=True)
class _Folder(Sequence[Picture]):
    """The images of a folder, read one by one when they are needed."""

    paths: tuple[Path, ...]
    read: Callable[[Path], Picture]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        return self.read(self.paths[index])


@functools.lru_cache(maxsize=_PATCHES_KEPT)
def _read_patch(path: Path) -> Picture:
    """Return a patch of noise ``(h, w)``, no side longer than `_PATCH_PX`, kept for the next time."""
    levels = read_mask_levels(path)
    longest = max(levels.shape)
    if longest <= _PATCH_PX:
        return levels
    height, width = (max(1, side * _PATCH_PX // longest) for side in levels.shape)
    return np.asarray(cv2.resize(levels, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def load_assets(folders: AssetFolders) -> tuple[list[str], Assets]:
    """Find what of the user's material can be used.

    Args:
        folders: Where it lies.

    Returns:
        One line for each file that is left aside, and the rest.

    Raises:
        UsageError: If a folder is missing, or nothing in it can be used.
    """
    skipped: list[str] = []

    def usable(folder: Path | None, read: Callable[[Path], Picture], check: Callable[[Path], None]) -> _Folder:
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
                f"holds no readable image that can be used{reason}", where=folder, hint="put images there, as PNG"
            )
        return _Folder(tuple(good), read)

    noise = folders.noise
    small, big = (
        usable(None if noise is None else noise / name, _read_patch, _check_patch) for name in ("small", "big")
    )
    backgrounds = usable(folders.backgrounds, read_image, _check_background)
    return skipped, Assets(backgrounds, usable(folders.patterns, read_mask_levels, _check_pattern), small, big)


def _check_background(path: Path) -> None:
    height, width = image_size(path)
    if min(height, width) < _SMALLEST_BACKGROUND_PX:
        raise ImageError(
            f"is {width}x{height} pixels, and a background needs {_SMALLEST_BACKGROUND_PX} on each side", where=path
        )
    read_image(path)


def _check_pattern(path: Path) -> None:
    image_size(path)
    if cut(np.random.default_rng(0), read_mask_levels(path)) is None:
        raise ImageError("holds no crack, nothing or specks alone", where=path)


def _check_patch(path: Path) -> None:
    image_size(path)
    read_mask_levels(path)
