"""Small image files for tests of reading them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

ORIENTATION = 0x0112


def encoded(image: Image.Image, kind: str, *, orientation: int | None = None) -> bytes:
    """The bytes of an image file, without loss where the format can."""
    buffer = io.BytesIO()
    exif = image.getexif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    lossless: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
    options = lossless.get(kind, {})
    if orientation is not None:
        options = {**options, "exif": exif}
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def deep_png(array: NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG of grey or RGB samples."""
    done, data = cv2.imencode(".png", array[..., ::-1] if array.ndim == 3 else array)
    assert done
    return data.tobytes()


def png_header(width: int, height: int) -> bytes:
    """A small PNG file whose header promises a large grey image."""

    def section(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            section(b"IHDR", header),
            section(b"IDAT", zlib.compress(bytes(100_000))),
            section(b"IEND", b""),
        ]
    )


def assert_like(pixels: Pixels, expected: NDArray[np.generic], tolerance: int = 0) -> None:
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    assert int(np.abs(pixels.astype(int) - expected.astype(int)).max()) <= tolerance
