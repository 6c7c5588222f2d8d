"""Check the weights and edit the metadata of ONNX files without the onnx library."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

_GRAPH, _INITIALIZER, _METADATA = 7, 5, 14
_KEY, _VALUE = 1, 2
_TYPE, _FLOATS, _DOUBLES, _NAME, _RAW = 2, 4, 10, 8, 9

_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16 = 1, 10, 11, 16

_EXPONENTS: dict[int, tuple[str, int]] = {
    _FLOAT: ("<u4", 0x7F800000),
    _FLOAT16: ("<u2", 0x7C00),
    _DOUBLE: ("<u8", 0x7FF0000000000000),
    _BFLOAT16: ("<u2", 0x7F80),
}
"""Word size and exponent bits by element type; all exponent bits of NaN and infinity are set."""


def graph_sha256(data: bytes) -> str:
    """Return the sha256 of an ONNX file's graph, without its metadata.

    Args:
        data: The bytes of the ONNX file.

    Raises:
        ValueError: If ``data`` is not an ONNX file.
    """
    digest = hashlib.sha256()
    for graph in _parts(memoryview(data), _GRAPH):
        digest.update(graph)
    return digest.hexdigest()


def find_non_finite(data: bytes) -> str | None:
    """Return the name of a weight with NaN or infinity, or None.

    Args:
        data: The bytes of an ONNX file. A damaged file gives None; loading it will report the damage.

    Source:
        onnx.proto of the ONNX project, version 1.18, messages ModelProto, GraphProto and TensorProto; the encoding is
        that of Protocol Buffers.
    """
    try:
        for graph in _parts(memoryview(data), _GRAPH):
            for tensor in _parts(graph, _INITIALIZER):
                if (name := _non_finite_name(tensor)) is not None:
                    return name
    except (ValueError, IndexError):
        return None
    return None


def with_metadata(data: bytes, key: str, value: str) -> bytes:
    """Return an ONNX file with one metadata entry replaced or added.

    Args:
        data: The bytes of the ONNX file.
        key: Key of the entry.
        value: Its new value.

    Raises:
        ValueError: If ``data`` is not an ONNX file.
    """
    kept, start = [], 0
    message = memoryview(data)
    for number, content, stop in _fields(message):
        if number != _METADATA or not isinstance(content, memoryview) or _key_of(content) != key:
            kept.append(message[start:stop])
        start = stop
    entry = _text(_KEY, key) + _text(_VALUE, value)
    return b"".join([*kept, _varint(_METADATA << 3 | 2), _varint(len(entry)), entry])


def _key_of(entry: memoryview) -> str:
    keys = [bytes(value) for number, value, _ in _fields(entry) if number == _KEY and isinstance(value, memoryview)]
    return keys[-1].decode("utf-8", "replace") if keys else ""


def _text(number: int, text: str) -> bytes:
    content = text.encode()
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Return a number in the variable-length encoding."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _non_finite_name(tensor: memoryview) -> str | None:
    """Return the name of a tensor with NaN or infinity, or None."""
    kind, name, parts = 0, "", []
    for number, value, _ in _fields(tensor):
        if number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME and isinstance(value, memoryview):
            name = bytes(value).decode("utf-8", "replace")
        elif number in (_RAW, _FLOATS, _DOUBLES) and isinstance(value, memoryview):
            parts.append(value)
    return None if all(_is_finite(part, kind) for part in parts) else name


def _is_finite(values: memoryview, kind: int) -> bool:
    """Return whether a tensor holds neither NaN nor infinity."""
    if kind not in _EXPONENTS:
        return True
    word, exponent = _EXPONENTS[kind]
    bits = np.frombuffer(values, dtype=word)
    return not ((bits & bits.dtype.type(exponent)) == exponent).any()


def _parts(message: memoryview, field: int) -> Iterator[memoryview]:
    """Walk the contents of the fields of one number in a message."""
    for number, value, _ in _fields(message):
        if number == field and isinstance(value, memoryview):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview, int]]:
    """Walk the fields of a message: number, value and end.

    Raises:
        ValueError: If the bytes are not a message.
    """
    place = 0
    while place < len(message):
        tag, place = _number(message, place)
        kind = tag & 7
        if kind == 0:
            value, place = _number(message, place)
            yield tag >> 3, value, place
            continue
        if kind == 2:
            size, place = _number(message, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"no field of kind {kind}")
        if place + size > len(message):
            raise ValueError("cut short")
        place += size
        yield tag >> 3, message[place - size : place], place


def _number(message: memoryview, place: int) -> tuple[int, int]:
    """Return a number of variable length and the place after it."""
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number too long")
