"""One tree of errors: each says what is wrong, where, and what to do, in one line."""

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

    Bytes that are no valid UTF-8, control characters and line breaks come out escaped (``\xff``, ``\n``), so any file
    name can be printed, stored and compared.
    """
    path = os.fspath(value)
    text = os.fsdecode(path) if isinstance(path, bytes) else path
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


class CracksegError(Exception):
    """Anything crackseg refuses or cannot do; ends a command with `exit_code`.

    Args:
        what: What is wrong.
        where: The file, or file and line, it concerns.
        hint: What to do about it.
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
        """Let the error cross a process border with its three parts."""
        return _rebuild, (type(self), self.what, self.where, self.hint)


def _rebuild(kind: type[CracksegError], what: str, where: str | None, hint: str | None) -> CracksegError:
    return kind(what, where=where, hint=hint)


class UsageError(CracksegError):
    """An option or path on the command line, or an argument of a call, that cannot be used."""

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
    """A training that cannot start or go on."""


class OutputError(CracksegError):
    """A result that could not be written."""


class MissingExtraError(CracksegError):
    """A package of an optional extra that is not installed."""

    def __init__(self, what: str, *, where: str | os.PathLike[str] | None = None, hint: str | None = None) -> None:
        super().__init__(what, where=where, hint=hint or "install it with: pip install 'crackseg[train]'")
