"""What is written down about one file, and what tells that it need not be looked at again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "failed", "skipped"]
Verdict = Literal["OK", "WARN", "NG", "CANNOT JUDGE"]

VERDICTS: tuple[Verdict, ...] = ("NG", "CANNOT JUDGE", "WARN", "OK")
"""Gravest first: what an image gets when several rules apply."""

_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What the file system says of a file without opening it.

    Attributes:
        size_bytes: Its size.
        mtime_ns: When its content changed, in nanoseconds since 1970.
        ctime_ns: When anything about it changed; no program can set this one back.
        read_ns: When it was looked at.
    """

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    read_ns: int

    @classmethod
    def of(cls, found: os.stat_result, read_ns: int) -> FileStamp:
        """Return the stamp of a file from what `os.stat` says."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, read_ns)

    def same_file(self, later: FileStamp) -> bool:
        """Return whether a later look at the file proves that its content is still the one that was read.

        A change so shortly before the first look that another one could bear the same time proves nothing.
        """
        same = (self.size_bytes, self.mtime_ns, self.ctime_ns) == (later.size_bytes, later.mtime_ns, later.ctime_ns)
        return same and self.read_ns - max(self.ctime_ns, self.mtime_ns) > _SETTLED_NS


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that was written beside the results.

    Attributes:
        path: Its path below the output folder, as bytes.
        size_bytes: Its size; a power cut may take back what was written last.
    """

    path: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Key:
    """What a result depends on, beside the path; sha256 each, in hexadecimal.

    Attributes:
        file: Of the file's bytes; None if they could not be read, and then the file is tried again next time.
        model: Of the model's file.
        config: Of rules, scale, threshold and the rest of the settings.
    """

    file: str | None
    model: str
    config: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """What was found out about one file.

    Attributes:
        status: ``ok``: judged; ``failed``: it should have been, and could not; ``skipped``: no image.
        code: Why it failed or was skipped, in a word; empty if neither.
        message: The same in a line.
        verdict: None for a skipped file; never OK for a failed one.
        reasons: Why the verdict is not OK, a line each.
        height_px: Height of the image; None if it could not be read. So are the next ones.
        width_px: Width of the image.
        scale_source: Where the millimetres come from; None if there are none.
        measurements: Measurements of the image as a whole, by name; see `crackseg.inspection.rules`.
        cracks: Each component, measured.
        quality: What was looked at to see whether the image can be judged.
        mask: The mask's file.
        overlay: The overlay's file.
        thumbnail: A small overlay, WebP.
        seconds: Time from the first byte read to the last one written.
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
        key: What the finding depends on.
        stamp: The file as it was read; None if it is no file.
        finding: What was found out.
        tries: How often it was tried.
    """

    path: bytes
    key: Key
    stamp: FileStamp | None
    finding: FileResult
    tries: int = 1


def failed(code: str, message: str) -> FileResult:
    """Return the finding of a file that could not be judged."""
    return FileResult(status="failed", code=code, message=message, verdict="CANNOT JUDGE", reasons=(message,))


def skipped(code: str, message: str) -> FileResult:
    """Return the finding of what is no image to be judged."""
    return FileResult(status="skipped", code=code, message=message)
