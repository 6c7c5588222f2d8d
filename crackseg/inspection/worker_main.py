"""Run a worker process from its start to its end."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

from crackseg.errors import CracksegError
from crackseg.inspection.tasks import Plan
from crackseg.inspection.worker_limits import WorkerLimits


@dataclass(frozen=True, slots=True)
class Ready:
    """Message that the model is loaded.

    Attributes:
        note: Remark for the user; empty if there is none.
        terms: Terms of use of the model.
    """

    note: str = ""
    terms: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Message that the run cannot continue, because of the model or the output folder.

    Attributes:
        error: Cause.
    """

    error: CracksegError


def serve(connection: Connection, plan: Plan, limits: WorkerLimits) -> None:
    """Inspect one file after the other in a worker process.

    Args:
        connection: Connection to the parent, which sends tasks and receives results.
        plan: Recipe for the inspector.
        limits: Limits of this process.
    """
    _set_up_process(limits)
    with suppress(EOFError, OSError):
        try:
            inspect = plan.build(limits.threads)
            connection.send(Ready(inspect.note, inspect.terms))
            while (task := connection.recv()) is not None:
                connection.send(inspect(task, connection.send))
        except CracksegError as error:
            connection.send(Refused(error))


def _set_up_process(limits: WorkerLimits) -> None:
    """Set up signals, memory limit, OpenCV and the end with the parent."""
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
        except ImportError:  # Windows has no such limits
            return
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, hard))


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
