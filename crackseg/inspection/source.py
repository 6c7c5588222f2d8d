"""List the files to inspect, and refuse those that must not be opened."""

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
from crackseg.inspection.records import FileResult, FileStamp, failed_result, skipped_result

UNSUPPORTED_SUFFIXES = frozenset(
    {
        ".arw", ".avif", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".heic", ".heif", ".jxl", ".nef", ".orf", ".psd",
        ".qoi", ".raf", ".raw", ".rw2",
    }
)  # fmt: skip
"""Suffixes of image formats that crackseg cannot read. Such a file fails; it is not skipped."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One entry of the inspected folder.

    Attributes:
        path: Path below the folder, as bytes.
        stamp: File as it is now; None if it is not a regular file.
        refusal: Result of a file that will not be opened; None if it will be.
    """

    path: bytes
    stamp: FileStamp | None = None
    refusal: FileResult | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Selection of files to inspect.

    Attributes:
        folder: Folder to list, with all folders below it except hidden ones.
        output: Folder of the results; not listed if it is inside ``folder``.
        patterns: Patterns for the name or the path below the folder, such as ``*.jpg``; all files if empty.
        listing: Text file that names the files to inspect, one path per line or separated by NUL; all files if None.
    """

    folder: Path
    output: Path
    patterns: tuple[str, ...] = ()
    listing: Path | None = None

    def files(self, *, stop: Callable[[], bool] = lambda: False) -> list[SourceFile]:
        """Return the selected files, sorted by the bytes of their paths.

        Only links to files inside the folder are followed. FIFOs, devices and sockets are not opened.

        Args:
            stop: Called for every entry; once it returns True, the files listed so far are returned.

        Raises:
            UsageError: If the folder or the list is missing or cannot be read.
        """
        if not self.folder.is_dir():
            raise UsageError("no such folder", where=self.folder, hint="check the path")
        root = self.folder.resolve()
        entries = _read_list(root, self.listing) if self.listing else _walk(root, _identity(self.output))
        files = []
        for entry in entries:
            if stop():
                break
            if self._is_selected(entry.path):
                files.append(entry)
        return sorted(files, key=lambda entry: entry.path)

    def _is_selected(self, path: bytes) -> bool:
        if not self.patterns:
            return True
        text = os.fsdecode(path)
        name = text.rpartition("/")[2]
        return any(fnmatch.fnmatchcase(text, it) or fnmatch.fnmatchcase(name, it) for it in self.patterns)


def has_supported_suffix(path: bytes) -> bool:
    """Return whether a name has the suffix of a readable image format."""
    return _suffix(path) in IMAGE_SUFFIXES


def has_image_suffix(path: bytes) -> bool:
    """Return whether a name has the suffix of any image format."""
    return _suffix(path) in IMAGE_SUFFIXES | UNSUPPORTED_SUFFIXES


def _suffix(path: bytes) -> str:
    return Path(os.fsdecode(path)).suffix.lower()


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        state = folder.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _walk(root: Path, excluded: tuple[int, int] | None) -> Iterator[SourceFile]:
    """Yield every entry below a folder, except the folders themselves."""
    waiting = [Path()]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(root / folder))
        except OSError as error:
            if folder == Path():
                raise UsageError(
                    f"cannot be listed ({error.strerror})", where=root, hint="check its permissions"
                ) from error
            reason = f"folder cannot be listed ({error.strerror})"
            yield SourceFile(_bytes(folder), None, failed_result("unreadable", reason))
            continue
        for entry in entries:
            path = folder / entry.name
            if not entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(PARTIAL_PREFIX):
                    yield describe_file(root, path)
            elif not entry.name.startswith(".") and _identity(root / path) != excluded:
                waiting.append(path)


def describe_file(root: Path, path: Path) -> SourceFile:
    """Return the entry at a path below a folder, without opening it.

    Args:
        root: Folder, with no link in its path.
        path: Path below it.
    """
    whole, name = root / path, _bytes(path)
    now = time.time_ns()
    try:
        state = whole.lstat()
        if stat.S_ISLNK(state.st_mode):
            if not whole.resolve().is_relative_to(root):
                return SourceFile(name, None, skipped_result("link", "link to a place outside the folder"))
            state = whole.stat()
            if stat.S_ISDIR(state.st_mode):
                return SourceFile(name, None, skipped_result("link", "link to a folder"))
    except FileNotFoundError:
        if whole.is_symlink():
            return SourceFile(name, None, skipped_result("link", "broken link"))
        return SourceFile(name, None, failed_result("missing", "no such file"))
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return SourceFile(name, None, failed_result("unreadable", f"cannot be read ({display_text(reason)})"))
    if not stat.S_ISREG(state.st_mode):
        return SourceFile(name, None, skipped_result("special", "folder, FIFO, socket or device, not a regular file"))
    if path.name.startswith("."):
        return SourceFile(name, None, skipped_result("hidden", "hidden file, its name begins with a dot"))
    return SourceFile(name, FileStamp.of(state, now))


def _bytes(path: Path) -> bytes:
    return os.fsencode(path.as_posix())


def _read_list(root: Path, listing: Path) -> Iterator[SourceFile]:
    """Yield each file of a list once."""
    data = read_file(listing)
    lines = data.split(b"\0") if b"\0" in data else data.splitlines()
    listed: set[Path] = set()
    for line in lines:
        if not line.strip():
            continue
        # The path is not resolved: `describe_file` must see a link as a link.
        path = Path(os.path.normpath(root / os.fsdecode(line)))
        if path in listed:
            continue
        listed.add(path)
        if path.is_relative_to(root) and path != root:
            yield describe_file(root, path.relative_to(root))
        else:
            yield SourceFile(
                os.fsencode(os.path.relpath(path, root)), None, skipped_result("outside", "outside the folder")
            )


class SettledFiles:
    """Filter for files that have arrived completely in a watched folder.

    A file is complete when two listings, at least `settle_s` apart, show the same size and time.

    Args:
        settle_s: Time without a change, in seconds.
    """

    def __init__(self, settle_s: float = 1.0) -> None:
        self._settle_ns = int(settle_s * 1e9)
        self._growing: dict[bytes, FileStamp] = {}
        self._excluded: dict[bytes, FileStamp | None] = {}

    @property
    def waiting(self) -> bool:
        """True if a file has not arrived completely yet."""
        return bool(self._growing)

    def exclude(self, files: Iterable[SourceFile]) -> None:
        """Exclude files until they change."""
        for file in files:
            self._excluded[file.path] = file.stamp
            self._growing.pop(file.path, None)

    def new(self, files: Sequence[SourceFile]) -> list[SourceFile]:
        """Return the complete files of a listing, and exclude them."""
        ready = []
        for file in files:
            if file.path in self._excluded and _same(file.stamp, self._excluded[file.path]):
                continue
            first = self._growing.get(file.path)
            if file.stamp is not None and (first is None or not _same(file.stamp, first)):
                self._growing[file.path] = file.stamp
            elif file.stamp is None or first is None or file.stamp.read_ns - first.read_ns >= self._settle_ns:
                ready.append(file)
        self.exclude(ready)
        return ready


def _same(one: FileStamp | None, other: FileStamp | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.size_bytes, one.mtime_ns) == (other.size_bytes, other.mtime_ns)
