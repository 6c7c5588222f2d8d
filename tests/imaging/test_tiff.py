"""Test the layouts of TIFF files, built by hand from the TIFF 6.0 specification."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crackseg.errors import ImageError
from crackseg.geometry import Region
from crackseg.imaging import tiff
from crackseg.imaging.tiff import TiffImage, TiffWriter

TILE = 16
SHAPE = (40, 50)
PIXELS = np.random.default_rng(5).integers(0, 256, SHAPE, dtype=np.uint8)


def tiff_file(
    path: Path, *, black: int | None = None, lost_bytes: int = 0, changes: dict[int, list[int]] | None = None
) -> Path:
    """Write `PIXELS` as an uncompressed tiled TIFF file.

    Args:
        path: File.
        black: Number of a tile that the file leaves out.
        lost_bytes: Bytes missing at the end of the file.
        changes: Values that replace those of tags, by tag.
    """
    padded = np.zeros((48, 64), np.uint8)
    padded[: SHAPE[0], : SHAPE[1]] = PIXELS
    tiles = [
        padded[row : row + TILE, col : col + TILE].tobytes() for row in range(0, 48, TILE) for col in range(0, 64, TILE)
    ]
    sizes = [0 if number == black else len(tile) for number, tile in enumerate(tiles)]
    longs = {324: [0] * len(tiles), 325: sizes}
    tags = {256: [SHAPE[1]], 257: [SHAPE[0]], 258: [8], 259: [1], 262: [1], 277: [1], 322: [TILE], 323: [TILE], **longs}
    tags |= changes or {}
    directory = 8 + 2 + 12 * len(tags) + 4
    arrays_at = directory
    data_at = directory + 4 * len(tags[324]) + 4 * len(tags[325])
    tags[324] = [data_at + TILE * TILE * number for number in range(len(tags[324]))]
    head, arrays = struct.pack("<2sHIH", b"II", 42, 8, len(tags)), b""
    for tag, values in sorted(tags.items()):
        if len(values) > 1:
            head += struct.pack("<HHII", tag, 4, len(values), arrays_at + len(arrays))
            arrays += struct.pack(f"<{len(values)}I", *values)
        else:
            head += struct.pack("<HHII", tag, 4, 1, values[0])
    content = head + bytes(4) + arrays + b"".join(tiles)
    path.write_bytes(content[: len(content) - lost_bytes])
    return path


def read_whole(path: Path) -> NDArray[np.uint8]:
    return TiffImage(path).read(Region(0, 0, *SHAPE))


def test_tiles_give_the_pixels_that_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiff_file(tmp_path / "wall.tif")
    np.testing.assert_array_equal(read_whole(path), np.dstack([PIXELS] * 3))
    monkeypatch.setattr(tiff, "_CACHE_BYTES", 2 * TILE * TILE * 3)
    image = TiffImage(path)
    for row in (0, 20, 5, 0):
        region = Region(row, 3, row + 20, 49)
        np.testing.assert_array_equal(image.read(region)[..., 0], PIXELS[region.slices()])


def test_a_tile_that_the_file_leaves_out_is_black(tmp_path: Path) -> None:
    expected = PIXELS.copy()
    expected[16:32, 16:32] = 0
    np.testing.assert_array_equal(read_whole(tiff_file(tmp_path / "wall.tif", black=5))[..., 0], expected)


def test_a_truncated_tile_is_an_error(tmp_path: Path) -> None:
    image = TiffImage(tiff_file(tmp_path / "wall.tif", lost_bytes=10))
    assert image.read(Region(0, 0, 32, 50)).any()
    with pytest.raises(ImageError, match=r"wall\.tif: the file is truncated"):
        image.read(Region(0, 0, *SHAPE))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({284: [2]}, "stores its colour channels in separate planes", id="planes"),
        pytest.param({259: [6]}, "uses old-style JPEG compression", id="old JPEG"),
        pytest.param({322: [16384], 323: [16384]}, "stored in tiles of 16384x16384 px", id="huge tiles"),
        pytest.param({324: [0] * 11}, "lists fewer tiles than the image needs", id="a missing tile"),
    ],
)
def test_a_layout_that_cannot_be_read_by_tile_is_named(
    tmp_path: Path, changes: dict[int, list[int]], reason: str
) -> None:
    with pytest.raises(ImageError, match=f"not readable tile by tile because it (is )?{reason}"):
        TiffImage(tiff_file(tmp_path / "wall.tif", changes=changes))


def write_three_rows(file: io.BytesIO, error: type[Exception] | None = None) -> None:
    """Write three of five rows, then raise the error."""
    with TiffWriter(file, (5, 4), np.uint8) as writer:
        writer.write(np.zeros((3, 4), np.uint8))
        if error is not None:
            raise error


def test_a_writer_refuses_an_image_with_missing_rows() -> None:
    with pytest.raises(ValueError, match="expected 5 rows, got 3"):
        write_three_rows(io.BytesIO())


def test_a_writer_leaves_an_unfinished_file_after_an_error() -> None:
    file = io.BytesIO()
    with pytest.raises(RuntimeError):
        write_three_rows(file, RuntimeError)
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(file)
