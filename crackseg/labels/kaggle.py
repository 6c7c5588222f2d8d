"""CSV files of competitions: an image, perhaps a class, and an RLE per row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.labels.document import MAX_DOCUMENT_BYTES, decode_text
from crackseg.labels.rle import KAGGLE, Dialect, Shape, rle_encode

_IMAGE = ("imageid", "image_id", "image", "img", "image_name", "filename", "file_name", "id")
_PIXELS = ("encodedpixels", "encoded_pixels", "rle", "rle_mask", "mask_rle", "segmentation", "annotation", "predicted")
_CLASS = ("classid", "class_id", "class", "category", "label", "label_name")
_HEIGHT = ("height", "img_height", "image_height")
_WIDTH = ("width", "img_width", "image_width")
_MISSING = frozenset({"", "-1", "nan", "none", "null"})
"""What stands in a row of an image where nothing is drawn."""


@dataclass(frozen=True, slots=True)
class KaggleRow:
    """One row of a file.

    Attributes:
        image: Name of the image, as it stands there.
        category: Name of the class; None where the file has no classes.
        rle: Pairs of ``start length``; empty where nothing is drawn.
        line: Line of the file on which the row ends, from 1.
        shape: Height and width, in pixels, where the file says.
    """

    image: str
    category: str | None
    rle: str
    line: int = 0
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a file keeps what: the index of each column, None where it has none."""

    image: int
    pixels: int
    category: int | None
    height: int | None
    width: int | None
    joined: bool
    """The image and the class share a column, as in ``ImageId_ClassId``."""


def encode_kaggle(rows: Iterable[KaggleRow]) -> bytes:
    """Return a file: ``ImageId,EncodedPixels``, or with ``ClassId`` between them where a row has a class.

    An image on which nothing is drawn has a row, too, whose last cell is empty.
    """
    kept = list(rows)
    classes = any(row.category is not None for row in kept)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ImageId", *(["ClassId"] if classes else []), "EncodedPixels"])
    for row in kept:
        writer.writerow([row.image, *([row.category or ""] if classes else []), row.rle])
    return text.getvalue().encode("utf-8")


def mask_row(
    mask: NDArray[np.bool_], image: str, *, category: str | None = None, dialect: Dialect = KAGGLE
) -> KaggleRow:
    """Return the row of a ``(H, W)`` mask."""
    return KaggleRow(image, category, rle_encode(mask, dialect))


def decode_kaggle(data: bytes, *, name: str = "CSV") -> list[KaggleRow]:
    """Read a file as competitions ship it.

    Understood are several rows per image, a class in a column of its own or joined to the image's name
    (``ImageId_ClassId``), columns of height and width, and cells that are empty, ``-1``, ``nan`` or not there where
    nothing is drawn. Commas, semicolons or tabs divide the cells.

    Raises:
        LabelError: If there is no header, no column of images or of RLEs, or a row cannot be read; it names the line.
    """
    text = decode_text(data, name)
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    rows = []
    # A mask of many runs fills a cell beyond the limit of the module, which is the same for the whole program.
    limit = csv.field_size_limit(MAX_DOCUMENT_BYTES)
    try:
        columns = _find_columns(next(reader, []), name)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(_row(cells, columns, reader.line_num, name))
    except csv.Error as error:
        raise LabelError(f"is no CSV: {error}", where=f"{name}:{reader.line_num}") from error
    finally:
        csv.field_size_limit(limit)
    return rows


def _find_columns(header: Sequence[str], name: str) -> _Columns:
    plain = [cell.strip().lower() for cell in header]

    def find(names: Sequence[str]) -> int | None:
        return next((plain.index(wanted) for wanted in names if wanted in plain), None)

    both = {f"{image}_{kind}" for image in _IMAGE for kind in _CLASS}
    joined = next((at for at, cell in enumerate(plain) if cell in both), None)
    image, pixels = find(_IMAGE) if joined is None else joined, find(_PIXELS)
    if image is None or pixels is None:
        what = "images, such as 'ImageId'" if image is None else "run lengths, such as 'EncodedPixels'"
        raise LabelError(f"has no column of {what}", where=f"{name}:1", hint="the first line must name the columns")
    return _Columns(image, pixels, find(_CLASS), find(_HEIGHT), find(_WIDTH), joined is not None)


def _row(cells: Sequence[str], columns: _Columns, line: int, name: str) -> KaggleRow:
    def cell(index: int | None) -> str:
        return cells[index].strip() if index is not None and index < len(cells) else ""

    image, category = cell(columns.image), cell(columns.category) if columns.category is not None else None
    if columns.joined:
        image, _, category = image.rpartition("_")
    if not image:
        raise LabelError("names no image", where=f"{name}:{line}")
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
                f"expected a height and width in pixels, got '{height[:20]}' and '{width[:20]}'", where=where
            )
        sides.append(int(value))
    return sides[0], sides[1]
