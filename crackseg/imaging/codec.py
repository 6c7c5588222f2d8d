"""Read and write images under one policy.

Every other module reads images through this one. The policy:

- This module reads the bytes and passes them to the decoder, so any file name works. The header is checked before a
  pixel is decoded, and an image of more than `MAX_PIXELS` is refused.
- The result is ``(H, W, 3)`` uint8 RGB. EXIF orientation is applied, greyscale is repeated over the channels, palettes
  and CMYK are converted, and alpha is dropped. Only the first page or frame is read.
- Samples deeper than 8 bits are shifted down by the smallest even bit depth that holds the largest value. So 12-bit
  data in a 16-bit file does not become black. Floats are read as [0, 1] or [0, 255].
- A truncated file is an error, never a half-grey image.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ImageError, OutputError, UsageError, display_text
from crackseg.files import write_bytes
from crackseg.geometry import Region
from crackseg.imaging.decoding import (
    FORMATS,
    StoredImage,
    check_size,
    decode_file,
    read_orientation,
    read_samples,
    run_decoder,
)
from crackseg.imaging.png import encode_quickly
from crackseg.imaging.samples import to_rgb, to_three_channels, to_uint8, turn_upright

if TYPE_CHECKING:
    from PIL import Image

MASK_LEVEL = 128
"""Level, of 255, from which a pixel of a mask file counts as crack."""


class ImageSource(Protocol):
    """Image that is read region by region."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width ``(H, W)``, in pixels."""

    def read(self, region: Region) -> NDArray[np.uint8]:
        """Read a region inside the image.

        Args:
            region: Region, in pixels.

        Returns:
            ``(h, w, 3)`` uint8 RGB pixels, 0 to 255.
        """


class ArrayImage:
    """Image in memory, as an `ImageSource`.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.

    >>> image = ArrayImage(np.zeros((4, 6, 3), dtype=np.uint8))
    >>> image.shape
    (4, 6)
    >>> image.read(Region(0, 0, 2, 3)).shape
    (2, 3, 3)
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width ``(H, W)``, in pixels."""
        return self._pixels.shape[0], self._pixels.shape[1]

    def read(self, region: Region) -> NDArray[np.uint8]:
        """Return a view of a region.

        Args:
            region: Region, in pixels.

        Returns:
            ``(h, w, 3)`` uint8 RGB pixels, 0 to 255.
        """
        return self._pixels[region.slices()]


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file by the policy of this module.

    Args:
        path: Image file.

    Returns:
        ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.

    Raises:
        UsageError: If there is no such file.
        ImageError: If it cannot be read or decoded.

    >>> write_png(Path("grey.png"), np.full((4, 6), 7, dtype=np.uint8))
    >>> read_image(Path("grey.png"))[0, 0]
    array([7, 7, 7], dtype=uint8)
    """
    return decode_image(read_file(path), name=display_text(path))


def read_file(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        UsageError: If there is no such file.
        ImageError: If it cannot be read.
    """
    with open_file(path) as file:
        return file.read()


@contextlib.contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, with errors of crackseg.

    Raises:
        UsageError: If there is no such file.
        ImageError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise UsageError("no such file", where=path, hint="check the path") from error
    except OSError as error:
        if error.errno is None:
            raise
        raise ImageError(
            f"cannot be read ({error.strerror})", where=path, hint="check the path and its permissions"
        ) from error
    except ValueError as error:
        raise UsageError("not a valid file name", where=path, hint="check the path") from error


def decode_image(data: bytes, *, name: str = "image") -> NDArray[np.uint8]:
    """Decode an image file in memory by the policy of this module.

    Args:
        data: Bytes of the file.
        name: Name of the image in errors.

    Returns:
        ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.

    Raises:
        ImageError: If ``data`` is not an image, is damaged, or holds more than `MAX_PIXELS`.

    >>> decode_image(encode_png(np.zeros((4, 6), dtype=np.uint8))).shape
    (4, 6, 3)
    """
    return run_decoder(lambda: decode_file(data, name).rgb(name), name)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask file, with crack from half of full scale.

    Args:
        path: Mask file, in a form that `read_mask_levels` reads.

    Returns:
        ``(H, W)`` bool crack mask: True where the level is at least `MASK_LEVEL`.

    Raises:
        UsageError: If there is no such file.
        ImageError: If it cannot be read or decoded.

    >>> write_png(Path("mask.png"), np.array([[0, 255, 127, 128]], dtype=np.uint8))
    >>> read_mask(Path("mask.png"))
    array([[False,  True, False,  True]])
    """
    return np.asarray(read_mask_levels(path) >= MASK_LEVEL)


def read_mask_and_void(path: Path) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Read a mask file and its void pixels.

    Void pixels are neither trained nor scored.

    Args:
        path: Mask file, in a form that `read_mask_levels` reads.

    Returns:
        ``(H, W)`` bool crack mask and ``(H, W)`` bool void pixels, or None if there are none.

    Raises:
        UsageError: If there is no such file.
        ImageError: If it cannot be read or decoded.

    >>> write_png(Path("void.png"), np.array([[0, 1, 255]], dtype=np.uint8))
    >>> read_mask_and_void(Path("void.png"))
    (array([[False,  True, False]]), array([[False, False,  True]]))
    """
    name = display_text(path)
    stored = decode_stored(read_file(path), name=name, as_mask=True)
    return np.asarray(run_decoder(lambda: stored.mask_levels(name), name) >= MASK_LEVEL), stored.void


def read_mask_levels(path: Path) -> NDArray[np.uint8]:
    """Read the grey levels of a mask file.

    The mask may have soft edges or texture. Full scale is 255, or 1 in a file with only 0 and 1. In a colour palette
    every index except 0 and the void index 255 is crack, as in the segmentation masks of Pascal VOC. In grey, 255 next
    to class numbers is void, and the class numbers are crack. The largest of several channels counts.

    Args:
        path: Mask file.

    Returns:
        ``(H, W)`` uint8 levels, 0 to 255; 255 is crack.

    Raises:
        UsageError: If there is no such file.
        ImageError: If it cannot be read or decoded.

    >>> write_png(Path("zero_one.png"), np.array([[0, 1]], dtype=np.uint8))
    >>> read_mask_levels(Path("zero_one.png"))
    array([[  0, 255]], dtype=uint8)
    """
    name = display_text(path)
    data = read_file(path)
    return run_decoder(lambda: decode_file(data, name, as_mask=True).mask_levels(name), name)


def decode_stored(data: bytes, *, name: str = "image", as_mask: bool = False) -> StoredImage:
    """Decode the bytes of an image file and keep its storage format.

    Args:
        data: Bytes of the file.
        name: Name of the image in errors.
        as_mask: Whether a colour palette becomes crack and background, by the rule of `read_mask_levels`.

    Raises:
        ImageError: If ``data`` is not an image, is damaged, or holds more than `MAX_PIXELS`.

    >>> stored = decode_stored(encode_png(np.zeros((4, 6), dtype=np.uint16)))
    >>> stored.kind, stored.samples.shape, stored.samples.dtype.itemsize
    ('PNG', (4, 6), 2)
    """
    return run_decoder(lambda: decode_file(data, name, as_mask=as_mask), name)


def image_size(path: Path) -> tuple[int, int]:
    """Read the size of an image from its header.

    Args:
        path: Image file.

    Returns:
        Height and width ``(H, W)`` of the upright image, in pixels.

    Raises:
        UsageError: If there is no such file.
        ImageError: If the header cannot be read, or shows more than `MAX_PIXELS`.

    >>> write_png(Path("wall.png"), np.zeros((4, 6, 3), dtype=np.uint8))
    >>> image_size(Path("wall.png"))
    (4, 6)
    """
    name = display_text(path)

    def probe() -> tuple[int, int]:
        from PIL import Image

        with open_file(path) as file, Image.open(file, formats=FORMATS) as header:
            check_size(header, name)
            is_turned = header.format != "TIFF" and read_orientation(header) >= 5
            return (header.width, header.height) if is_turned else (header.height, header.width)

    return run_decoder(probe, name)


def rgb_from_array(values: NDArray[np.generic], *, name: str = "array") -> NDArray[np.uint8]:
    """Convert an array to RGB by the policy of this module.

    Args:
        values: ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA pixels; uint8, uint16 or bool.
        name: Name of the array in errors.

    Returns:
        ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.

    Raises:
        UsageError: If the array has another shape or type, or a side of 0.

    >>> rgb_from_array(np.array([[False, True]]))
    array([[[  0,   0,   0],
            [255, 255, 255]]], dtype=uint8)
    """
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)) or 0 in values.shape:
        raise UsageError(
            f"expected an image of shape (H, W) or (H, W, 3), got {values.shape}",
            where=name,
            hint="pass one image at a time, with its channels last",
        )
    if values.dtype not in (np.uint8, np.uint16, np.bool_):
        raise UsageError(
            f"expected pixels of type uint8 or uint16, got {values.dtype}",
            where=name,
            hint="scale the values to 0 to 255 and convert them to uint8",
        )
    return to_three_channels(to_uint8(values, name))


def rgb_from_pil(image: Image.Image, *, name: str = "image") -> NDArray[np.uint8]:
    """Convert a PIL image to RGB by the policy of this module.

    Args:
        image: PIL image.
        name: Name of the image in errors.

    Returns:
        ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.

    Raises:
        ImageError: If it cannot be decoded.

    >>> from PIL import Image
    >>> rgb_from_pil(Image.new("L", (6, 4), 9)).shape
    (4, 6, 3)
    """
    return run_decoder(lambda: to_rgb(turn_upright(read_samples(image), read_orientation(image)), name), name)


def encode_png(array: NDArray[np.uint8] | NDArray[np.uint16], *, compression: int = 3) -> bytes:
    r"""Encode pixels as a PNG file.

    Args:
        array: ``(H, W)`` grey or ``(H, W, 3)`` RGB pixels, uint8 or uint16, over the full range of the type.
        compression: Deflate level, 0 to 9; level 1 uses `crackseg.imaging.png.encode_quickly`.

    Returns:
        Bytes of the file.

    Raises:
        OutputError: If the pixels cannot be encoded.

    >>> encode_png(np.zeros((4, 6), dtype=np.uint8))[:4]
    b'\x89PNG'
    """
    if compression == 1:
        return encode_quickly(array)
    pixels = cv2.cvtColor(array, cv2.COLOR_RGB2BGR) if array.ndim == 3 else array
    # OpenCV 5 has a choice of row filters; this one takes two thirds of the time, for files of the same size.
    row_filter = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP] if hasattr(cv2, "IMWRITE_PNG_FILTER_UP") else []
    encoded, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, compression, *row_filter])
    if not encoded:
        raise OutputError(f"pixels of shape {array.shape} cannot be encoded as PNG")
    return data.tobytes()


def write_png(path: Path, array: NDArray[np.uint8] | NDArray[np.uint16], *, compression: int = 3) -> None:
    """Write pixels to a PNG file, completely or not at all.

    Args:
        path: PNG file.
        array: ``(H, W)`` grey or ``(H, W, 3)`` RGB pixels, uint8 or uint16, over the full range of the type.
        compression: Deflate level, 0 to 9.

    Raises:
        OutputError: If it cannot be written.

    >>> write_png(Path("white.png"), np.full((4, 6, 3), 255, dtype=np.uint8))
    """
    write_bytes(path, encode_png(array, compression=compression))


def mask_pixels(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a mask as pixels of a mask file.

    Args:
        mask: ``(H, W)`` bool crack mask.

    Returns:
        ``(H, W)`` uint8 pixels; 255 is crack, 0 is background.

    >>> mask_pixels(np.array([[False, True]]))
    array([[  0, 255]], dtype=uint8)
    """
    return mask.view(np.uint8) * np.uint8(255)
