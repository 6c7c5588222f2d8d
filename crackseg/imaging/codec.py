"""Reading and writing images under one stated policy; every other module reads through here.

The policy:

- Bytes are read here and handed to the decoder, so any file name works. The header is looked at before a pixel is
  decoded, and an image of more than `MAX_PIXELS` is refused.
- The result is ``(H, W, 3) uint8`` RGB. EXIF orientation is applied. Greyscale is repeated over the channels, palettes
  and CMYK are converted, alpha is dropped, and of several pages or frames the first is read.
- Samples deeper than 8 bits are shifted down by the smallest even bit depth that holds the largest value, so 12-bit
  data in a 16-bit file does not come out black. Floats are taken as [0, 1] or [0, 255].
- A truncated file is an error, never a half-grey image.
"""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, ImageError, OutputError, UsageError, display_text
from crackseg.files import write_bytes
from crackseg.geometry import Region
from crackseg.imaging.png import encode_quickly
from crackseg.imaging.samples import to_mask_levels, to_rgb, to_three_channels, to_uint8, turn_upright

if TYPE_CHECKING:
    from PIL import Image

_Decoded = TypeVar("_Decoded")

MAX_PIXELS = 178_956_970
"""Largest image that is decoded whole, in pixels: the limit at which Pillow, too, suspects a decompression bomb."""

MASK_LEVEL = 128
"""From this level of 255 on a pixel of a mask file counts as crack."""

# What Pillow may open: pictures only, nothing that starts another program or draws vectors.
# The first six are those Pillow always has at hand; it loads its other readers only when none of them fits.
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000", "TGA", "ICO")

# What decoders were seen to raise on foreign files, beside their own error types.
_DECODER_ERRORS = (
    AssertionError, EOFError,
    ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError, TypeError,
    ValueError, cv2.error, struct.error, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class StoredImage:
    """The first page of a file, and how it was stored.

    Attributes:
        samples: ``(H, W)`` or ``(H, W, C)`` upright samples, in the type and range of the file.
        kind: Name of the format, such as ``PNG``.
        palette: Whether the file holds indices into a palette.
        orientation: EXIF orientation that was undone, 1 to 8.
    """

    samples: NDArray[np.generic]
    kind: str
    palette: bool
    orientation: int

    def rgb(self, name: str = "image") -> NDArray[np.uint8]:
        """Return the ``(H, W, 3)`` pixels that `read_image` gives.

        Raises:
            ImageError: If the samples are outside every range known here.
        """
        return to_rgb(self.samples, name)

    def mask_levels(self, name: str = "mask") -> NDArray[np.uint8]:
        """Return the ``(H, W)`` levels that `read_mask_levels` gives.

        Raises:
            ImageError: If the samples are outside every range known here.
        """
        return to_mask_levels(self.samples, name)


class ImageSource(Protocol):
    """An image that is read region by region."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width ``(H, W)``, in pixels."""

    def read(self, region: Region) -> NDArray[np.uint8]:
        """Return the ``(h, w, 3)`` RGB pixels of a region that lies inside the image."""


class ArrayImage:
    """An `ImageSource` over an array in memory.

    Args:
        pixels: ``(H, W, 3)`` RGB image.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width ``(H, W)``, in pixels."""
        return self._pixels.shape[0], self._pixels.shape[1]

    def read(self, region: Region) -> NDArray[np.uint8]:
        """Return a view of the ``(h, w, 3)`` pixels of ``region``."""
        return self._pixels[region.slices()]


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file.

    Returns:
        ``(H, W, 3)`` RGB pixels, by the policy of this module.

    Raises:
        UsageError: If there is no such file.
        ImageError: If it cannot be read or decoded.
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
    """Open a file to read; what the system refuses becomes an error of ours."""
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise UsageError("no such file", where=path, hint="check the path") from error
    except OSError as error:
        if error.errno is None:
            raise
        raise ImageError(f"cannot be read ({error.strerror})", where=path) from error
    except ValueError as error:
        raise UsageError("no file can have this name", where=path, hint="check the path") from error


def decode_image(data: bytes, *, name: str = "image") -> NDArray[np.uint8]:
    """Decode an encoded image, by the policy of this module.

    Args:
        data: The whole file.
        name: What to call it in an error.

    Returns:
        ``(H, W, 3)`` RGB pixels.

    Raises:
        ImageError: If ``data`` is no image, broken, or larger than `MAX_PIXELS`.
    """
    return run_decoder(lambda: _decode(data, name).rgb(name), name)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask file: crack where the value is at least half of full scale, 128 in `read_mask_levels`.

    Returns:
        ``(H, W)`` mask.

    Raises:
        UsageError: If there is no such file.
        ImageError: If it cannot be read or decoded.
    """
    return np.asarray(read_mask_levels(path) >= MASK_LEVEL)


def read_mask_levels(path: Path) -> NDArray[np.uint8]:
    """Read a mask file that may hold more than crack and background: soft edges, or grey texture.

    Full scale is 255, or 1 in a file that holds only 0 and 1. In a colour palette every index but 0 and the void index
    255 is crack, as in the segmentation masks of Pascal VOC. Of several channels the largest counts.

    Returns:
        ``(H, W)`` pixels, 255 being crack.

    Raises:
        UsageError: If there is no such file.
        ImageError: If it cannot be read or decoded.
    """
    name = display_text(path)
    data = read_file(path)
    return run_decoder(lambda: to_mask_levels(_decode(data, name, as_mask=True).samples, name), name)


def decode_stored(data: bytes, *, name: str = "image", as_mask: bool = False) -> StoredImage:
    """Decode an encoded image and tell how it was stored, for whoever judges files rather than uses them.

    Args:
        data: The whole file.
        name: What to call it in an error.
        as_mask: A colour palette becomes crack or not, by the rule of `read_mask_levels`.

    Raises:
        ImageError: If ``data`` is no image, broken, or larger than `MAX_PIXELS`.
    """
    return run_decoder(lambda: _decode(data, name, as_mask=as_mask), name)


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width ``(H, W)`` as `read_image` would give them, from the header alone.

    Raises:
        UsageError: If there is no such file.
        ImageError: If the header cannot be read, or promises more than `MAX_PIXELS`.
    """
    name = display_text(path)

    def probe() -> tuple[int, int]:
        from PIL import Image

        with open_file(path) as file, Image.open(file, formats=_FORMATS) as header:
            _check_size(header, name)
            turned = header.format != "TIFF" and _orientation(header) >= 5
            return (header.width, header.height) if turned else (header.height, header.width)

    return run_decoder(probe, name)


def rgb_from_array(values: NDArray[np.generic], *, name: str = "array") -> NDArray[np.uint8]:
    """Return an array given by a caller as RGB, by the policy of this module.

    Args:
        values: ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA; uint8, uint16 or bool.
        name: What to call it in an error.

    Returns:
        ``(H, W, 3)`` RGB pixels.

    Raises:
        UsageError: If shape or type are other than these, or a side is 0.
    """
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)) or 0 in values.shape:
        raise UsageError(f"expected an image of shape (H, W) or (H, W, 3), got {values.shape}", where=name)
    if values.dtype not in (np.uint8, np.uint16, np.bool_):
        raise UsageError(f"expected pixels of type uint8 or uint16, got {values.dtype}", where=name)
    return to_three_channels(to_uint8(values, name))


def rgb_from_pil(image: Image.Image, *, name: str = "image") -> NDArray[np.uint8]:
    """Return a PIL image as ``(H, W, 3)`` RGB pixels, by the policy of this module.

    Raises:
        ImageError: If it cannot be decoded.
    """
    return run_decoder(lambda: to_rgb(turn_upright(_samples(image), _orientation(image)), name), name)


def encode_png(array: NDArray[np.uint8] | NDArray[np.uint16], *, compression: int = 3) -> bytes:
    """Encode ``(H, W)`` grey or ``(H, W, 3)`` RGB pixels as PNG.

    Args:
        array: Pixels, 8 or 16 bit.
        compression: Deflate level, 0 to 9; at 1 see `crackseg.imaging.png.encode_quickly`.

    Raises:
        OutputError: If the encoder refuses.
    """
    if compression == 1:
        return encode_quickly(array)
    pixels = cv2.cvtColor(array, cv2.COLOR_RGB2BGR) if array.ndim == 3 else array
    # OpenCV 5 lets one choose the row filter; this one takes two thirds of the time and no more room.
    row_filter = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP] if hasattr(cv2, "IMWRITE_PNG_FILTER_UP") else []
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, compression, *row_filter])
    if not done:
        raise OutputError(f"cannot encode pixels of shape {array.shape} as PNG")
    return data.tobytes()


def write_png(path: Path, array: NDArray[np.uint8] | NDArray[np.uint16], *, compression: int = 3) -> None:
    """Write ``(H, W)`` grey or ``(H, W, 3)`` RGB pixels to a PNG file, whole or not at all.

    Raises:
        OutputError: If it cannot be written.
    """
    write_bytes(path, encode_png(array, compression=compression))


def mask_pixels(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a ``(H, W)`` mask as 0/255 pixels, the form in which masks are written."""
    return mask.view(np.uint8) * np.uint8(255)


def run_decoder(decode: Callable[[], _Decoded], name: str) -> _Decoded:
    """Run a decoder; whatever it raises on a foreign file becomes an `ImageError`, and its warnings stay quiet."""
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
                f"holds more than {MAX_PIXELS:,} pixels", where=name, hint="cut it up, or save it as a tiled TIFF"
            ) from error
        reason = display_text(str(error)) or type(error).__name__
        if "cannot identify image file" in reason:
            reason = "not an image in a format known here"
        raise ImageError(f"cannot be decoded ({reason})", where=name, hint="check that the file is whole") from error


def _decode(data: bytes, name: str, *, as_mask: bool = False) -> StoredImage:
    from PIL import Image

    if not data:
        raise ImageError("the file is empty", where=name)
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        _check_size(image, name)
        # Pillow turns a TIFF upright while it loads it, and then forgets how it lay.
        tiff_orientation = _orientation(image) if image.format == "TIFF" else 1
        image.load()
        samples = _deep_colour(data, name) if _is_deep_colour(image, data) else _samples(image, as_mask=as_mask)
        orientation = 1 if image.format == "TIFF" else _orientation(image)
        upright = turn_upright(samples, orientation)
        kind = image.format or "image"
        return StoredImage(upright, kind, image.mode == "P", max(orientation, tiff_orientation))


def _check_size(image: Image.Image, name: str) -> None:
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise ImageError(
            f"holds {pixels:,} pixels, and at most {MAX_PIXELS:,} are read",
            where=name,
            hint="cut it up, or save it as a tiled TIFF",
        )
    if pixels == 0:
        raise ImageError(f"has a size of {image.width}x{image.height} pixels", where=name)


def _is_deep_colour(image: Image.Image, data: bytes) -> bool:
    """Tell whether Pillow would cut the samples of a colour image to 8 bits. Its grey modes keep their depth."""
    if image.format == "PNG":
        return data[24] == 16 and image.mode in ("RGB", "RGBA", "LA")
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258, (8,))
        return max(bits) > 8 and image.mode in ("RGB", "RGBA", "LA")
    return False


def _deep_colour(data: bytes, name: str) -> NDArray[np.generic]:
    """Decode 16-bit colour, which Pillow does not keep; Pillow has found the file whole before."""
    deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is None:
        raise ImageError("cannot be decoded (deep colour)", where=name)
    return cv2.cvtColor(deep[..., :3], cv2.COLOR_BGR2RGB) if deep.ndim == 3 else deep


def _samples(image: Image.Image, *, as_mask: bool = False) -> NDArray[np.generic]:
    """Return the samples of a loaded image; for a mask, a colour palette becomes crack or not."""
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


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; a damaged EXIF block counts as upright."""
    try:
        value = image.getexif().get(0x0112, 1)
    except _DECODER_ERRORS:
        return 1
    return value if value in range(1, 9) else 1
