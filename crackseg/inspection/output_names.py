"""Names of the pictures that are written: the image's own where that is possible, and never one twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

_LONGEST_BYTES = 240
_LONGEST_PATH_BYTES = 1000


class OutputNames:
    """Hands out a name for the mask and the overlay of each file.

    The name is the file's path with ``.png`` for its suffix. Where another file has that already, on a disk that takes
    upper and lower case for the same too, or the name would be too long, part of a hash of the path is added. A name
    that was given once is kept.

    Args:
        given: The names that earlier runs gave, by path.
    """

    def __init__(self, given: dict[bytes, bytes]) -> None:
        self._given = dict(given)
        self._files: set[bytes] = set()
        self._folders: set[bytes] = set()
        for name in given.values():
            self._take(name)

    def name(self, path: bytes) -> bytes:
        """Return the name for the file at a path, below the folder of masks or overlays."""
        if path not in self._given:
            self._given[path] = self._first_free(path)
            self._take(self._given[path])
        return self._given[path]

    def _first_free(self, path: bytes) -> bytes:
        stem = os.fsencode(Path(os.fsdecode(path)).with_suffix("").as_posix())
        token = hashlib.sha256(path).hexdigest()[:12].encode()
        for candidate in (stem + b".png", stem + b"-" + token + b".png"):
            if _fits(candidate) and self._is_free(candidate):
                return candidate
        return token + b".png"

    def _is_free(self, name: bytes) -> bool:
        folded = _folded(name)
        if folded in self._files or folded in self._folders:
            return False
        return not any(folder in self._files for folder in _parents(folded))

    def _take(self, name: bytes) -> None:
        folded = _folded(name)
        self._files.add(folded)
        self._folders.update(_parents(folded))


def _fits(name: bytes) -> bool:
    return len(name) <= _LONGEST_PATH_BYTES and all(len(part) <= _LONGEST_BYTES for part in name.split(b"/"))


def _folded(name: bytes) -> bytes:
    return os.fsencode(os.fsdecode(name).casefold())


def _parents(name: bytes) -> Iterable[bytes]:
    while name := name.rpartition(b"/")[0]:
        yield name
