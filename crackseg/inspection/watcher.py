"""Wait for a folder to change, through the system or by polling."""

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

POLL_EVERY_S = 1.0
"""Time between two looks at a folder that the system does not watch."""
POLL_WATCHED_EVERY_S = 30.0
"""Time between two looks at a watched folder; the system misses changes made by other machines."""

_STEP_S = 0.25


class Waker:
    """Context that watches a folder and wakes up when it changes.

    The extra ``watch`` lets the system report changes; without it, the folder is polled.

    Args:
        folder: Folder to watch, with all folders below it.
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
            return self  # the system has no watch left: poll instead
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(2.0)

    def wait(self, stop: Callable[[], bool], *, pending: bool) -> None:
        """Wait until the folder should be listed again.

        Args:
            stop: Function that ends the wait by returning True.
            pending: Whether work is left that needs another look soon, such as a file that is still growing.
        """
        patience_s = POLL_WATCHED_EVERY_S if self._observer is not None and not pending else POLL_EVERY_S
        end_s = time.monotonic() + patience_s
        while time.monotonic() < end_s and not stop() and not self._changed.wait(_STEP_S):
            pass
        self._changed.clear()
