"""Run work in threads in input order and within memory bounds, and report its progress."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Condition
from typing import TypeVar

_Thing = TypeVar("_Thing")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Progress:
    """Amount of work that a long call has finished.

    Attributes:
        done: Finished work, in the unit of ``total``: images, steps or a share of 1.
        total: All the work.
        note: Remark for the user, such as the loss or the speed; empty where there is none.
    """

    done: float
    total: float
    note: str = ""

    @property
    def fraction(self) -> float:
        """Finished share of the work, in [0, 1]."""
        return 1.0 if self.total <= 0 else min(max(self.done / self.total, 0.0), 1.0)


ProgressCallback = Callable[[Progress], None]
"""Function that a long call calls with its progress, in the thread that made the call."""


class Room:
    """So much memory, of which threads take shares and give them back.

    Args:
        size_bytes: How much there is.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._free_bytes = size_bytes
        self._changed = Condition()

    @contextlib.contextmanager
    def taken(self, share_bytes: int) -> Iterator[None]:
        """Wait until a share is free, and hold it; more than there is means all of it."""
        share_bytes = min(share_bytes, self.size_bytes)
        with self._changed:
            self._changed.wait_for(lambda: self._free_bytes >= share_bytes)
            self._free_bytes -= share_bytes
        try:
            yield
        finally:
            with self._changed:
                self._free_bytes += share_bytes
                self._changed.notify_all()


def work_in_order(
    things: Iterable[_Thing], work: Callable[[_Thing], _Result], *, threads: int, together: Callable[[_Thing], int]
) -> Iterator[_Result]:
    """Do something with each of many things, several at a time, and hand out what comes of them in their order.

    What is begun is finished even if nobody asks for more; nothing else is begun then.

    Args:
        things: Taken from as they are needed, and one beyond.
        work: What to do; called in several threads.
        threads: How many.
        together: How many things may be under way, itself and those that wait to be handed out included, while one of
            them is this.

    Raises:
        Exception: What ``work`` raised, in the place of its result; that ends it.
    """
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="crackseg-work")
    waiting = iter(things)
    pending: deque[tuple[Future[_Result], int]] = deque()
    try:
        upcoming = _with_bound(waiting, together)
        while pending or upcoming:
            while upcoming and len(pending) < min([upcoming[1], *(bound for _, bound in pending)]):
                pending.append((pool.submit(work, upcoming[0]), upcoming[1]))
                upcoming = _with_bound(waiting, together)
            yield pending.popleft()[0].result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _with_bound(waiting: Iterator[_Thing], together: Callable[[_Thing], int]) -> tuple[_Thing, int] | None:
    """Return the next thing with what ``together`` says of it, at least 1; None after the last."""
    for thing in waiting:
        return thing, max(together(thing), 1)
    return None
