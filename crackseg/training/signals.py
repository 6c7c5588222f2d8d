"""Ctrl-C and SIGTERM, noted for the next moment at which a training can stop without a loss."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a wish to stop after the current step, where signals can be caught."""
    wish = threading.Event()

    def note(_signal: int, _frame: FrameType | None) -> None:
        wish.set()

    if threading.current_thread() is not threading.main_thread():
        yield wish.is_set
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
