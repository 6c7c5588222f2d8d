"""Hold the result or the error of each file of a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from crackseg.errors import CracksegError

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """Result of one file, or the error that prevented one.

    Attributes:
        name: Name of the file, printable.
        result: The result; None if there is an error.
        error: The error; None if there is a result.
    """

    name: str
    result: T | None = None
    error: CracksegError | None = None
