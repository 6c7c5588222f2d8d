"""Test the policy for reading images and masks of every kind of file."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from crackseg.errors import ImageError
from crackseg.imaging.codec import (
    decode_image,
    image_size,
    mask_pixels,
    read_image,
    read_mask,
    rgb_from_pil,
)
from tests.image_files import ORIENTATION, Pixels, assert_like, deep_png, encoded

# Kinds of files


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        pytest.param("PNG", 0, id="png"),
        pytest.param("BMP", 0, id="bmp"),
        pytest.param("TIFF", 0, id="tiff"),
        pytest.param("WEBP", 0, id="webp"),
        pytest.param("PPM", 0, id="ppm"),
        pytest.param("TGA", 0, id="tga"),
        pytest.param("JPEG", 60, id="jpeg"),
    ],
)
def test_colour_comes_out_as_red_green_blue(photo: Pixels, kind: str, tolerance: int) -> None:
    decoded = decode_image(encoded(Image.fromarray(photo), kind))
    assert_like(decoded, photo, tolerance)
    assert np.abs(decoded.astype(int) - photo).mean() < 5


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_grey_is_repeated_over_the_channels(photo: Pixels, kind: str) -> None:
    grey = photo[..., 0]
    assert_like(decode_image(encoded(Image.fromarray(grey), kind)), np.dstack([grey] * 3))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_dropped_and_the_colour_under_it_kept(photo: Pixels, kind: str) -> None:
    alpha = np.full(photo.shape[:2], 128, np.uint8)
    assert_like(decode_image(encoded(Image.fromarray(np.dstack([photo, alpha])), kind)), photo)


def test_grey_with_transparency_is_grey(photo: Pixels) -> None:
    grey = photo[..., 0]
    image = Image.merge("LA", [Image.fromarray(grey), Image.new("L", (70, 45), 9)])
    assert_like(decode_image(encoded(image, "PNG")), np.dstack([grey] * 3))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette_is_looked_up(photo: Pixels, kind: str) -> None:
    image = Image.fromarray(photo).quantize(8)
    assert_like(decode_image(encoded(image, kind)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_one_bit_comes_out_as_black_and_white(photo: Pixels, kind: str) -> None:
    bits = photo[..., 0] > 127
    white = np.where(bits, 255, 0)
    assert_like(decode_image(encoded(Image.fromarray(bits), kind)), np.dstack([white] * 3))


@pytest.mark.parametrize(
    ("inks", "rgb"),
    [
        pytest.param((0, 0, 0, 0), (255, 255, 255), id="no ink is white"),
        pytest.param((0, 0, 0, 255), (0, 0, 0), id="all black ink is black"),
        pytest.param((0, 255, 255, 0), (255, 0, 0), id="magenta and yellow are red"),
        pytest.param((255, 0, 255, 0), (0, 255, 0), id="cyan and yellow are green"),
    ],
)
def test_the_inks_of_a_cmyk_jpeg_become_light(inks: tuple[int, ...], rgb: tuple[int, ...]) -> None:
    data = encoded(Image.new("CMYK", (24, 16), inks), "JPEG")
    assert_like(decode_image(data), np.full((16, 24, 3), rgb), 8)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_deep_samples_in_a_16_bit_png_use_the_whole_range(bits: int, colour: bool) -> None:  # noqa: FBT001
    ramp = np.linspace(0, 2**bits - 1, 40 * 30).round().astype(np.uint16).reshape(30, 40)
    samples = np.dstack([ramp, ramp[::-1], ramp[:, ::-1]]) if colour else ramp
    decoded = decode_image(deep_png(samples))
    exact = samples / (2**bits - 1) * 255
    assert_like(decoded, np.floor(exact if colour else np.dstack([exact] * 3)), 1)
    assert decoded.max() == 255


def test_16_bit_colour_in_a_tiff_keeps_its_channels(tmp_path: Path, photo: Pixels) -> None:
    done, data = cv2.imencode(".tiff", photo[..., ::-1].astype(np.uint16) * 257)
    assert done
    assert_like(decode_image(data.tobytes()), photo)


@pytest.mark.parametrize(
    ("factor", "tolerance"), [pytest.param(1 / 255, 0, id="zero to one"), pytest.param(1.0, 0, id="zero to 255")]
)
def test_float_samples_are_taken_as_0_to_1_or_0_to_255(photo: Pixels, factor: float, tolerance: int) -> None:
    grey = photo[..., 0]
    data = encoded(Image.fromarray(grey.astype(np.float32) * np.float32(factor)), "TIFF")
    assert_like(decode_image(data), np.dstack([grey] * 3), tolerance)


@pytest.mark.parametrize("value", [-1.0, 300.0, float("nan"), float("inf")])
def test_float_samples_outside_both_ranges_are_refused(value: float) -> None:
    samples = np.full((4, 5), 0.5, np.float32)
    samples[2, 2] = value
    with pytest.raises(ImageError, match="expected"):
        decode_image(encoded(Image.fromarray(samples), "TIFF"))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_read(kind: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    assert_like(decode_image(buffer.getvalue()), np.full((6, 8, 3), (255, 0, 0)), 1)


# Orientation


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_and_its_mask_are_turned_upright_alike(
    tmp_path: Path, photo: Pixels, kind: str, orientation: int
) -> None:
    """Oracle: Pillow's own `exif_transpose`."""
    blocks = np.kron(photo[::9, ::10], np.ones((16, 16, 1), np.uint8))
    image_path, mask_path = tmp_path / f"image.{kind.lower()}", tmp_path / "mask.png"
    image_path.write_bytes(encoded(Image.fromarray(blocks), kind, orientation=orientation))
    mask = Image.fromarray(mask_pixels(blocks[..., 0] > 127))
    mask_path.write_bytes(encoded(mask, "PNG", orientation=orientation))

    tagged = Image.fromarray(blocks)
    tagged.getexif()[ORIENTATION] = orientation
    expected = np.asarray(ImageOps.exif_transpose(tagged))
    decoded = read_image(image_path)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < (6 if kind == "JPEG" else 0.1)
    np.testing.assert_array_equal(read_mask(mask_path), expected[..., 0] > 127)
    assert image_size(image_path) == image_size(mask_path) == expected.shape[:2]
    with Image.open(image_path) as opened:
        np.testing.assert_array_equal(rgb_from_pil(opened), decoded)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_colour_is_turned_upright_too(tmp_path: Path, photo: Pixels, orientation: int) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "deep.tif"
    extra = [(ORIENTATION, "H", 1, orientation, True)]
    tifffile.imwrite(path, photo.astype(np.uint16) * 257, photometric="rgb", extratags=extra)
    tagged = Image.fromarray(photo)
    tagged.getexif()[ORIENTATION] = orientation
    assert_like(read_image(path), np.asarray(ImageOps.exif_transpose(tagged)))
    assert image_size(path) == read_image(path).shape[:2]


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_counts_as_upright(photo: Pixels, orientation: int) -> None:
    assert_like(decode_image(encoded(Image.fromarray(photo), "PNG", orientation=orientation)), photo)


def test_a_damaged_exif_block_does_not_stop_the_reading(photo: Pixels) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"junk")
    assert_like(decode_image(buffer.getvalue()), photo)
