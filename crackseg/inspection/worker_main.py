"""What a worker process does from its first moment to its last."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

from crackseg.errors import CracksegError
from crackseg.inspection.inspector import Plan, WorkerLimits


@dataclass(frozen=True, slots=True)
class Ready:
    """Told when the model is loaded.

    Attributes:
        note: What the user should know once; empty if nothing.
    """

    note: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Told when the run cannot go on: no model, or no place to write to."""

    error: CracksegError


def serve(connection: Connection, plan: Plan, limits: WorkerLimits) -> None:
    """Inspect one file after the other, as they come; the main function of a worker process."""
    _settle_in(limits)
    with suppress(EOFError, OSError):
        try:
            inspect = plan.build(limits.threads)
            connection.send(Ready(inspect.note))
            while (task := connection.recv()) is not None:
                connection.send(inspect(task, connection.send))
        except CracksegError as error:
            connection.send(Refused(error))


def _settle_in(limits: WorkerLimits) -> None:
    """Leave Ctrl-C to the parent, end with it, take no more memory than allowed, and compute in one thread."""
    import cv2

    cv2.setNumThreads(1)
    for name in ("SIGINT", "SIGTERM"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN if name == "SIGINT" else signal.SIG_DFL)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if limits.memory_bytes is not None:
        try:
            import resource
        except ImportError:  # no such limits on Windows
            return
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, hard))


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
