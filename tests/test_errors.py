"""Errors: one line, three parts, an exit code, and safe to hand on."""

from __future__ import annotations

import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackseg import errors
from crackseg.errors import CracksegError, display_text

EVERY_ERROR = [
    errors.CracksegError,
    errors.UsageError,
    errors.ConfigError,
    errors.ImageError,
    errors.DatasetError,
    errors.LabelError,
    errors.ModelError,
    errors.TrainingError,
    errors.OutputError,
    errors.MissingExtraError,
]


@pytest.mark.parametrize(
    ("where", "hint", "expected"),
    [
        pytest.param(None, None, "is broken", id="only what"),
        pytest.param("a.png", None, "a.png: is broken", id="with a place"),
        pytest.param(None, "mend it", "is broken; mend it", id="with a hint"),
        pytest.param("a.png", "mend it", "a.png: is broken; mend it", id="with both"),
    ],
)
def test_an_error_reads_place_then_problem_then_advice(where: str | None, hint: str | None, expected: str) -> None:
    assert str(CracksegError("is broken", where=where, hint=hint)) == expected


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        pytest.param(errors.UsageError, 2, id="usage"),
        pytest.param(errors.ConfigError, 2, id="configuration"),
        pytest.param(errors.ImageError, 3, id="image"),
        pytest.param(errors.DatasetError, 3, id="data set"),
        pytest.param(errors.LabelError, 3, id="labels"),
        pytest.param(errors.ModelError, 3, id="model"),
        pytest.param(errors.TrainingError, 3, id="training"),
        pytest.param(errors.OutputError, 3, id="output"),
        pytest.param(errors.MissingExtraError, 3, id="missing extra"),
    ],
)
def test_an_error_ends_a_command_with_the_exit_code_of_the_contract(kind: type[CracksegError], code: int) -> None:
    assert kind.exit_code == code


def test_the_list_of_errors_in_this_file_is_complete() -> None:
    kinds = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, CracksegError)}
    assert kinds == set(EVERY_ERROR)


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("hint", [None, "do this"], ids=["no hint", "hint"])
def test_an_error_crosses_a_process_border_unchanged(kind: type[CracksegError], hint: str | None) -> None:
    error = kind("is broken", where=os.fsdecode(b"a\xff\n.png"), hint=hint)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.what, copy.where, copy.hint) == (error.what, error.where, error.hint)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("wall 1.png", "wall 1.png", id="plain"),
        pytest.param("Wände/über.png", "Wände/über.png", id="letters beyond ASCII"),
        pytest.param(b"a\xffb", "a\\xffb", id="no UTF-8"),
        pytest.param(os.fsdecode(b"a\xffb"), "a\\xffb", id="no UTF-8, as text"),
        pytest.param("a\nb", "a\\nb", id="line break"),
        pytest.param("a\x1b[31mb", "a\\x1b[31mb", id="terminal escape"),
        pytest.param("a\u2028b", "a\\u2028b", id="line separator"),
        pytest.param("a\u202eb", "a\\u202eb", id="right-to-left override"),
    ],
)
def test_a_name_is_shown_with_what_cannot_be_printed_escaped(name: str | bytes, expected: str) -> None:
    assert display_text(name) == expected


@given(st.binary(max_size=40))
def test_any_file_name_is_shown_as_one_printable_line(name: bytes) -> None:
    shown = display_text(name)
    assert shown.isprintable()
    assert shown == display_text(os.fsdecode(name)) == display_text(shown)
    shown.encode("utf-8")


@given(st.text(alphabet=st.characters(), max_size=20))
def test_any_text_even_with_lone_surrogates_is_shown_as_one_printable_line(text: str) -> None:
    assert display_text(text).isprintable()
    display_text(text + "\ud800").encode("utf-8")


@given(st.binary(min_size=1, max_size=20))
def test_the_message_of_an_error_about_any_file_is_one_line(name: bytes) -> None:
    message = str(CracksegError("is broken", where=os.fsdecode(name), hint="mend it"))
    assert len(message.splitlines()) == 1
