"""Read large TIFF files by region and write them row by row."""

from __future__ import annotations

import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ImageError, display_text
from crackseg.geometry import Region
from crackseg.imaging.codec import decode_image, open_file
from crackseg.imaging.decoding import run_decoder

TILE_PX = 256
"""Side of the tiles of a file written here, in pixels."""

_CACHE_BYTES = 64 * 2**20
"""Size of the cache of decoded tiles, which neighbouring regions share."""

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES, _PLANAR = 273, 274, 277, 278, 279, 284
_PREDICTOR, _PALETTE, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 317, 320, 322, 323, 324, 325
_EXTRA_SAMPLES, _SAMPLE_FORMAT, _JPEG_TABLES, _YCBCR_SHARED, _YCBCR_RANGE = 338, 339, 347, 530, 532

_KEPT = (
    _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _SAMPLES, _PREDICTOR, _PALETTE, _EXTRA_SAMPLES, _SAMPLE_FORMAT,
    _JPEG_TABLES, _YCBCR_SHARED,
)  # fmt: skip
"""Tags that decide how a tile is decoded."""

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BYTE, _SHORT, _LONG, _LONG8, _UNDEFINED = 1, 3, 4, 16, 7
_CODES = {_BYTE: "B", _SHORT: "H", _LONG: "I", _LONG8: "Q", _UNDEFINED: "B"}


@dataclass(frozen=True, slots=True)
class _Layout:
    """Layout of the tiles or strips of a TIFF file.

    Attributes:
        shape: Height and width of the image, in pixels.
        tile: Height and width of a tile or strip, in pixels.
        tiled: Whether the file has tiles, all of one size; otherwise strips, of which the last ends with the image.
        offsets: Positions in the file, in bytes, in row-major order.
        sizes: Sizes, in bytes; 0 for a black tile that the file leaves out.
        tags: Values that are needed to decode a tile, by tag.
    """

    shape: tuple[int, int]
    tile: tuple[int, int]
    tiled: bool
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    tags: dict[int, tuple[int, ...]]

    @property
    def across(self) -> int:
        """Number of tiles in a row."""
        return -(-self.shape[1] // self.tile[1])


class TiffImage:
    """TIFF file in tiles or strips of 8 bits a sample, as an `ImageSource`.

    Each tile is decoded as a small TIFF file by the policy of `crackseg.imaging.codec`, so it supports the same
    variants.

    Args:
        path: TIFF file.

    Raises:
        UsageError: If there is no such file.
        ImageError: If it is not a TIFF file, or can only be decoded whole.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = display_text(path)
        self._layout = run_decoder(lambda: _read_layout(path, self._name), self._name)
        self._cache: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._cached_bytes = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width ``(H, W)``, in pixels."""
        return self._layout.shape

    def read(self, region: Region) -> NDArray[np.uint8]:
        """Read a region inside the image.

        Args:
            region: Region, in pixels.

        Returns:
            ``(h, w, 3)`` uint8 RGB pixels, 0 to 255.

        Raises:
            ImageError: If a tile cannot be read or decoded.
        """
        pixels = np.empty((*region.shape, 3), dtype=np.uint8)
        height, width = self._layout.tile
        with open_file(self._path) as file:
            for row in range(region.row0 // height, -(-region.row1 // height)):
                for col in range(region.col0 // width, -(-region.col1 // width)):
                    tile = self._tile(file, row * self._layout.across + col)
                    top, left = row * height, col * width
                    row0, row1 = max(region.row0, top), min(region.row1, top + height)
                    col0, col1 = max(region.col0, left), min(region.col1, left + width)
                    shared = Region(row0, col0, row1, col1)
                    pixels[shared.slices((region.row0, region.col0))] = tile[shared.slices((top, left))]
        return pixels

    def _tile(self, file: BinaryIO, index: int) -> NDArray[np.uint8]:
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        tile = self._decoded(file, index)
        self._cache[index] = tile
        self._cached_bytes += tile.nbytes
        while self._cached_bytes > _CACHE_BYTES and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return tile

    def _decoded(self, file: BinaryIO, index: int) -> NDArray[np.uint8]:
        layout = self._layout
        height, width = layout.tile
        if not layout.tiled:
            height = min(height, layout.shape[0] - index * height)
        if layout.sizes[index] == 0:
            return np.zeros((height, width, 3), dtype=np.uint8)
        file.seek(layout.offsets[index])
        data = file.read(layout.sizes[index])
        if len(data) < layout.sizes[index]:
            raise ImageError("the file is truncated", where=self._name, hint="copy or download it again")
        tile = decode_image(_as_file(data, (height, width), layout), name=self._name)
        if tile.shape[:2] != (height, width):
            raise ImageError(
                f"expected tiles of {height}x{width} px, got {tile.shape[0]}x{tile.shape[1]} px",
                where=self._name,
                hint="copy or download it again",
            )
        return tile


def open_large_tiff(path: Path, *, from_px: int) -> TiffImage | None:
    """Open a TIFF file that is too large to be read whole.

    Args:
        path: Any file.
        from_px: Number of pixels above which a file is large.

    Returns:
        Image; None if the file is not a TIFF file or is small enough to be read whole.

    Raises:
        UsageError: If there is no such file.
        ImageError: If the file is large and can only be decoded whole.

    >>> from pathlib import Path
    >>> with Path("large.tif").open("wb") as file, TiffWriter(file, (20, 30), np.uint8) as writer:
    ...     writer.write(np.zeros((20, 30), dtype=np.uint8))
    >>> open_large_tiff(Path("large.tif"), from_px=599).shape
    (20, 30)
    >>> open_large_tiff(Path("large.tif"), from_px=600) is None
    True
    """
    with open_file(path) as file:
        if file.read(4) not in _MAGIC:
            return None

    def pixels() -> int:
        from PIL import TiffImagePlugin

        with open_file(path) as file:
            width, height = TiffImagePlugin.TiffImageFile(file).size
            return int(width) * int(height)

    return TiffImage(path) if run_decoder(pixels, display_text(path)) > from_px else None


def _read_layout(path: Path, name: str) -> _Layout:
    from PIL import TiffImagePlugin

    with open_file(path) as file:
        image = TiffImagePlugin.TiffImageFile(file)
        tags: Any = image.tag_v2
        tiled = _TILE_OFFSETS in tags
        shape = (int(tags[_HEIGHT]), int(tags[_WIDTH]))
        rows = tags[_TILE_HEIGHT] if tiled else min(int(tags.get(_STRIP_ROWS, shape[0])), shape[0])
        layout = _Layout(
            shape=shape,
            tile=(int(rows), int(tags[_TILE_WIDTH]) if tiled else shape[1]),
            tiled=tiled,
            offsets=_whole(tags[_TILE_OFFSETS if tiled else _STRIP_OFFSETS]),
            sizes=_whole(tags[_TILE_BYTES if tiled else _STRIP_BYTES]),
            tags={tag: _whole(tags[tag]) for tag in _KEPT if tag in tags},
        )
        _check_layout(layout, int(tags.get(_ORIENTATION, 1)), int(tags.get(_PLANAR, 1)), name)
        return layout


def _whole(value: Any) -> tuple[int, ...]:
    return (int(value),) if isinstance(value, (int, float)) else tuple(int(item) for item in value)


def _check_layout(layout: _Layout, orientation: int, planar: int, name: str) -> None:
    """Check that tiles can be decoded one at a time.

    Raises:
        ImageError: If they cannot.
    """
    if max(layout.tags.get(_BITS, (1,))) > 8:
        reason = "has more than 8 bits a sample"
    elif orientation != 1:
        reason = "is stored in another orientation"
    elif planar != 1:
        reason = "stores its colour channels in separate planes"
    elif layout.tags.get(_COMPRESSION, (1,)) == (6,):
        reason = "uses old-style JPEG compression"
    elif min(*layout.tile, *layout.shape) < 1 or layout.tile[0] * layout.tile[1] > 2**26:
        reason = f"is stored in tiles of {layout.tile[0]}x{layout.tile[1]} px"
    elif min(len(layout.offsets), len(layout.sizes)) < layout.across * -(-layout.shape[0] // layout.tile[0]):
        reason = "lists fewer tiles than the image needs"
    else:
        return
    raise ImageError(
        f"too large to be read whole, and not readable tile by tile because it {reason}",
        where=name,
        hint="save it as an upright TIFF of 8 bits a sample, in tiles of 256 px",
    )


def _as_file(data: bytes, shape: tuple[int, int], layout: _Layout) -> bytes:
    """Return a TIFF file, as bytes, with one tile of ``shape``."""
    tags = {tag: (_SHORT, values) for tag, values in layout.tags.items()}
    if _JPEG_TABLES in tags:
        tags[_JPEG_TABLES] = (_UNDEFINED, layout.tags[_JPEG_TABLES])
    tags |= {_HEIGHT: (_LONG, (shape[0],)), _WIDTH: (_LONG, (shape[1],))}
    if layout.tiled:
        tags |= {_TILE_HEIGHT: (_LONG, (shape[0],)), _TILE_WIDTH: (_LONG, (shape[1],))}
        tags |= {_TILE_OFFSETS: (_LONG, (8,)), _TILE_BYTES: (_LONG, (len(data),))}
    else:
        tags |= {_STRIP_ROWS: (_LONG, (shape[0],)), _STRIP_OFFSETS: (_LONG, (8,)), _STRIP_BYTES: (_LONG, (len(data),))}
    padding = bytes(len(data) % 2)
    return (
        struct.pack("<2sHI", b"II", 42, 8 + len(data) + len(padding))
        + data
        + padding
        + _directory(tags, 8 + len(data) + len(padding), large=False)
    )


def _directory(tags: dict[int, tuple[int, tuple[int, ...]]], offset: int, *, large: bool) -> bytes:
    """Return an image file directory, followed by its longer values.

    Args:
        tags: Type and values by tag.
        offset: Position in the file, in bytes.
        large: Whether the file is a BigTIFF.
    """
    count, entry, pointer = ("<Q", "<HHQ", "<Q") if large else ("<H", "<HHI", "<I")
    room = struct.calcsize(pointer)
    behind = offset + struct.calcsize(count) + len(tags) * (struct.calcsize(entry) + room) + room
    head, tail = struct.pack(count, len(tags)), b""
    for tag in sorted(tags):
        kind, values = tags[tag]
        content = struct.pack(f"<{len(values)}{_CODES[kind]}", *values)
        head += struct.pack(entry, tag, kind, len(values))
        if len(content) <= room:
            head += content.ljust(room, b"\0")
        else:
            head += struct.pack(pointer, behind + len(tail))
            tail += content + bytes(len(content) % 2)
    return head + bytes(room) + tail


class TiffWriter:
    """Writer of a tiled, compressed TIFF file, row by row.

    Args:
        file: File that is open for writing, at its beginning.
        shape: Height and width ``(H, W)``, in pixels.
        dtype: ``uint8`` or ``uint16``.
    """

    def __init__(self, file: BinaryIO, shape: tuple[int, int], dtype: type[np.uint8] | type[np.uint16]) -> None:
        self._file, self._shape, self._dtype = file, shape, np.dtype(dtype).newbyteorder("<")
        # Offsets of 32 bits reach 4 GB, and compression may not shrink the data.
        self._large = shape[0] * shape[1] * self._dtype.itemsize > 3_900_000_000
        self._band = np.zeros((TILE_PX, -(-shape[1] // TILE_PX) * TILE_PX), dtype=self._dtype)
        self._row = 0
        self._offsets: list[int] = []
        self._sizes: list[int] = []
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) if self._large else struct.pack("<2sHI", b"II", 42, 0))

    def __enter__(self) -> TiffWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()

    def write(self, rows: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        """Write the next rows.

        Args:
            rows: ``(h, W)`` pixels of the data type of the file, over its full range.
        """
        first = 0
        while first < len(rows):
            start = self._row % TILE_PX
            count = min(TILE_PX - start, len(rows) - first)
            self._band[start : start + count, : self._shape[1]] = rows[first : first + count]
            first, self._row = first + count, self._row + count
            if self._row % TILE_PX == 0:
                self._flush()

    def read(self, region: Region) -> NDArray[np.uint16] | NDArray[np.uint8]:
        """Read a region whose rows have all been written.

        Args:
            region: Region, in pixels.

        Returns:
            ``(h, w)`` pixels of the data type of the file, over its full range.
        """
        end = self._file.seek(0, 2)
        pixels = np.empty(region.shape, dtype=self._dtype)
        across = self._band.shape[1] // TILE_PX
        for row in range(region.row0 // TILE_PX, -(-region.row1 // TILE_PX)):
            for col in range(region.col0 // TILE_PX, -(-region.col1 // TILE_PX)):
                top, left = row * TILE_PX, col * TILE_PX
                if row * across + col < len(self._sizes):
                    self._file.seek(self._offsets[row * across + col])
                    data = zlib.decompress(self._file.read(self._sizes[row * across + col]))
                    tile = np.frombuffer(data, self._dtype).reshape(TILE_PX, TILE_PX)
                else:
                    tile = self._band[:, left : left + TILE_PX]
                shared = Region(
                    max(region.row0, top),
                    max(region.col0, left),
                    min(region.row1, top + TILE_PX),
                    min(region.col1, left + TILE_PX),
                )
                pixels[shared.slices((region.row0, region.col0))] = tile[shared.slices((top, left))]
        self._file.seek(end)
        return pixels

    def _flush(self) -> None:
        for left in range(0, self._band.shape[1], TILE_PX):
            data = zlib.compress(self._band[:, left : left + TILE_PX].tobytes(), 1)
            self._offsets.append(self._file.tell())
            self._sizes.append(len(data))
            self._file.write(data)
        self._band[:] = 0

    def _finish(self) -> None:
        if self._row != self._shape[0]:
            raise ValueError(f"expected {self._shape[0]} rows, got {self._row}")
        if self._row % TILE_PX:
            self._flush()
        place = _LONG8 if self._large else _LONG
        tags: dict[int, tuple[int, Iterable[int]]] = {
            _WIDTH: (_LONG, (self._shape[1],)),
            _HEIGHT: (_LONG, (self._shape[0],)),
            _BITS: (_SHORT, (8 * self._dtype.itemsize,)),
            _COMPRESSION: (_SHORT, (8,)),
            _PHOTOMETRIC: (_SHORT, (1,)),
            _SAMPLES: (_SHORT, (1,)),
            _TILE_WIDTH: (_LONG, (TILE_PX,)),
            _TILE_HEIGHT: (_LONG, (TILE_PX,)),
            _TILE_OFFSETS: (place, self._offsets),
            _TILE_BYTES: (_LONG, self._sizes),
        }
        self._file.write(bytes(self._file.tell() % 2))
        start = self._file.tell()
        self._file.write(
            _directory({tag: (kind, tuple(v)) for tag, (kind, v) in tags.items()}, start, large=self._large)
        )
        self._file.seek(8 if self._large else 4)
        self._file.write(struct.pack("<Q" if self._large else "<I", start))
