"""Define the row of a file in the results, and the stamps that keep it valid."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Status = Literal["ok", "failed", "skipped"]
Verdict = Literal["OK", "WARN", "NG", "CANNOT JUDGE"]

STATUSES: tuple[Status, ...] = get_args(Status)

VERDICTS: tuple[Verdict, ...] = ("NG", "CANNOT JUDGE", "WARN", "OK")
"""Verdicts, gravest first. If several rules apply, the gravest verdict counts."""

_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Size and times of a file, read without opening it.

    Attributes:
        size_bytes: Size.
        mtime_ns: Time of the last change of the content, in nanoseconds since 1970.
        ctime_ns: Time of the last change of content or metadata; programs cannot set it back.
        read_ns: Time at which the stamp was taken.
    """

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    read_ns: int

    @classmethod
    def of(cls, state: os.stat_result, read_ns: int) -> FileStamp:
        """Return the stamp of a file from the result of `os.stat`."""
        return cls(state.st_size, state.st_mtime_ns, state.st_ctime_ns, read_ns)

    def same_file(self, later: FileStamp) -> bool:
        """Return whether a later stamp proves that the content has not changed.

        It proves nothing if the file changed just before the first stamp: a second change could have the same time.
        """
        same = (self.size_bytes, self.mtime_ns, self.ctime_ns) == (later.size_bytes, later.mtime_ns, later.ctime_ns)
        return same and self.read_ns - max(self.ctime_ns, self.mtime_ns) > _SETTLED_NS


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A mask or overlay file.

    Attributes:
        path: Path below the output folder, as bytes.
        size_bytes: Size, to detect files that a power cut left short.
    """

    path: bytes
    size_bytes: int

    @property
    def name(self) -> bytes:
        """Path below the folder of masks or overlays."""
        return self.path.partition(b"/")[2]


@dataclass(frozen=True, slots=True)
class Key:
    """Hashes of everything that a result depends on; sha256, in hexadecimal.

    Attributes:
        file: Hash of the bytes of the file; None if they could not be read, so that the next run tries again.
        model: Hash of the model file.
        config: Hash of rules, scale, threshold and the other settings.
    """

    file: str | None
    model: str
    config: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """Result of inspecting one file.

    Attributes:
        status: ``ok`` for a judged image, ``failed`` for one that could not be judged, ``skipped`` for other files.
        code: Cause of a failure or a skip, in one word; otherwise empty.
        message: Cause of a failure or a skip, in one line; otherwise empty.
        verdict: Verdict; None for a skipped file, never OK for a failed one.
        reasons: Reasons for a verdict other than OK, a line each.
        height_px: Height of the image; None if it could not be read.
        width_px: Width of the image; None if it could not be read.
        scale_source: Source of the scale; None if no scale is known.
        measurements: Measurements of the whole image, by name; see `crackseg.inspection.rules`.
        cracks: Measurements of each crack, by name.
        quality: Measurements that decide whether the image can be judged, by name.
        mask: File of the mask; None if there is none.
        overlay: File of the overlay; None if there is none.
        thumbnail: Small overlay, as a WebP file.
        seconds: Time from the first byte read to the last byte written.
    """

    status: Status
    code: str = ""
    message: str = ""
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()
    height_px: int | None = None
    width_px: int | None = None
    scale_source: str | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)
    cracks: Sequence[Mapping[str, Any]] = ()
    quality: Mapping[str, float] = field(default_factory=dict)
    mask: OutputFile | None = None
    overlay: OutputFile | None = None
    thumbnail: bytes = b""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the results.

    Attributes:
        path: Path below the inspected folder, as bytes.
        key: Hashes of everything that the result depends on.
        stamp: File as it was read; None if it is not a regular file.
        result: Result of the inspection.
        tries: Number of attempts.
    """

    path: bytes
    key: Key
    stamp: FileStamp | None
    result: FileResult
    tries: int = 1


def failed_result(code: str, message: str) -> FileResult:
    """Return the result of a file that could not be judged."""
    return FileResult(status="failed", code=code, message=message, verdict="CANNOT JUDGE", reasons=(message,))


def skipped_result(code: str, message: str) -> FileResult:
    """Return the result of a file that is not an image."""
    return FileResult(status="skipped", code=code, message=message)
