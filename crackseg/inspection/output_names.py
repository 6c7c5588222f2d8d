"""Choose unique names for masks and overlays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

_LONGEST_BYTES = 240
_LONGEST_PATH_BYTES = 1000


class OutputNames:
    """Names of the mask and the overlay of each file.

    A name is the path of the file with the suffix ``.png``. Part of a hash of the path is added if the name is too long
    or taken, also on a disk that ignores case. Names never change.

    Args:
        taken: Names from earlier runs, by path.
    """

    def __init__(self, taken: dict[bytes, bytes]) -> None:
        self._names = dict(taken)
        self._files: set[bytes] = set()
        self._folders: set[bytes] = set()
        for name in taken.values():
            self._take(name)

    def name(self, path: bytes) -> bytes:
        """Return the name for a path."""
        if path not in self._names:
            self._names[path] = self._first_free(path)
            self._take(self._names[path])
        return self._names[path]

    def _first_free(self, path: bytes) -> bytes:
        stem = os.fsencode(Path(os.fsdecode(path)).with_suffix("").as_posix())
        token = hashlib.sha256(path).hexdigest()[:12].encode()
        for candidate in (stem + b".png", stem + b"-" + token + b".png"):
            if _fits(candidate) and self._is_free(candidate):
                return candidate
        return token + b".png"

    def _is_free(self, name: bytes) -> bool:
        folded = _fold_case(name)
        if folded in self._files or folded in self._folders:
            return False
        return not any(folder in self._files for folder in _parents(folded))

    def _take(self, name: bytes) -> None:
        folded = _fold_case(name)
        self._files.add(folded)
        self._folders.update(_parents(folded))


def _fits(name: bytes) -> bool:
    return len(name) <= _LONGEST_PATH_BYTES and all(len(part) <= _LONGEST_BYTES for part in name.split(b"/"))


def _fold_case(name: bytes) -> bytes:
    return os.fsencode(os.fsdecode(name).casefold())


def _parents(name: bytes) -> Iterable[bytes]:
    while name := name.rpartition(b"/")[0]:
        yield name
