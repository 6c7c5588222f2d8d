"""Read and write competition CSV files: an image, an optional class and an RLE per row."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.labels.annotation import SUFFIXES
from crackseg.labels.document import MAX_DOCUMENT_BYTES, decode_text
from crackseg.labels.rle import KAGGLE, Dialect, rle_encode
from crackseg.labels.runs import Shape

_IMAGE = ("imageid", "image_id", "image", "img", "image_name", "filename", "file_name", "id")
_PIXELS = ("encodedpixels", "encoded_pixels", "rle", "rle_mask", "mask_rle", "segmentation", "annotation", "predicted")
_CLASS = ("classid", "class_id", "class", "category", "label", "label_name")
_HEIGHT = ("height", "img_height", "image_height")
_WIDTH = ("width", "img_width", "image_width")
_JOINED = re.compile(rf"(.+(?:{'|'.join(map(re.escape, sorted(SUFFIXES)))}))_(.+)", re.IGNORECASE)
"""An image with its suffix and a class in one cell."""
_MISSING = frozenset({"", "-1", "nan", "none", "null"})
"""Values of the RLE cell for an image without cracks."""


@dataclass(frozen=True, slots=True)
class KaggleRow:
    """One row of a file.

    Attributes:
        image: Name of the image in the file.
        category: Name of the class; None if the file has no classes.
        rle: Pairs of ``start length``; empty if there is no crack.
        line: Line of the file on which the row ends, from 1.
        shape: Height and width ``(H, W)`` of the image, in pixels; None if the file does not state them.
    """

    image: str
    category: str | None
    rle: str
    line: int = 0
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """Index of each column of a file; None for a column that is missing."""

    image: int
    pixels: int
    category: int | None
    height: int | None
    width: int | None
    joined: bool
    """True if the image and the class share a column, as in ``ImageId_ClassId``."""


def encode_kaggle(rows: Iterable[KaggleRow]) -> bytes:
    """Encode rows as a CSV file with the columns ``ImageId,EncodedPixels``.

    A column ``ClassId`` stands between them if any row has a class. An image without cracks has a row with an empty
    last cell.

    Example:
        >>> encode_kaggle([KaggleRow("wall.png", None, "1 3")]).decode().split()
        ['ImageId,EncodedPixels', 'wall.png,1', '3']
    """
    table = list(rows)
    classes = any(row.category is not None for row in table)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ImageId", *(["ClassId"] if classes else []), "EncodedPixels"])
    for row in table:
        writer.writerow([row.image, *([row.category or ""] if classes else []), row.rle])
    return text.getvalue().encode("utf-8", "backslashreplace")


def mask_row(
    mask: NDArray[np.bool_], image: str, *, category: str | None = None, dialect: Dialect = KAGGLE
) -> KaggleRow:
    """Return the row of an image.

    Args:
        mask: ``(H, W)`` bool crack mask.
        image: Name of the image.
        category: Name of the class; None for no class column.
        dialect: Dialect of the RLE.
    """
    return KaggleRow(image, category, rle_encode(mask, dialect))


def decode_kaggle(data: bytes, *, name: str = "CSV") -> list[KaggleRow]:
    """Parse a competition CSV file.

    Cells are separated by commas, semicolons or tabs. An image may have several rows. The class has its own column or
    is appended to the image name (``ImageId_ClassId``). Columns of height and width are optional. An RLE cell that is
    empty, missing, ``-1`` or ``nan`` means no crack.

    Args:
        data: Content of the CSV file.
        name: Name of the file in error messages.

    Raises:
        LabelError: If the header, the image column or the RLE column is missing, or a row cannot be read; the message
            names the line.

    Example:
        >>> data = encode_kaggle([KaggleRow("a.png", None, "1 3"), KaggleRow("b.png", None, "")])
        >>> [(row.line, row.rle) for row in decode_kaggle(data)]
        [(2, '1 3'), (3, '')]
    """
    text = decode_text(data, name)
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    rows = []
    # A mask with many runs exceeds the module's cell size limit, which is global to the process.
    limit = csv.field_size_limit(MAX_DOCUMENT_BYTES)
    try:
        columns = _find_columns(next(reader, []), name)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(_row(cells, columns, reader.line_num, name))
    except csv.Error as error:
        raise LabelError(
            f"not valid CSV: {error}", where=f"{name}:{reader.line_num}", hint="check quotes and line ends"
        ) from error
    finally:
        csv.field_size_limit(limit)
    return rows


def _find_columns(header: Sequence[str], name: str) -> _Columns:
    plain = [cell.strip().lower() for cell in header]

    def find(names: Sequence[str]) -> int | None:
        return next((plain.index(known) for known in names if known in plain), None)

    both = {f"{image}_{kind}" for image in _IMAGE for kind in _CLASS}
    joined = next((at for at, cell in enumerate(plain) if cell in both), None)
    image, pixels = find(_IMAGE) if joined is None else joined, find(_PIXELS)
    if image is None or pixels is None:
        column = "image column, such as 'ImageId'" if image is None else "RLE column, such as 'EncodedPixels'"
        raise LabelError(f"the header has no {column}", where=f"{name}:1", hint="name the columns in the first line")
    return _Columns(image, pixels, find(_CLASS), find(_HEIGHT), find(_WIDTH), joined is not None)


def _row(cells: Sequence[str], columns: _Columns, line: int, name: str) -> KaggleRow:
    def cell(index: int | None) -> str:
        return cells[index].strip() if index is not None and index < len(cells) else ""

    image, category = cell(columns.image), cell(columns.category) if columns.category is not None else None
    if columns.joined:
        suffixed = _JOINED.fullmatch(image)
        image, category = suffixed.groups() if suffixed else image.rpartition("_")[::2]
    if not image:
        raise LabelError("the row names no image", where=f"{name}:{line}", hint="fill in the image column")
    rle = cell(columns.pixels)
    shape = _shape(cell(columns.height), cell(columns.width), f"{name}:{line}")
    return KaggleRow(image, category, "" if rle.lower() in _MISSING else rle, line, shape)


def _shape(height: str, width: str, where: str) -> Shape | None:
    if not height or not width:
        return None
    sides = []
    for side in (height, width):
        try:
            value = float(side)
        except ValueError:
            value = math.nan
        if not (value >= 1 and value == value // 1):
            raise LabelError(
                f"expected height and width in pixels, got '{height[:20]}' and '{width[:20]}'",
                where=where,
                hint="write whole numbers of 1 or more",
            )
        sides.append(int(value))
    return sides[0], sides[1]
