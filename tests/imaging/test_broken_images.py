"""Test that files that are not complete images, and impossible names, give errors of crackseg."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crackseg.errors import CracksegError, ImageError, UsageError
from crackseg.imaging.codec import (
    decode_image,
    image_size,
    read_image,
    read_mask,
    write_png,
)
from crackseg.imaging.decoding import MAX_PIXELS
from tests.image_files import Pixels, encoded, png_header

# Broken files


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"This is a report, not an image.\n" * 50, id="text"),
        pytest.param(bytes(5000), id="zeros"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="only a PNG signature"),
        pytest.param(b"\xff\xd8\xff\xe0", id="only a JPEG signature"),
        pytest.param(b"II*\0", id="only a TIFF signature"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        pytest.param(b"%PDF-1.7\n", id="pdf"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", id="eps"),
    ],
)
def test_a_file_that_is_not_an_image_is_refused_with_its_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    for read in (read_image, read_mask, image_size):
        with pytest.raises(ImageError, match=r"photo\.jpg: ") as caught:
            read(path)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM", "TGA"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_an_error(photo: Pixels, kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(ImageError):
        decode_image(data[: int(share * len(data))])


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "jpeg", "packbits"])
def test_a_truncated_compressed_tiff_is_an_error(compression: str) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "TIFF", compression=compression)
    with pytest.raises(ImageError):
        decode_image(buffer.getvalue()[: len(buffer.getvalue()) // 2])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF"])
@given(share=st.floats(0, 1))
def test_a_file_cut_anywhere_is_an_error_or_still_whole(kind: str, share: float) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(pixels), kind)
    try:
        decoded = decode_image(data[: int(share * len(data))])
    except ImageError:
        return
    assert share > 0.5
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "TGA"])
@settings(max_examples=120)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_file_gives_pixels_or_an_error_of_ours(kind: str, changes: list[tuple[float, int]]) -> None:
    data = bytearray(encoded(Image.new("RGB", (9, 7), (200, 100, 0)), kind))
    for share, value in changes:
        data[int(share * len(data))] = value
    try:
        pixels = decode_image(bytes(data))
    except CracksegError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_random_bytes_are_not_an_image(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode_image(data)


@pytest.mark.parametrize(
    ("width", "height"),
    [
        pytest.param(30_000, 30_000, id="900 million"),
        pytest.param(MAX_PIXELS // 10_000 + 1, 10_000, id="just too many"),
        pytest.param(2**31 - 1, 2**31 - 1, id="as many as a PNG can promise"),
    ],
)
def test_a_header_that_promises_too_many_pixels_is_refused_before_decoding(
    tmp_path: Path, width: int, height: int
) -> None:
    path = tmp_path / "wall.png"
    path.write_bytes(png_header(width, height))
    for read in (read_image, read_mask, image_size):
        started_s = time.process_time()
        with pytest.raises(ImageError, match=r"wall\.png.*pixels"):
            read(path)
        assert time.process_time() - started_s < 2


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    for read in (read_image, read_mask, image_size):
        with pytest.raises(UsageError, match=r"gone\.png: no such file"):
            read(tmp_path / "gone.png")


def test_a_folder_is_not_an_image(tmp_path: Path) -> None:
    for read in (read_image, read_mask, image_size):
        with pytest.raises(ImageError, match="directory"):
            read(tmp_path)


@pytest.mark.parametrize(
    "name", [pytest.param("x" * 300, id="too long for the disk"), pytest.param("a\0b.png", id="with a zero byte")]
)
def test_a_name_no_file_can_have_is_an_error_of_ours(tmp_path: Path, name: str) -> None:
    for read in (read_image, read_mask, image_size):
        with pytest.raises(CracksegError):
            read(tmp_path / name)


@pytest.mark.parametrize("name", [b"\xff\xfe.png", b"a\nb.png", b" .png", b"\xe2\x80\xae.png", b"-o.png"])
def test_a_file_of_any_name_is_read_and_written(tmp_path: Path, photo: Pixels, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    write_png(path, photo)
    np.testing.assert_array_equal(read_image(path), photo)
    assert image_size(path) == (45, 70)
    np.testing.assert_array_equal(read_mask(path), photo.max(axis=2) >= 128)


# Foreign files


@pytest.mark.shared
@pytest.mark.parametrize("source", ["image-rs", "pngsuite", "exif-orientation"])
def test_every_foreign_file_gives_pixels_or_an_error_of_ours(shared_folder: Path, source: str) -> None:
    paths = sorted(path for path in (shared_folder / "badinputs" / source).rglob("*") if path.is_file())
    assert paths
    wrong: list[str] = []
    readable = 0
    for path in paths:
        try:
            pixels = read_image(path)
            readable += 1
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
                wrong.append(f"{path}: pixels {pixels.dtype} {pixels.shape}")
            if image_size(path) != pixels.shape[:2]:
                wrong.append(f"{path}: header {image_size(path)}, pixels {pixels.shape[:2]}")
            if read_mask(path).shape != pixels.shape[:2]:
                wrong.append(f"{path}: mask {read_mask(path).shape}, pixels {pixels.shape[:2]}")
        except CracksegError as error:
            if len(str(error).splitlines()) != 1:
                wrong.append(f"{path}: error of several lines {error}")
        except BaseException as error:  # noqa: BLE001
            wrong.append(f"{path}: {error!r}")
    assert not wrong, "\n".join(wrong)
    assert readable > len(paths) / 2


@pytest.mark.shared
def test_every_whole_file_of_the_png_suite_is_read_and_every_broken_one_refused(shared_folder: Path) -> None:
    wrong = []
    for path in sorted((shared_folder / "badinputs" / "pngsuite").rglob("*.png")):
        try:
            read_image(path)
            read = True
        except ImageError:
            read = False
        # Only a checksum is wrong in xcsn0g01; its pixels are complete.
        broken = path.name.startswith("x") and path.name != "xcsn0g01.png"
        if read == broken:
            wrong.append(path.name)
    assert wrong == []


@pytest.mark.shared
@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
def test_images_of_every_orientation_decode_alike(shared_folder: Path, shape: str) -> None:
    folder = shared_folder / "badinputs" / "exif-orientation" / "files"
    upright = [read_image(folder / f"{shape}_{turn}.jpg") for turn in range(9)]
    assert {image.shape for image in upright} == {upright[0].shape}
    small = [cv2.resize(image, (30, 30), interpolation=cv2.INTER_AREA).astype(float) for image in upright]
    assert max(float(np.abs(image - small[1]).mean()) for image in small) < 12
    assert min(float(np.abs(np.rot90(small[1], turn) - small[1]).mean()) for turn in (1, 2, 3)) > 24
