"""Run work in threads in input order and within memory bounds, and report its progress."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Condition
from typing import TypeVar

_Item = TypeVar("_Item")
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


class MemoryBudget:
    """Amount of memory that several threads share.

    Args:
        size_bytes: Size of the budget, in bytes.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._free_bytes = size_bytes
        self._changed = Condition()

    @contextlib.contextmanager
    def reserve(self, share_bytes: int) -> Iterator[None]:
        """Wait for a free share and hold it during the block.

        Args:
            share_bytes: Size of the share, in bytes; at most the whole budget is reserved.
        """
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


def map_in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, threads: int, max_pending: Callable[[_Item], int]
) -> Iterator[_Result]:
    """Apply ``work`` to items in threads and yield results in order.

    If the caller stops early, work that has started is finished and no other work starts.

    Args:
        work: Function to apply; called in several threads.
        items: Read when they are needed, one ahead.
        threads: Number of threads.
        max_pending: Returns for an item the most items that may be pending while it is one of them. An item is pending
            until its result is yielded.

    Raises:
        Exception: What ``work`` raised, in place of its result; no further result follows.
    """
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="crackseg-work")
    waiting = iter(items)
    pending: deque[tuple[Future[_Result], int]] = deque()
    try:
        upcoming = _next_with_bound(waiting, max_pending)
        while pending or upcoming:
            while upcoming and len(pending) < min([upcoming[1], *(bound for _, bound in pending)]):
                pending.append((pool.submit(work, upcoming[0]), upcoming[1]))
                upcoming = _next_with_bound(waiting, max_pending)
            yield pending.popleft()[0].result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _next_with_bound(waiting: Iterator[_Item], max_pending: Callable[[_Item], int]) -> tuple[_Item, int] | None:
    """Return the next item with its bound; None after the last."""
    for item in waiting:
        return item, max(max_pending(item), 1)
    return None
