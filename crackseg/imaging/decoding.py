"""Decode image files with Pillow and OpenCV, with one kind of error."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, ImageError, display_text
from crackseg.imaging.samples import VOID, find_void, to_mask_levels, to_rgb, turn_upright

if TYPE_CHECKING:
    from PIL import Image

_Decoded = TypeVar("_Decoded")

MAX_PIXELS = 178_956_970
"""Largest image that is decoded whole, in pixels; Pillow suspects a decompression bomb from the same size."""

# Raster formats only, none that starts another program or draws vectors.
# Pillow always has the first six readers loaded; it loads the others only when none of these fits.
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000", "TGA", "ICO")

# Errors that decoders have raised on foreign files, in addition to their own error types.
_DECODER_ERRORS = (
    AssertionError, EOFError,
    ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError, TypeError,
    ValueError, cv2.error, struct.error, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class StoredImage:
    """First page of a file, with its storage format.

    Attributes:
        samples: ``(H, W)`` or ``(H, W, C)`` upright samples, in the data type and range of the file.
        kind: Name of the format, such as ``PNG``.
        palette: Whether the file holds indices into a palette.
        orientation: EXIF orientation that has been undone, 1 to 8.
        void: ``(H, W)`` bool pixels that are neither trained nor scored; None if there are none, or for an image.
    """

    samples: NDArray[np.generic]
    kind: str
    palette: bool
    orientation: int
    void: NDArray[np.bool_] | None = None

    def rgb(self, name: str = "image") -> NDArray[np.uint8]:
        """Return the pixels that `read_image` would return.

        Args:
            name: Name of the image in errors.

        Returns:
            ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.

        Raises:
            ImageError: If the samples are outside every supported range.
        """
        return to_rgb(self.samples, name)

    def mask_levels(self, name: str = "mask") -> NDArray[np.uint8]:
        """Return the levels that `read_mask_levels` would return.

        Args:
            name: Name of the mask in errors.

        Returns:
            ``(H, W)`` uint8 levels, 0 to 255; 255 is crack.

        Raises:
            ImageError: If the samples are outside every supported range.
        """
        if self.void is not None and self.samples.dtype != np.bool_:
            numbers = self.samples if self.samples.ndim == 2 else self.samples[..., 0]
            return np.where((numbers != 0) & ~self.void, np.uint8(255), np.uint8(0))
        return to_mask_levels(self.samples, name)


def run_decoder(decode: Callable[[], _Decoded], name: str) -> _Decoded:
    """Run a decoder without its warnings, and turn its errors into `ImageError`.

    Args:
        decode: Decoder.
        name: Name of the image in errors.

    Raises:
        ImageError: If the decoder fails.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return decode()
    except CracksegError:
        raise
    except (*_DECODER_ERRORS, Image.DecompressionBombError) as error:
        if isinstance(error, Image.DecompressionBombError):
            raise ImageError(
                f"more than {MAX_PIXELS:,} pixels", where=name, hint="split it, or save it as a tiled TIFF"
            ) from error
        reason = display_text(str(error)) or type(error).__name__
        if "cannot identify image file" in reason:
            reason = "not an image in a supported format"
        raise ImageError(f"cannot be decoded ({reason})", where=name, hint="check that the file is complete") from error


def decode_file(data: bytes, name: str, *, as_mask: bool = False) -> StoredImage:
    """Decode the bytes of an image file, within `run_decoder`.

    Args:
        data: Bytes of the file.
        name: Name of the image in errors.
        as_mask: Whether a colour palette becomes crack and background.

    Raises:
        ImageError: If the file is empty, or holds no pixels or more than `MAX_PIXELS`.
    """
    from PIL import Image

    if not data:
        raise ImageError("the file is empty", where=name, hint="copy or download it again")
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        check_size(image, name)
        # Pillow turns a TIFF upright while it loads it, and then drops its orientation.
        tiff_orientation = read_orientation(image) if image.format == "TIFF" else 1
        image.load()
        samples = _deep_colour(data, name) if _is_deep_colour(image, data) else read_samples(image, as_mask=as_mask)
        orientation = 1 if image.format == "TIFF" else read_orientation(image)
        upright = turn_upright(samples, orientation)
        kind = image.format or "image"
        void = _find_void(image, upright, orientation) if as_mask else None
        return StoredImage(upright, kind, image.mode == "P", max(orientation, tiff_orientation), void)


def _find_void(image: Image.Image, upright: NDArray[np.generic], orientation: int) -> NDArray[np.bool_] | None:
    """Find the ``(H, W)`` void pixels of a mask, if it has any."""
    if upright.dtype != np.bool_:
        return None if image.format == "JPEG" else find_void(upright)
    if image.mode != "P":
        return None
    void = turn_upright(np.asarray(image), orientation) == VOID
    return void if void.any() else None


def check_size(image: Image.Image, name: str) -> None:
    """Check the number of pixels in the header of an image.

    Raises:
        ImageError: If it is 0 or more than `MAX_PIXELS`.
    """
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise ImageError(
            f"expected at most {MAX_PIXELS:,} pixels, got {pixels:,}",
            where=name,
            hint="split it, or save it as a tiled TIFF",
        )
    if pixels == 0:
        raise ImageError(
            f"size of {image.width}x{image.height} pixels", where=name, hint="check that the file is complete"
        )


def _is_deep_colour(image: Image.Image, data: bytes) -> bool:
    """Return whether Pillow would reduce a colour image to 8 bits."""
    if image.format == "PNG":
        return data[24] == 16 and image.mode in ("RGB", "RGBA", "LA")
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258, (8,))
        return max(bits) > 8 and image.mode in ("RGB", "RGBA", "LA")
    return False


def _deep_colour(data: bytes, name: str) -> NDArray[np.generic]:
    """Decode 16-bit colour from a file that Pillow has checked."""
    deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is None:
        raise ImageError("cannot be decoded (16-bit colour)", where=name, hint="check that the file is complete")
    return cv2.cvtColor(deep[..., :3], cv2.COLOR_BGR2RGB) if deep.ndim == 3 else deep


def read_samples(image: Image.Image, *, as_mask: bool = False) -> NDArray[np.generic]:
    """Return the samples of a loaded image.

    Args:
        image: Loaded image.
        as_mask: Whether a colour palette becomes a bool crack mask.

    Returns:
        ``(H, W)`` or ``(H, W, 3)`` samples, in the data type and range of the file.
    """
    if as_mask and image.mode == "P":
        palette = np.asarray(image.getpalette() or [], dtype=np.uint8).reshape(-1, 3)
        if (palette != palette[:, :1]).any():
            index = np.asarray(image)
            return np.asarray((index != 0) & (index != 255))
    if image.mode in ("1", "LA", "La"):
        return np.asarray(image.convert("L"))
    if image.mode in ("L", "RGB", "F") or image.mode.startswith("I"):
        return np.asarray(image)
    return np.asarray(image.convert("RGB"))


def read_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if it is damaged."""
    try:
        value = image.getexif().get(0x0112, 1)
    except _DECODER_ERRORS:
        return 1
    return value if value in range(1, 9) else 1
