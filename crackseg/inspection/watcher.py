"""Waiting for a folder to change: told by the system where `watchdog` is installed, by looking again elsewhere."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

LOOK_EVERY_S = 1.0
"""How often to look where nobody tells."""
LOOK_ANYWAY_EVERY_S = 30.0
"""How often to look where the system tells: it may not, of a folder on another machine."""

_STEP_S = 0.25


class Waker:
    """Wakes up when something changed in a folder.

    Args:
        folder: The folder, with all folders in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed = threading.Event()
        self._observer: BaseObserver | None = None

    def __enter__(self) -> Waker:
        try:
            from watchdog.events import FileSystemEvent, FileSystemEventHandler
            from watchdog.observers import Observer
        except ImportError:
            return self

        changed = self._changed

        class _Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                if event.event_type not in ("opened", "closed_no_write"):
                    changed.set()

        observer = Observer()
        try:
            observer.schedule(_Handler(), os.fspath(self._folder), recursive=True)
            observer.start()
            self._observer = observer
        except OSError:
            return self  # no more watches to be had: look again and again instead
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(2.0)

    def wait(self, stop: Callable[[], bool], *, pending: bool) -> None:
        """Wait until it is worth looking again.

        Args:
            stop: Ends the wait when it says yes.
            pending: Something was seen that is not whole yet: look again soon.
        """
        patience_s = LOOK_ANYWAY_EVERY_S if self._observer is not None and not pending else LOOK_EVERY_S
        end_s = time.monotonic() + patience_s
        while time.monotonic() < end_s and not stop() and not self._changed.wait(_STEP_S):
            pass
        self._changed.clear()
