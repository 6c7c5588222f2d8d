"""Test that one scene in every common encoding gives one array, within the loss of the encoding."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crackseg.imaging.codec import decode_image, image_size

Pixels = NDArray[np.uint8]


def scene() -> Pixels:
    """Return ``(60, 90, 3)`` uint8 RGB pixels of a wall in 128 colours."""
    rows, cols = np.mgrid[:60, :90]
    light = (160 + 40 * np.sin(cols / 17) + 30 * np.cos(rows / 23)).astype(np.uint8) // 2 * 2
    light[np.abs(rows - 30 - 8 * np.sin(cols / 9)) < 2] = 20
    return np.stack([light, light - 10, light - 20], axis=2)


def with_pillow(kind: str, mode: str = "RGB", **options: object) -> Callable[[Pixels], bytes]:
    def encode(pixels: Pixels) -> bytes:
        file = io.BytesIO()
        image = Image.fromarray(pixels)
        image = image.quantize(256) if mode == "P" else image.convert(mode)
        if mode in ("RGBA", "LA"):
            image.putalpha(100)
        image.save(file, kind, **options)
        return file.getvalue()

    return encode


def sixteen_bits(suffix: str) -> Callable[[Pixels], bytes]:
    def encode(pixels: Pixels) -> bytes:
        encoded, data = cv2.imencode(suffix, pixels[..., ::-1].astype(np.uint16) * 257)
        assert encoded
        return data.tobytes()

    return encode


def sixteen_bit_grey(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(file, "PNG")
    return file.getvalue()


LOSSLESS: dict[str, Callable[[Pixels], bytes]] = {
    "PNG": with_pillow("PNG"),
    "PNG with alpha": with_pillow("PNG", "RGBA"),
    "PNG with a palette": with_pillow("PNG", "P"),
    "PNG of 16 bits": sixteen_bits(".png"),
    "TIFF": with_pillow("TIFF"),
    "TIFF, LZW": with_pillow("TIFF", compression="tiff_lzw"),
    "TIFF, Deflate": with_pillow("TIFF", compression="tiff_deflate"),
    "TIFF of 16 bits": sixteen_bits(".tiff"),
    "BMP": with_pillow("BMP"),
    "GIF": with_pillow("GIF", "P"),
    "WebP without loss": with_pillow("WEBP", lossless=True),
    "WebP with alpha": with_pillow("WEBP", "RGBA", lossless=True, exact=True),
    "JPEG 2000 without loss": with_pillow("JPEG2000", irreversible=False),
    "TGA, runs": with_pillow("TGA", compression="tga_rle"),
    "PPM": with_pillow("PPM"),
}
LOSSY: dict[str, Callable[[Pixels], bytes]] = {
    "JPEG": with_pillow("JPEG", quality=95),
    "JPEG, progressive": with_pillow("JPEG", quality=95, progressive=True),
    "JPEG of all colours": with_pillow("JPEG", quality=95, subsampling=0),
    "JPEG, CMYK": with_pillow("JPEG", "CMYK", quality=95),
    "WebP": with_pillow("WEBP", quality=95),
}
GREY: dict[str, Callable[[Pixels], bytes]] = {
    "PNG": with_pillow("PNG", "L"),
    "PNG with alpha": with_pillow("PNG", "LA"),
    "PNG of 16 bits": sixteen_bit_grey,
    "TIFF, LZW": with_pillow("TIFF", "L", compression="tiff_lzw"),
    "BMP": with_pillow("BMP", "L"),
    "PGM": with_pillow("PPM", "L"),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_an_encoding_without_loss_gives_the_scene_itself(name: str) -> None:
    np.testing.assert_array_equal(decode_image(LOSSLESS[name](scene())), scene())


@pytest.mark.parametrize("name", LOSSY)
def test_an_encoding_with_loss_gives_the_scene_to_a_few_levels(name: str) -> None:
    decoded = decode_image(LOSSY[name](scene())).astype(int)
    assert decoded.shape == scene().shape
    assert np.abs(decoded - scene()).mean() < 2
    # The crack is as dark as it was, and nothing else is.
    assert np.array_equal(decoded[..., 1] < 50, scene()[..., 1] < 50)


@pytest.mark.parametrize("name", GREY)
def test_a_grey_encoding_gives_the_grey_of_the_scene_in_each_channel(name: str) -> None:
    grey = np.repeat(scene()[..., :1], 3, axis=2)
    np.testing.assert_array_equal(decode_image(GREY[name](grey)), grey)


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_the_header_gives_the_size_of_the_decoded_image(tmp_path: Path, name: str) -> None:
    path = tmp_path / "scene"
    path.write_bytes((LOSSLESS | LOSSY)[name](scene()))
    assert image_size(path) == (60, 90)
