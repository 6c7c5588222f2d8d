"""Hash the content of files, and remember the hashes between calls."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.fingerprint import THUMBNAIL_PX, make_thumbnail
from crackseg.errors import CracksegError, OutputError
from crackseg.files import make_folder, user_cache_folder, write_bytes
from crackseg.imaging.codec import read_file, read_image
from crackseg.parallel import Progress, ProgressCallback

_MOST_KEPT = 200_000
"""Largest number of files whose hashes are remembered."""
_SETTLED_NS = 2_000_000_000
"""Age from which the time of a file shows every later change."""


def hash_files(
    paths: Sequence[Path], *, progress: ProgressCallback | None = None, folder: Path | None = None
) -> dict[Path, bytes]:
    """Return the SHA-256 of each file.

    A file of known path, size and time is not read again. If the folder cannot be written, nothing is remembered.

    Args:
        paths: Files.
        progress: Called after each file that is read, with the number of files done.
        folder: Folder of the remembered hashes; one in the user's cache folder if None.

    Raises:
        UsageError: If a file is missing.
        ImageError: If a file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     path = Path(name, "a.txt")
        ...     _ = path.write_text("crack")
        ...     hash_files([path], folder=Path(name))[path].hex()[:8]
        '94f94c9c'
    """
    place = (user_cache_folder("content") if folder is None else folder) / "hashes.json"
    known = _read_known(place)
    hashes: dict[Path, bytes] = {}
    fresh: dict[str, list[int | str]] = {}
    for number, path in enumerate(paths, start=1):
        key, stamp = os.path.abspath(path), _stamp(path)  # noqa: PTH100  a link keeps its own name
        if stamp is not None and known.get(key, [])[:2] == stamp:
            hashes[path] = bytes.fromhex(str(known[key][2]))
            continue
        hashes[path] = hashlib.sha256(read_file(path)).digest()
        if stamp is not None and time.time_ns() - stamp[1] > _SETTLED_NS:
            fresh[key] = [*stamp, hashes[path].hex()]
        if progress is not None:
            progress(Progress(number, len(paths), "hash the images"))
    if fresh:
        kept = {key: value for key, value in known.items() if key not in fresh} | fresh
        text = json.dumps(dict(list(kept.items())[-_MOST_KEPT:]))
        with contextlib.suppress(OutputError):
            make_folder(place.parent)
            write_bytes(place, text.encode())
    return hashes


def _stamp(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _read_known(place: Path) -> dict[str, list[int | str]]:
    """Return size, time and hash of the remembered files."""
    try:
        values = json.loads(read_file(place))
        return {
            str(key): [int(size), int(time_ns), bytes.fromhex(digest).hex()]
            for key, (size, time_ns, digest) in values.items()
        }
    except (CracksegError, ValueError, TypeError, AttributeError):
        return {}


def read_thumbnails(
    hashes: Sequence[bytes],
    paths: Sequence[Path],
    *,
    progress: ProgressCallback | None = None,
    folder: Path | None = None,
) -> NDArray[np.uint8]:
    """Return the thumbnails of images, remembered by the hash of each file.

    Args:
        hashes: SHA-256 of each file.
        paths: The image files.
        progress: Called after each image that is read, with the number of images done.
        folder: Folder of the remembered thumbnails; one in the user's cache folder if None.

    Returns:
        ``(N, 64, 64)`` uint8 grey thumbnails.

    Raises:
        ImageError: If an image cannot be read.
    """
    place = user_cache_folder("thumbnails") if folder is None else folder
    shape = (THUMBNAIL_PX, THUMBNAIL_PX)
    thumbnails = np.zeros((len(paths), *shape), np.uint8)
    for number, (digest, path) in enumerate(zip(hashes, paths, strict=True)):
        file = place / f"{digest.hex()}.raw"
        with contextlib.suppress(CracksegError):
            data = read_file(file) if file.exists() else b""
            if len(data) == THUMBNAIL_PX**2:
                thumbnails[number] = np.frombuffer(data, np.uint8).reshape(shape)
                continue
        thumbnails[number] = make_thumbnail(
            np.asarray(cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        )
        with contextlib.suppress(OutputError):
            make_folder(place)
            write_bytes(file, thumbnails[number].tobytes())
        if progress is not None:
            progress(Progress(number + 1, len(paths), "look for copies"))
    return thumbnails
