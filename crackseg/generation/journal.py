"""The records of a run while it is made: on disk, one line each, found again after a kill, never all in memory."""

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
"""What the manifest says about a sample."""

MANIFEST = "manifest.jsonl"
_PARTIAL = "manifest.partial.jsonl"


class Journal:
    """Records of samples, added in any order, given back by their index.

    In memory there are eight bytes for each sample: where its line begins.

    Args:
        folder: Where the manifest lies.
        count: Of samples; records of later ones are dropped.
        accept: Tells whether a record found on disk still stands; may raise an error to refuse the folder.

    Raises:
        OutputError: If the disk refuses.
    """

    def __init__(self, folder: Path, count: int, accept: Callable[[Record], bool]) -> None:
        self._final, self._path = folder / MANIFEST, folder / _PARTIAL
        self._starts = array("q", [-1]) * count
        self.done = 0
        self._end = 0
        with replacing(self._path) as temporary, temporary.open("wb") as kept:
            for path in (self._final, self._path):
                for line in _lines(path):
                    record = _record(line)
                    if record is not None and 0 <= record["index"] < count and accept(record):
                        kept.write(line)
                        self._note(record["index"], len(line))
        with _disk(self._path):
            # Without a buffer, so that what a full disk refused is not tried again on closing.
            self._file = self._path.open("ab", buffering=0)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def missing(self) -> int:
        """How many samples have no record."""
        return len(self._starts) - self.done

    def indices(self) -> Iterator[int]:
        """Yield the samples without a record, by their index."""
        return (index for index, start in enumerate(self._starts) if start < 0)

    def add(self, index: int, line: bytes) -> None:
        """Keep the record of a sample, one line of JSON.

        Raises:
            OutputError: If the disk refuses.
        """
        with _disk(self._path):
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._note(index, len(line))

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of all samples, by their index; every sample must have one."""
        with _disk(self._path):
            file = self._path.open("rb")
        with file:
            for start in self._starts:
                file.seek(start)
                yield file.readline()

    def records(self) -> Iterator[Record]:
        """Yield the records of all samples, by their index; every sample must have one."""
        return (json.loads(line) for line in self.lines())

    def finish(self) -> None:
        """Write the manifest, whole or not at all, and remove what led to it.

        Raises:
            OutputError: If the disk refuses.
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
    """Turn an error of the system into one of ours."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})", where=path, hint="mend that, and add --resume to go on"
        ) from error


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file that need not exist."""
    with _disk(path):
        if not path.exists():
            return
        file = path.open("rb")
    with file:
        yield from file


def _record(line: bytes) -> Record | None:
    """Return the record of a line; None for one that a kill cut short."""
    try:
        record = json.loads(line)
        return record if line.endswith(b"\n") and isinstance(record["index"], int) else None
    except (ValueError, KeyError, TypeError):
        return None
