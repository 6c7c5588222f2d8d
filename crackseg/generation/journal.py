"""Keep the records of a run on disk, so that a killed run can be resumed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from crackseg.errors import OutputError
from crackseg.files import replacing

Record = dict[str, Any]
"""Entry of the manifest for a sample."""

MANIFEST = "manifest.jsonl"
_PARTIAL = "manifest.partial.jsonl"


class Journal:
    """Records of samples, added in any order and read by index.

    Memory holds eight bytes for each sample, the start of its line in the file.

    Args:
        folder: Folder of the manifest.
        count: Number of samples; records with a larger index are dropped.
        accept: Returns whether a record on disk is complete; may raise an error to refuse the folder.

    Raises:
        OutputError: If a file cannot be written.
    """

    def __init__(self, folder: Path, count: int, accept: Callable[[Record], bool]) -> None:
        self._final, self._path = folder / MANIFEST, folder / _PARTIAL
        self._starts = array("q", [-1]) * count
        self.done = 0
        self._end = 0
        with replacing(self._path) as temporary, temporary.open("wb") as file:
            for path in (self._final, self._path):
                for line in _lines(path):
                    record = _record(line)
                    if record is not None and 0 <= record["index"] < count and accept(record):
                        file.write(line)
                        self._note(record["index"], len(line))
        with _disk(self._path):
            # No buffer: closing must not retry a write that failed on a full disk.
            self._file = self._path.open("ab", buffering=0)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def missing(self) -> int:
        """Number of samples without a record."""
        return len(self._starts) - self.done

    def indices(self) -> Iterator[int]:
        """Yield the indices of the samples without a record."""
        return (index for index, start in enumerate(self._starts) if start < 0)

    def add(self, index: int, line: bytes) -> None:
        """Append the record of a sample, one line of JSON.

        Raises:
            OutputError: If the file cannot be written.
        """
        with _disk(self._path):
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._note(index, len(line))

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of all samples by index; none may be missing."""
        with _disk(self._path):
            file = self._path.open("rb")
        with file:
            for start in self._starts:
                file.seek(start)
                yield file.readline()

    def records(self) -> Iterator[Record]:
        """Yield the records of all samples by index; none may be missing."""
        return (json.loads(line) for line in self.lines())

    def finish(self) -> None:
        """Write the manifest atomically and remove the partial one.

        Raises:
            OutputError: If a file cannot be written.
        """
        with replacing(self._final) as temporary, temporary.open("wb") as manifest:
            manifest.writelines(self.lines())
        self._file.close()
        with _disk(self._path):
            self._path.unlink()

    def _note(self, index: int, length: int) -> None:
        self.done += self._starts[index] < 0
        self._starts[index] = self._end
        self._end += length


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turn an `OSError` into an `OutputError`."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write the file ({error.strerror})",
            where=path,
            hint="check the folder and the free space, then add --resume",
        ) from error


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, none if it does not exist."""
    with _disk(path):
        if not path.exists():
            return
        file = path.open("rb")
    with file:
        yield from file


def _record(line: bytes) -> Record | None:
    """Parse the record of a line; None if the line is incomplete."""
    try:
        record = json.loads(line)
        return record if line.endswith(b"\n") and isinstance(record["index"], int) else None
    except (ValueError, KeyError, TypeError):
        return None
