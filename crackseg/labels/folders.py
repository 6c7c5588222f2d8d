"""Search folders and ZIP archives for annotation files."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from crackseg.errors import LabelError, UsageError, display_text

MAX_ARCHIVE_BYTES = 16 * 2**30
"""Largest unpacked size of a ZIP archive, in bytes."""
MAX_ARCHIVE_FILES = 500_000
_MAX_RATIO = 200
_CHECKED_BYTES = 100 * 2**20


def walk_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """List the files of a folder and its subfolders by suffix.

    Names that begin with a dot are skipped, and so are folders of macOS archives. Links to folders are not followed.

    Args:
        folder: Folder.
        suffixes: Suffixes in lower case, with their dot.
    """
    paths: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        paths += [
            Path(root, name) for name in names if not name.startswith(".") and Path(name).suffix.lower() in suffixes
        ]
    return sorted(paths, key=os.fsencode)


def find_documents(source: Path, suffix: str) -> tuple[list[Path], list[Path]]:
    """Find the annotation documents of a folder.

    The folder itself counts, or else its folder ``annotations``, or else all its subfolders.

    Args:
        source: File or folder.
        suffix: Suffix of the documents, in lower case.

    Returns:
        At most one document for each folder, and the documents in other folders, which are passed over.

    Raises:
        UsageError: If there is no document, or a folder holds several.
    """
    if source.is_file():
        return [source], []
    by_folder: dict[Path, list[Path]] = {}
    for path in walk_files(source, (suffix,)):
        by_folder.setdefault(path.parent, []).append(path)
    first = next((folder for folder in (source, source / "annotations") if folder in by_folder), None)
    chosen = by_folder if first is None else {first: by_folder[first]}
    for folder, paths in chosen.items():
        if len(paths) > 1:
            names = ", ".join(display_text(path.name) for path in paths[:4])
            raise UsageError(
                f"the folder holds {len(paths)} {suffix} files ({names})", where=folder, hint="name one of them"
            )
    if not by_folder:
        raise UsageError(f"the folder holds no {suffix} file", where=source, hint="name the file")
    others = [path for folder, paths in by_folder.items() if folder not in chosen for path in paths]
    return [path for paths in chosen.values() for path in paths], others


def label_folders(source: Path, *names: str) -> list[Path]:
    """Find the folders of some names, its own before deeper ones.

    Args:
        source: Folder.
        names: Names in lower case.
    """
    named: list[Path] = []
    for root, folders, _ in os.walk(source):
        folders.sort()
        inside = [name for name in folders if name.lower() in names]
        named += [Path(root, name) for name in inside]
        if Path(root) == source and inside:
            return named
        folders[:] = [name for name in folders if name not in inside and not name.startswith(".")]
    return named


@contextlib.contextmanager
def unpack_source(source: Path) -> Iterator[Path]:
    """Yield a source; unpack a ZIP archive into a temporary folder.

    Raises:
        LabelError: If an archive is damaged, too large, encrypted, or holds links or paths that leave it.
    """
    if source.suffix.lower() != ".zip" or not source.is_file():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="crackseg-labels-") as name:
        _unpack(source, Path(name))
        yield Path(name)


def _unpack(archive: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as file:
            members = [member for member in file.infolist() if not member.is_dir()]
            _check_members(members, archive)
            for member in members:
                path = target.joinpath(*PurePosixPath(member.filename.replace("\\", "/")).parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                with file.open(member) as stream, path.open("wb") as out:
                    shutil.copyfileobj(stream, out)
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        reason = display_text(str(error)) or type(error).__name__
        raise LabelError(
            f"the archive cannot be unpacked ({reason})", where=archive, hint="download it again, or unpack it yourself"
        ) from error


def _check_members(members: list[zipfile.ZipInfo], archive: Path) -> None:
    """Refuse an archive that is too large or leaves its folder."""
    size = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    bomb = size > _CHECKED_BYTES and size > _MAX_RATIO * max(packed, 1)
    if size > MAX_ARCHIVE_BYTES or len(members) > MAX_ARCHIVE_FILES or bomb:
        raise LabelError(
            f"the archive holds {len(members):,} files of {size:,} bytes, packed in {packed:,}, which is too much",
            where=archive,
            hint="unpack it yourself",
        )
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or is_link or "\0" in member.filename:
            raise LabelError(
                f"the archive holds the path '{display_text(member.filename)}', which leads out of it",
                where=archive,
                hint="unpack it yourself if you trust it",
            )
