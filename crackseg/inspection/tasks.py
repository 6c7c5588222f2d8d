"""Define what the parent process and its workers exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crackseg.inspection.records import FileResult, FileStamp


@dataclass(frozen=True, slots=True)
class Task:
    """A file to inspect.

    Attributes:
        path: Path below the inspected folder, as bytes.
        output_name: Name of its mask and overlay below their folders.
    """

    path: bytes
    output_name: bytes


@dataclass(frozen=True, slots=True)
class FileRead:
    """Message that a file has been read and will now be decoded.

    Attributes:
        sha256: Hash of its bytes, in hexadecimal.
        stamp: File as it was read.
        pixels: Number of pixels in its header; 0 if the header cannot be read.
    """

    sha256: str
    stamp: FileStamp
    pixels: int


ReadCallback = Callable[[FileRead], None]
"""Function that an inspector calls as soon as it has read a file."""


class Inspector(Protocol):
    """Function that a worker process applies to each file."""

    @property
    def note(self) -> str:
        """Remark for the user about the whole run; may be empty."""

    @property
    def terms(self) -> str:
        """Terms of use of the model, from its card."""

    def __call__(self, task: Task, on_read: ReadCallback, /) -> FileResult:
        """Inspect a file.

        Raises:
            OutputError: If an output cannot be written; that ends the run.
        """


class Plan(Protocol):
    """Picklable recipe for the inspector of a worker process."""

    def build(self, threads: int) -> Inspector:
        """Return the inspector, which computes with this number of threads."""
