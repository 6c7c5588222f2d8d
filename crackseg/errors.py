"""Define the errors and exit codes of the package."""

from __future__ import annotations

import os
from typing import ClassVar

EXIT_DONE = 0
EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_RUN = 3
EXIT_VERDICT = 4
EXIT_INTERRUPTED = 130


def display_text(value: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    r"""Return a path or text as one printable line.

    Invalid UTF-8, control characters and line breaks are escaped (``\xff``, ``\n``). Any file name can then be printed,
    stored and compared.
    """
    path = os.fspath(value)
    text = os.fsdecode(path) if isinstance(path, bytes) else path
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


class CracksegError(Exception):
    """Base of all errors of the package, in one line: ``<where>: <what is wrong>; <what to do>``.

    Args:
        what: Problem, as a plain clause.
        where: File, line or option that it concerns.
        hint: Remedy, as an imperative.

    Attributes:
        exit_code: Exit code of a command that ends with this error.
    """

    exit_code: ClassVar[int] = EXIT_NOT_RUN

    def __init__(self, what: str, *, where: str | os.PathLike[str] | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else display_text(where)
        self.hint = hint
        place = "" if self.where is None else f"{self.where}: "
        advice = "" if hint is None else f"; {hint}"
        super().__init__(f"{place}{what}{advice}")

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the three parts when the error is pickled."""
        return _rebuild, (type(self), self.what, self.where, self.hint)


def _rebuild(kind: type[CracksegError], what: str, where: str | None, hint: str | None) -> CracksegError:
    return kind(what, where=where, hint=hint)


class UsageError(CracksegError):
    """An option, path or argument that cannot be used."""

    exit_code = EXIT_USAGE


class ConfigError(UsageError):
    """A configuration with an unknown key or a wrong value."""


class ImageError(CracksegError):
    """A file that cannot be read as an image."""


class DatasetError(CracksegError):
    """Images and masks that do not fit together."""


class LabelError(CracksegError):
    """An annotation, or a file of annotations, that cannot be read."""


class ModelError(CracksegError):
    """A model that cannot be found, read or trusted."""


class TrainingError(CracksegError):
    """A training that cannot start or continue."""


class OutputError(CracksegError):
    """A result that could not be written."""


class MissingExtraError(CracksegError):
    """A package of an optional extra that is not installed; see `crackseg.machine.require_extra`."""
