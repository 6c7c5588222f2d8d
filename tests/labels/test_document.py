"""Tests of document parsing: hostile documents raise typed errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackseg.errors import LabelError, UsageError
from crackseg.labels import document
from crackseg.labels.document import as_box, as_number, as_side, parse_json, parse_xml, read_document

BOMB = b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;">]><annotation>&y;</annotation>'


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(BOMB, id="entities"),
        pytest.param(BOMB.decode().encode("utf-16"), id="entities in UTF-16"),
        pytest.param(BOMB.decode().encode("utf-16-be"), id="entities in UTF-16 without a mark"),
        pytest.param(BOMB.decode().encode("utf-32"), id="entities in UTF-32"),
        pytest.param(b'<!DOCTYPE annotation SYSTEM "http://127.0.0.1/x.dtd"><annotation/>', id="only a DOCTYPE"),
        pytest.param(b'<?xml version="1.0"?>\n<!DOCTYPE annotation><annotation/>', id="empty DOCTYPE"),
        pytest.param(
            b'<?xml version="1.0" encoding="UTF-7"?>+ADw-!DOCTYPE annotation+AD4-<annotation/>', id="DOCTYPE in UTF-7"
        ),
    ],
)
def test_a_doctype_is_refused_in_any_encoding(data: bytes) -> None:
    with pytest.raises(LabelError):
        parse_xml(data, "a.xml", root="annotation")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0\0\0", id="zeros"),
        pytest.param(b"<annotation>", id="truncated"),
        pytest.param(b"<annotation>&undefined;</annotation>", id="unknown entity"),
        pytest.param(b"<annotation>" + b"<a>" * 100_000, id="deep and truncated"),
        pytest.param(b"<annotation>" + b"<a>" * 500 + b"</a>" * 500 + b"</annotation>", id="deep"),
        pytest.param(b"<other/>", id="another root"),
        pytest.param(b'<x:annotation xmlns:x="y"/>', id="another name space"),
        pytest.param("<annotation>é</annotation>".encode("latin-1"), id="wrong encoding"),
    ],
)
def test_invalid_xml_is_a_typed_error(data: bytes) -> None:
    with pytest.raises(LabelError, match=r"a\.xml: "):
        parse_xml(data, "a.xml", root="annotation")


def test_an_external_file_is_never_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    include = f'<xi:include href="{secret}" parse="text"/>'
    data = f'<annotation xmlns:xi="http://www.w3.org/2001/XInclude">{include}</annotation>'
    root = parse_xml(data.encode(), "a.xml", root="annotation")
    assert "secret" not in "".join(str(text) for text in root.itertext())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "line 1, column 1", id="empty"),
        pytest.param(b'{"a": [1, 2', "line 1, column", id="truncated"),
        pytest.param(b"[" * 200_000, "nested too deeply", id="deep lists"),
        pytest.param(b'{"a":' * 200_000, "nested too deeply", id="deep objects"),
        pytest.param(b"[NaN]", "holds NaN", id="NaN"),
        pytest.param(b"[-Infinity]", "holds -Infinity", id="infinity"),
        pytest.param(b"[" + b"9" * 5000 + b"]", "number with too many digits", id="long number"),
        pytest.param(b'["\xff"]', "not UTF-8 text (byte 3)", id="no UTF-8"),
        pytest.param('["a"]'.encode("utf-16"), "not UTF-8 text", id="UTF-16"),
    ],
)
def test_invalid_json_is_a_typed_error_with_its_position(data: bytes, message: str) -> None:
    with pytest.raises(LabelError) as caught:
        parse_json(data, "a.json")
    assert message in str(caught.value)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_document_or_a_typed_error(data: bytes) -> None:
    try:
        assert parse_json(data, "a.json") == json.loads(data.decode("utf-8-sig"))
    except LabelError as error:
        assert_one_line(error, "a.json")
    try:
        assert parse_xml(data, "a.xml", root="annotation").tag == "annotation"
    except LabelError as error:
        assert_one_line(error, "a.xml")


def assert_one_line(error: LabelError, name: str) -> None:
    assert str(error).startswith(f"{name}: ")
    assert "\n" not in str(error)


def test_a_document_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[1, 2, 3]")
    monkeypatch.setattr(document, "MAX_DOCUMENT_BYTES", 8)
    with pytest.raises(LabelError, match="has 9 bytes, and the limit is 8"):
        read_document(path)


def test_a_missing_document_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_document(tmp_path / "a.json")


@pytest.mark.parametrize("value", [None, True, "x", "", "nan", "inf", [], {}, float("inf"), 10**400])
def test_a_value_that_is_not_a_number_is_refused(value: object) -> None:
    with pytest.raises(LabelError, match="here: expected a number"):
        as_number(value, "here")


@pytest.mark.parametrize("value", [0, -3, 2.5, "0"])
def test_an_invalid_image_side_is_refused(value: object) -> None:
    with pytest.raises(LabelError, match="expected a whole number of 1 or more"):
        as_side(value, "here")


def test_a_box_is_clipped_to_the_image() -> None:
    assert as_box((-1, 2, 5, 30), (10, 20)) == (0, 2, 5, 20)
    assert as_box((5, 5, 5, 9), (10, 20)) is None
    assert as_box((11, 5, 12, 9), (10, 20)) is None
