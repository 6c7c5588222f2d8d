"""Parse JSON and XML annotation documents from untrusted sources safely.

XML with a DOCTYPE is refused before it is parsed, entities are never resolved, and nothing is fetched. libxml2 limits
the depth of XML to 256, the interpreter that of JSON to about 1000. The size of both is limited.
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

_CHECK_FIELD = "correct the value in the file"

MAX_DOCUMENT_BYTES = 512 * 2**20
"""Size of the largest document to read, in bytes; COCO's own training annotations have 450 MB."""


_LONGEST_SIDE = 1e9
"""Limit on sides of images, in pixels, far above any image."""

_DOCTYPE = "the XML has a DOCTYPE, which is refused for safety"


def read_document(path: Path) -> bytes:
    """Read a document of limited size.

    Raises:
        UsageError: If there is no such file.
        LabelError: If the file is larger than `MAX_DOCUMENT_BYTES`.
        ImageError: If the file cannot be read.
    """
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise UsageError("no such file", where=path, hint="check the path") from error
    if size > MAX_DOCUMENT_BYTES:
        raise LabelError(
            f"the file has {size:,} bytes, and the limit is {MAX_DOCUMENT_BYTES:,}",
            where=path,
            hint="divide the file",
        )
    return read_file(path)


def decode_text(data: bytes, name: str) -> str:
    """Decode UTF-8 text, with or without a byte order mark.

    Raises:
        LabelError: If the data are not UTF-8; the message names the byte.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelError(
            f"not UTF-8 text (byte {error.start + 1})", where=name, hint="save the file as UTF-8"
        ) from error


def parse_json(data: bytes, name: str) -> Any:
    """Parse a JSON document.

    Raises:
        LabelError: If the data are not JSON, hold NaN or infinity, or are nested too deeply.

    Example:
        >>> parse_json(b'{"a": [1]}', "a.json")
        {'a': [1]}
    """

    def refuse(constant: str) -> None:
        raise LabelError(f"not valid JSON: it holds {constant}", where=name, hint="replace it by a number or null")

    try:
        return json.loads(decode_text(data, name), parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise LabelError(
            f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            where=name,
            hint="check that the file is complete",
        ) from error
    except RecursionError as error:
        raise LabelError("the JSON is nested too deeply", where=name, hint="check the file") from error
    except ValueError as error:
        raise LabelError("the JSON holds a number with too many digits", where=name, hint="check the file") from error


def parse_xml(data: bytes, name: str, *, root: str) -> etree._Element:
    """Parse an XML document and return its root.

    Args:
        data: Content of the file.
        name: Name of the file in error messages.
        root: Required tag of the root element.

    Raises:
        LabelError: If the data have a DOCTYPE or entities, are not XML, are nested too deeply, or have another root.

    Example:
        >>> parse_xml(b"<annotation><size/></annotation>", "a.xml", root="annotation").tag
        'annotation'
    """
    # Removing the zero bytes makes the tags of UTF-16 and UTF-32 visible as well.
    plain = data.replace(b"\0", b"")
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        raise LabelError(_DOCTYPE, where=name, hint="remove the DOCTYPE if you trust the file")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        element = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise LabelError(f"not valid XML: {reason}", where=name, hint="check that the file is complete") from error
    if element.getroottree().docinfo.internalDTD is not None:
        raise LabelError(_DOCTYPE, where=name, hint="remove the DOCTYPE if you trust the file")
    if element.tag != root:
        raise LabelError(
            f"expected the root element '{root}', got '{str(element.tag)[:40]}'", where=name, hint="check the format"
        )
    return element


def as_object(value: Any, where: str) -> dict[str, Any]:
    """Check that a value is a JSON object and return it.

    Raises:
        LabelError: If the value is something else.
    """
    if not isinstance(value, dict):
        raise LabelError(f"expected an object, got {_describe(value)}", where=where, hint=_CHECK_FIELD)
    return value


def as_list(value: Any, where: str) -> list[Any]:
    """Check that a value is a JSON list and return it.

    Raises:
        LabelError: If the value is something else.
    """
    if not isinstance(value, list):
        raise LabelError(f"expected a list, got {_describe(value)}", where=where, hint=_CHECK_FIELD)
    return value


def as_text(value: Any, where: str) -> str:
    """Return a text, or a whole number as text.

    Raises:
        LabelError: If the value is neither.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise LabelError(f"expected text, got {_describe(value)}", where=where, hint=_CHECK_FIELD)
    return str(value)


def as_number(value: Any, where: str) -> float:
    """Return a finite number from a JSON value or XML text.

    Raises:
        LabelError: If the value is not a finite number.

    Example:
        >>> as_number("2.5", "a.xml: xmin")
        2.5
    """
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, str | int | float) else float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise LabelError(f"expected a number, got {_describe(value)}", where=where, hint=_CHECK_FIELD)
    return number


def as_numbers(values: Any, where: str, *, count: int | None = None) -> list[float]:
    """Return a list of finite numbers.

    Raises:
        LabelError: If the value is not a list of numbers, or not of ``count`` numbers; the message names the index.
    """
    numbers = as_list(values, where)
    if count is not None and len(numbers) != count:
        raise LabelError(f"expected {count} numbers, got {len(numbers)}", where=where, hint=_CHECK_FIELD)
    return [as_number(value, f"{where}[{index}]") for index, value in enumerate(numbers)]


def as_side(value: Any, where: str) -> int:
    """Return a height or width in pixels, a whole number >= 1.

    Raises:
        LabelError: If the value is something else.
    """
    number = as_number(value, where)
    if not 1 <= number <= _LONGEST_SIDE or number != int(number):
        raise LabelError(
            f"expected a whole number of 1 or more, got {_describe(value)}", where=where, hint=_CHECK_FIELD
        )
    return int(number)


def as_box(corners: Sequence[float], shape: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """Clip a box to the image.

    Args:
        corners: ``(row0, col0, row1, col1)``, half-open, in pixels.
        shape: Height and width ``(H, W)`` of the image, in pixels.

    Returns:
        Clipped box; None if no part of it lies in the image.

    Example:
        >>> as_box((-1, 2, 3, 9), (4, 6))
        (0.0, 2, 3, 6.0)
    """
    row0, col0, row1, col1 = corners
    cut = max(row0, 0.0), max(col0, 0.0), min(row1, float(shape[0])), min(col1, float(shape[1]))
    return cut if cut[0] < cut[2] and cut[1] < cut[3] else None


def _describe(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return repr(value)[:40]
