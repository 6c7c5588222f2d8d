"""Annotation documents from anywhere: JSON and XML read so that a hostile file costs nothing but an error.

XML with a DOCTYPE is refused before it is parsed, entities are never resolved, nothing is fetched, and depth is bounded
by libxml2 (256). JSON is bounded in depth by the interpreter (about 1000). Both are bounded in size.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lxml import etree

from crackseg.errors import LabelError, UsageError
from crackseg.imaging.codec import read_file

MAX_DOCUMENT_BYTES = 512 * 2**20
"""Largest document that is read, in bytes; COCO's own training annotations have 450 MB."""


def read_document(path: Path) -> bytes:
    """Return the bytes of a document.

    Raises:
        UsageError: If there is no such file.
        LabelError: If it is larger than `MAX_DOCUMENT_BYTES`.
        ImageError: If it cannot be read.
    """
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise UsageError("no such file", where=path, hint="check the path") from error
    if size > MAX_DOCUMENT_BYTES:
        raise LabelError(
            f"has {size:,} bytes, and at most {MAX_DOCUMENT_BYTES:,} are read", where=path, hint="divide it"
        )
    return read_file(path)


def decode_text(data: bytes, name: str) -> str:
    """Return UTF-8 text, with or without a byte order mark.

    Raises:
        LabelError: If it is something else.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelError(f"is no text in UTF-8 (byte {error.start + 1})", where=name) from error


def parse_json(data: bytes, name: str) -> Any:
    """Return the content of a JSON document.

    Raises:
        LabelError: If it is no JSON, holds NaN or infinity, or is nested too deeply.
    """

    def refuse(constant: str) -> None:
        raise LabelError(f"holds {constant}, which is no JSON", where=name)

    try:
        return json.loads(decode_text(data, name), parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise LabelError(
            f"is no JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            where=name,
            hint="check that the file is whole",
        ) from error
    except RecursionError as error:
        raise LabelError("is nested too deeply", where=name) from error
    except ValueError as error:
        raise LabelError("holds a number that is too long", where=name) from error


def parse_xml(data: bytes, name: str, *, root: str) -> etree._Element:
    """Return the root of an XML document.

    Args:
        data: The whole file.
        name: What to call it in an error.
        root: The tag that its root must have.

    Raises:
        LabelError: If it has a DOCTYPE or entities, is no XML, is nested too deeply, or has another root.
    """
    # Without the zeros, UTF-16 and UTF-32 show their tags as well.
    plain = data.replace(b"\0", b"")
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        raise LabelError("has a DOCTYPE, and such files are not read", where=name, hint="remove it if you trust it")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        found = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise LabelError(f"is no XML: {reason}", where=name, hint="check that the file is whole") from error
    if found.getroottree().docinfo.internalDTD is not None:
        raise LabelError("has a DOCTYPE, and such files are not read", where=name)
    if found.tag != root:
        raise LabelError(f"expected the element '{root}' first, got '{str(found.tag)[:40]}'", where=name)
    return found


def as_object(value: Any, where: str) -> dict[str, Any]:
    """Return a value that must be a JSON object.

    Raises:
        LabelError: If it is none.
    """
    if not isinstance(value, dict):
        raise LabelError(f"expected an object, got {_shown(value)}", where=where)
    return value


def as_list(value: Any, where: str) -> list[Any]:
    """Return a value that must be a JSON list.

    Raises:
        LabelError: If it is none.
    """
    if not isinstance(value, list):
        raise LabelError(f"expected a list, got {_shown(value)}", where=where)
    return value


def as_text(value: Any, where: str) -> str:
    """Return a value that must be text; a number is taken for its digits.

    Raises:
        LabelError: If it is neither.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise LabelError(f"expected text, got {_shown(value)}", where=where)
    return str(value)


def as_number(value: Any, where: str) -> float:
    """Return a finite number, from JSON or from a text of XML.

    Raises:
        LabelError: If it is none.
    """
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, str | int | float) else float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise LabelError(f"expected a number, got {_shown(value)}", where=where)
    return number


def as_numbers(values: Any, where: str, *, count: int | None = None) -> list[float]:
    """Return a list of finite numbers.

    Raises:
        LabelError: If it is none, or not of ``count`` numbers; it names the position.
    """
    numbers = as_list(values, where)
    if count is not None and len(numbers) != count:
        raise LabelError(f"expected {count} numbers, got {len(numbers)}", where=where)
    return [as_number(value, f"{where}[{index}]") for index, value in enumerate(numbers)]


def as_side(value: Any, where: str) -> int:
    """Return a height or width in pixels: a whole number of 1 or more.

    Raises:
        LabelError: If it is none.
    """
    number = as_number(value, where)
    if number < 1 or number != int(number):
        raise LabelError(f"expected a whole number of 1 or more, got {_shown(value)}", where=where)
    return int(number)


def as_box(corners: Sequence[float], shape: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """Return a box ``(row0, col0, row1, col1)`` cut to the image; None if no part of it lies there.

    Args:
        corners: Its corners in that order, in pixels.
        shape: Height and width ``(H, W)`` of the image, in pixels.
    """
    row0, col0, row1, col1 = corners
    cut = max(row0, 0.0), max(col0, 0.0), min(row1, float(shape[0])), min(col1, float(shape[1]))
    return cut if cut[0] < cut[2] and cut[1] < cut[3] else None


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return repr(value)[:40]
