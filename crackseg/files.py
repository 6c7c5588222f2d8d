"""List folders, and write files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from crackseg.errors import OutputError, UsageError, display_text

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)

PARTIAL_PREFIX = ".partial-"
"""Prefix of files that are still being written; only a killed process leaves one behind."""


def list_images(folder: Path) -> tuple[Path, ...]:
    """Return the image files directly inside ``folder``, sorted by name as bytes.

    The suffix decides. Names that begin with a dot are left out: a killed process may leave such a file behind.

    Raises:
        UsageError: If ``folder`` is missing or not a folder, or cannot be listed.
    """
    if not folder.is_dir():
        raise UsageError("no such folder of images", where=folder, hint="check the path")
    try:
        paths = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
        ]
    except OSError as error:
        raise UsageError(
            f"cannot list the folder ({error.strerror})", where=folder, hint="check its permissions"
        ) from error
    return tuple(sorted(paths, key=os.fsencode))


def make_folder(folder: Path) -> Path:
    """Make ``folder`` and its missing parents, and return it.

    Raises:
        OutputError: If it cannot be made, or a file has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _output_error(folder, error) from error
    return folder


def user_cache_folder(name: str) -> Path:
    """Return a cache folder: ``crackseg/NAME`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "crackseg" / name


def write_bytes(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write ``data`` to ``path``, whole or not at all.

    The bytes go to a temporary file in the same folder, which then replaces ``path`` in one step. A reader sees the old
    file or the new one, even if the process is killed.

    Args:
        path: File to write; its folder must exist.
        data: Content of the file.
        durable: Also wait until the disk holds the data, so that it survives a power cut. For checkpoints.

    Raises:
        OutputError: If the disk is full or read-only; nothing is left behind.
    """
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` when the block succeeds.

    For writers that open files themselves; `write_bytes` is the plain case.

    Raises:
        OutputError: If the block or the replacement failed with an `OSError`; nothing is left behind.
    """
    temporary: Path | None = None
    try:
        candidate = path.parent / f"{PARTIAL_PREFIX}{os.urandom(8).hex()}{path.suffix}"
        os.close(os.open(candidate, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        temporary = candidate
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
        temporary = None
        if durable:
            _sync(path.parent)
    except OSError as error:
        raise _output_error(path, error) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


@contextlib.contextmanager
def scratch_file(folder: Path) -> Iterator[BinaryIO]:
    """Yield an open file that is deleted when the block ends.

    Raises:
        OutputError: If the block failed with an `OSError`, such as a full disk.
    """
    import tempfile  # slow to import, and rarely needed

    try:
        with tempfile.TemporaryFile(dir=folder, prefix=PARTIAL_PREFIX) as file:
            yield file
    except OSError as error:
        raise _output_error(folder, error) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _output_error(path: Path, error: OSError) -> OutputError:
    hints = {
        errno.ENOSPC: "free some space and run the same command again",
        errno.EDQUOT: "free some space and run the same command again",
        errno.EACCES: "choose a folder you may write to",
        errno.EPERM: "choose a folder you may write to",
        errno.EROFS: "choose a folder on a disk that can be written",
        errno.ENOENT: "make its folder first",
        errno.ENOTDIR: "a file is in the way; choose another folder",
        errno.EEXIST: "a file is in the way; choose another folder",
    }
    reason = display_text(error.strerror or str(error))
    return OutputError(f"cannot be written ({reason})", where=path, hint=hints.get(error.errno or 0))
