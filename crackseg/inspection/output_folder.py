"""The folder that results go to: tidied up after a kill, and held by one inspection at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from crackseg.errors import OutputError
from crackseg.files import PARTIAL_PREFIX


def sweep(output: Path) -> None:
    """Take away what a killed process left half-written."""
    for folder in (output, output / "masks", output / "overlays"):
        found: Iterable[Path] = folder.glob(f"{PARTIAL_PREFIX}*") if folder == output else _partial_files(folder)
        for leftover in found:
            with contextlib.suppress(OSError):
                leftover.unlink()


def _partial_files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names if name.startswith(PARTIAL_PREFIX))


@contextlib.contextmanager
def locked(output: Path) -> Iterator[None]:
    """Keep a second inspection out of the same folder.

    Not by a lock on the database: opening and closing its file a second time would take SQLite's own locks away.
    """
    try:
        import fcntl
    except ImportError:  # Windows; there SQLite alone keeps a second writer out
        yield
        return
    with _lock_file(output / "inspect.lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                "another inspection writes here", where=output, hint="wait until it ends, or choose another folder"
            ) from error
        yield


def _lock_file(path: Path) -> IO[bytes]:
    try:
        return path.open("ab")
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})", where=path, hint="choose a folder you may write to"
        ) from error
