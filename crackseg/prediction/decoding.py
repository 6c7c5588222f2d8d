"""Decode images of every accepted form and read image files ahead of their use."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, UsageError, display_text
from crackseg.imaging.codec import decode_image, open_file, read_image, rgb_from_array, rgb_from_pil
from crackseg.imaging.decoding import MAX_PIXELS
from crackseg.prediction.result import PredictionFailure, TooLargeError

if TYPE_CHECKING:
    from PIL import Image

    ImageInput: TypeAlias = str | os.PathLike[str] | bytes | NDArray[Any] | Image.Image


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """The pixels of an image, with its name.

    Attributes:
        name: The file's name, or "image" for an image without a file.
        pixels: ``(H, W, 3)`` uint8 RGB pixels.
    """

    name: str
    pixels: NDArray[np.uint8]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width ``(H, W)``, in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


def decode(image: ImageInput, *, name: str | None = None) -> DecodedImage:
    """Return the pixels of an image in any accepted form.

    Args:
        image: A path, the bytes of an image file, a PIL image, or an ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` RGB or
            ``(H, W, 4)`` RGBA array of uint8 or uint16.
        name: Name of the image; the file's name, or "image", if None.

    Raises:
        UsageError: If there is no such file, or the array is no image.
        ImageError: If the image cannot be decoded.
    """
    title = _name_of(image) if name is None else name
    if isinstance(image, (str, os.PathLike)):
        return DecodedImage(title, read_image(Path(image)))
    if isinstance(image, (bytes, bytearray)):
        return DecodedImage(title, decode_image(bytes(image), name=display_text(title)))
    if isinstance(image, np.ndarray):
        return DecodedImage(title, rgb_from_array(image, name=display_text(title)))
    if hasattr(image, "getexif"):
        return DecodedImage(title, rgb_from_pil(image, name=display_text(title)))
    raise UsageError(f"expected a path, bytes, an array or a PIL image, got {type(image).__name__}")


def decode_file(path: str | os.PathLike[str]) -> DecodedImage | PredictionFailure:
    """Read an image file, or return why it cannot be read."""
    name = _name_of(path)
    try:
        if not _is_large_tiff(Path(path)):
            return DecodedImage(name, read_image(Path(path)))
    except CracksegError as error:
        return PredictionFailure(name, error)
    return PredictionFailure(
        name,
        TooLargeError(
            f"holds more than {MAX_PIXELS:,} pixels",
            where=name,
            hint="use crackseg predict, or crackseg.prediction.predict_streamed, which write results tile by tile",
        ),
    )


class ReadAhead:
    """Image files in their order, each read while the ones before it are processed.

    Reading starts at once, so that a model can be loaded meanwhile.

    Args:
        paths: The files.
        at_once: Files to read ahead, each in its own thread.
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]], *, at_once: int = 1) -> None:
        self._pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="crackseg-read")
        self._waiting = iter(paths)
        self._pending = deque(self._pool.submit(decode_file, path) for path in itertools.islice(self._waiting, at_once))

    def __iter__(self) -> Iterator[DecodedImage | PredictionFailure]:
        """Yield the images, or why one cannot be read."""
        try:
            while self._pending:
                image = self._pending.popleft().result()
                self._pending.extend(
                    self._pool.submit(decode_file, path) for path in itertools.islice(self._waiting, 1)
                )
                yield image
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _is_large_tiff(path: Path) -> bool:
    """Return whether a file is a TIFF of more than `MAX_PIXELS` pixels.

    Raises:
        UsageError: If there is no such file.
        ImageError: If it is such a file, and can only be decoded whole.
    """
    with open_file(path) as file:
        if file.read(2) not in (b"II", b"MM"):
            return False
    from crackseg.imaging.tiff import open_large_tiff  # takes a while to import, and most images are no TIFF

    return open_large_tiff(path, from_px=MAX_PIXELS) is not None


def _name_of(image: object) -> str:
    """Return the name of an image's file, or "image" without one."""
    return Path(image).name if isinstance(image, (str, os.PathLike)) else "image"
