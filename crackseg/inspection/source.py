"""What is to be inspected: the files of a folder, or those of a list, with what must not be opened told apart."""

from __future__ import annotations

import fnmatch
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crackseg.errors import UsageError, display_text
from crackseg.files import IMAGE_SUFFIXES, PARTIAL_PREFIX
from crackseg.imaging.codec import read_file
from crackseg.inspection.records import FileResult, FileStamp, failed, skipped

UNSUPPORTED_SUFFIXES = frozenset(
    {
        ".arw", ".avif", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".heic", ".heif", ".jxl", ".nef", ".orf", ".psd",
        ".qoi", ".raf", ".raw", ".rw2",
    }
)  # fmt: skip
"""Suffixes of pictures in formats that are not read here: such a file has failed, it is not passed over."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One entry of a folder.

    Attributes:
        path: Its path below the folder, as bytes.
        stamp: The file as it is now; None if it is no file.
        refusal: Why it will not be opened; None if it will.
    """

    path: bytes
    stamp: FileStamp | None = None
    refusal: FileResult | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Which files are to be inspected.

    Attributes:
        folder: The folder; looked through with all folders in it but hidden ones.
        output: Where results go; not looked into if it lies inside.
        patterns: Only files whose name or path below the folder fits one of these; all if empty.
        listing: A file with one path a line, or with NUL between them: these files are meant and no others.
    """

    folder: Path
    output: Path
    patterns: tuple[str, ...] = ()
    listing: Path | None = None

    def files(self, *, stop: Callable[[], bool] = lambda: False) -> list[SourceFile]:
        """Return what is to be inspected, sorted by the bytes of the paths.

        Links are followed to files inside the folder, and nowhere else. FIFOs, devices and sockets are not opened.

        Args:
            stop: Asked now and then; when it says yes, what was found so far is returned.

        Raises:
            UsageError: If the folder or the list is missing or cannot be read.
        """
        if not self.folder.is_dir():
            raise UsageError(
                "expected a folder to inspect, and there is none", where=self.folder, hint="check the path"
            )
        root = self.folder.resolve()
        entries = _listed(root, self.listing) if self.listing else _walked(root, _identity(self.output))
        found = []
        for entry in entries:
            if stop():
                break
            if self._is_meant(entry.path):
                found.append(entry)
        return sorted(found, key=lambda entry: entry.path)

    def _is_meant(self, path: bytes) -> bool:
        if not self.patterns:
            return True
        text = os.fsdecode(path)
        name = text.rpartition("/")[2]
        return any(fnmatch.fnmatchcase(text, it) or fnmatch.fnmatchcase(name, it) for it in self.patterns)


def has_supported_suffix(path: bytes) -> bool:
    """Return whether a file's name says that it is an image in a format that is read here."""
    return _suffix(path) in IMAGE_SUFFIXES


def has_image_suffix(path: bytes) -> bool:
    """Return whether a file's name says that it is a picture, in whatever format."""
    return _suffix(path) in IMAGE_SUFFIXES | UNSUPPORTED_SUFFIXES


def _suffix(path: bytes) -> str:
    return Path(os.fsdecode(path)).suffix.lower()


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _walked(root: Path, excluded: tuple[int, int] | None) -> Iterator[SourceFile]:
    """Yield every entry below a folder that is no folder."""
    waiting = [Path()]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(root / folder))
        except OSError as error:
            if folder == Path():
                raise UsageError(f"cannot list the folder ({error.strerror})", where=root) from error
            reason = f"the folder cannot be listed ({error.strerror})"
            yield SourceFile(_bytes(folder), None, failed("unreadable", reason))
            continue
        for entry in entries:
            path = folder / entry.name
            if not entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(PARTIAL_PREFIX):
                    yield look_at(root, path)
            elif not entry.name.startswith(".") and _identity(root / path) != excluded:
                waiting.append(path)


def look_at(root: Path, path: Path) -> SourceFile:
    """Return what stands at a path below a folder, without opening it.

    Args:
        root: The folder, with no link in its path.
        path: The path below it.
    """
    whole, name = root / path, _bytes(path)
    now = time.time_ns()
    try:
        found = whole.lstat()
        if stat.S_ISLNK(found.st_mode):
            if not whole.resolve().is_relative_to(root):
                return SourceFile(name, None, skipped("link", "a link that leads out of the folder"))
            found = whole.stat()
            if stat.S_ISDIR(found.st_mode):
                return SourceFile(name, None, skipped("link", "a link to a folder"))
    except FileNotFoundError:
        if whole.is_symlink():
            return SourceFile(name, None, skipped("link", "a link that leads nowhere"))
        return SourceFile(name, None, failed("missing", "no such file"))
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return SourceFile(name, None, failed("unreadable", f"cannot be looked at ({display_text(reason)})"))
    if not stat.S_ISREG(found.st_mode):
        return SourceFile(name, None, skipped("special", "a folder, FIFO, socket or device, not a file"))
    if path.name.startswith("."):
        return SourceFile(name, None, skipped("hidden", "its name begins with a dot"))
    return SourceFile(name, FileStamp.of(found, now))


def _bytes(path: Path) -> bytes:
    return os.fsencode(path.as_posix())


def _listed(root: Path, listing: Path) -> Iterator[SourceFile]:
    """Yield the files of a list; each once."""
    data = read_file(listing)
    lines = data.split(b"\0") if b"\0" in data else data.splitlines()
    seen: set[Path] = set()
    for line in lines:
        if not line.strip():
            continue
        # Not resolved: a link inside the folder is told apart by `look_at`.
        given = Path(os.path.normpath(root / os.fsdecode(line)))
        if given in seen:
            continue
        seen.add(given)
        if given.is_relative_to(root) and given != root:
            yield look_at(root, given.relative_to(root))
        else:
            yield SourceFile(os.fsencode(os.path.relpath(given, root)), None, skipped("outside", "not in the folder"))


class SettledFiles:
    """Tells of a folder that changes which files are new and whole.

    A file counts as whole when two looks, at least `settle_s` apart, find it of the same size and time.

    Args:
        settle_s: How long it must have stayed the same, in seconds.
    """

    def __init__(self, settle_s: float = 1.0) -> None:
        self._settle_ns = int(settle_s * 1e9)
        self._seen: dict[bytes, FileStamp] = {}
        self._given: dict[bytes, FileStamp | None] = {}

    @property
    def waiting(self) -> bool:
        """Whether a file was seen that is not whole yet."""
        return bool(self._seen)

    def give(self, files: Iterable[SourceFile]) -> None:
        """Note files that are taken care of already."""
        for file in files:
            self._given[file.path] = file.stamp
            self._seen.pop(file.path, None)

    def new(self, files: Sequence[SourceFile]) -> list[SourceFile]:
        """Return the files that became whole since they were given last."""
        ready = []
        for file in files:
            if file.path in self._given and _same(file.stamp, self._given[file.path]):
                continue
            first = self._seen.get(file.path)
            if file.stamp is not None and (first is None or not _same(file.stamp, first)):
                self._seen[file.path] = file.stamp
            elif file.stamp is None or first is None or file.stamp.read_ns - first.read_ns >= self._settle_ns:
                ready.append(file)
        self.give(ready)
        return ready


def _same(one: FileStamp | None, other: FileStamp | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.size_bytes, one.mtime_ns) == (other.size_bytes, other.mtime_ns)
