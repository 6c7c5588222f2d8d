"""Image files read ahead of those who use them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError
from crackseg.images import MAX_PIXELS, read_image
from crackseg.tiff import TiffImage, open_large_tiff


@dataclass(frozen=True, slots=True, eq=False)
class ReadImage:
    """An image file that has been read, or could not be.

    Attributes:
        name: The file's name.
        pixels: ``(H, W, 3) uint8`` RGB pixels, or why there are none; an open file if it is too large to be read whole.
    """

    name: str
    pixels: NDArray[np.uint8] | TiffImage | CracksegError


def read_ahead(paths: Iterable[str | os.PathLike[str]]) -> Iterator[ReadImage]:
    """Read image files in their order, each while the one before it is being worked on.

    The first is being read when this returns, so that a model can be loaded meanwhile.
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="crackseg-read")
    waiting = iter(paths)

    def read_next() -> ReadImage | None:
        path = next(waiting, None)
        return None if path is None else _read(path)

    def images(pending: Future[ReadImage | None]) -> Iterator[ReadImage]:
        try:
            while (image := pending.result()) is not None:
                pending = pool.submit(read_next)
                yield image
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    return images(pool.submit(read_next))


def _read(path: str | os.PathLike[str]) -> ReadImage:
    try:
        large = open_large_tiff(Path(path), from_px=MAX_PIXELS)
        return ReadImage(name_of(path), read_image(Path(path)) if large is None else large)
    except CracksegError as error:
        return ReadImage(name_of(path), error)


def name_of(image: object) -> str:
    """Return the name of an image's file, or what to call an image that has none."""
    return Path(image).name if isinstance(image, (str, os.PathLike)) else "image"
