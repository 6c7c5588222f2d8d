"""Clean up and lock the output folder of an inspection."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from crackseg.errors import OutputError
from crackseg.files import PARTIAL_PREFIX


def sweep_folder(output: Path) -> None:
    """Delete half-written files that a killed process has left."""
    for folder in (output, output / "masks", output / "overlays"):
        paths: Iterable[Path] = folder.glob(f"{PARTIAL_PREFIX}*") if folder == output else _partial_files(folder)
        for leftover in paths:
            with contextlib.suppress(OSError):
                leftover.unlink()


def _partial_files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names if name.startswith(PARTIAL_PREFIX))


@contextlib.contextmanager
def hold_folder(output: Path) -> Iterator[None]:
    """Keep a second inspection out of the output folder.

    The lock is a file of its own: opening and closing the database a second time would drop SQLite's locks.

    Raises:
        OutputError: If another inspection holds the folder, or the lock file cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where only SQLite keeps a second writer out
        yield
        return
    with _open_lock(output / "inspect.lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                "another inspection writes to this folder",
                where=output,
                hint="wait until it ends, or choose another folder",
            ) from error
        yield


def _open_lock(path: Path) -> IO[bytes]:
    try:
        return path.open("ab")
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})", where=path, hint="choose a folder you may write to"
        ) from error
