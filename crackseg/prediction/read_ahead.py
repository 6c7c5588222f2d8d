"""Image files read ahead of those who use them."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError
from crackseg.imaging.codec import MAX_PIXELS, read_image
from crackseg.imaging.tiff import TiffImage, open_large_tiff


@dataclass(frozen=True, slots=True, eq=False)
class ReadImage:
    """An image file that has been read, or could not be.

    Attributes:
        name: The file's name.
        pixels: ``(H, W, 3) uint8`` RGB pixels, or why there are none; an open file if it is too large to be read whole.
    """

    name: str
    pixels: NDArray[np.uint8] | TiffImage | CracksegError


def read_ahead(paths: Iterable[str | os.PathLike[str]], *, at_once: int = 1) -> Iterator[ReadImage]:
    """Read image files in their order, each while those before it are being worked on.

    The first are being read when this returns, so that a model can be loaded meanwhile.

    Args:
        paths: The files.
        at_once: How many are read ahead, each in a thread of its own.
    """
    pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="crackseg-read")
    waiting = iter(paths)
    pending = deque(pool.submit(read_one, path) for path in itertools.islice(waiting, at_once))

    def images() -> Iterator[ReadImage]:
        try:
            while pending:
                image = pending.popleft().result()
                pending.extend(pool.submit(read_one, path) for path in itertools.islice(waiting, 1))
                yield image
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    return images()


def read_one(path: str | os.PathLike[str]) -> ReadImage:
    """Read an image file; what is wrong with it is part of the result."""
    try:
        large = open_large_tiff(Path(path), from_px=MAX_PIXELS)
        return ReadImage(name_of(path), read_image(Path(path)) if large is None else large)
    except CracksegError as error:
        return ReadImage(name_of(path), error)


def name_of(image: object) -> str:
    """Return the name of an image's file, or what to call an image that has none."""
    return Path(image).name if isinstance(image, (str, os.PathLike)) else "image"
