"""Limit the memory, time and threads of a worker process."""

from __future__ import annotations

import os
from dataclasses import dataclass

from crackseg.errors import UsageError
from crackseg.machine import usable_cores

_SHARE = 0.8
_LEAST_GIB = 0.5
_TIME_PER_MEGAPIXEL_S = 5.0


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Limits of a worker process.

    Attributes:
        memory_bytes: Memory; None for no limit.
        time_s: Time for one file, in addition to `time_per_megapixel_s`.
        time_per_megapixel_s: Further time for each million pixels.
        threads: Threads to compute with.
    """

    memory_bytes: int | None = None
    time_s: float = 120.0
    time_per_megapixel_s: float = _TIME_PER_MEGAPIXEL_S
    threads: int = 1


def worker_limits(
    workers: int | None, *, time_s: float = 120.0, memory_gib: float | None = None, passes: float = 1
) -> WorkerLimits:
    """Return limits that divide the machine among worker processes.

    Args:
        workers: Number of processes; one per core if None.
        time_s: Seconds for one file.
        memory_gib: Memory of a process; an equal share of four fifths of the memory of the machine if None.
        passes: Time for an image over that of one pass of the network.

    Raises:
        UsageError: If the memory is too little for any network.
    """
    count = workers or usable_cores()
    total = _machine_bytes()
    if memory_gib is not None and not memory_gib >= _LEAST_GIB:
        raise UsageError(f"expected at least {_LEAST_GIB:g} GiB, got {memory_gib:g} GiB", where="--memory")
    memory = None if total is None else int(_SHARE * total / count)
    if memory_gib is not None:
        memory = int(memory_gib * 2**30)
    return WorkerLimits(
        memory_bytes=memory,
        time_s=time_s,
        time_per_megapixel_s=_TIME_PER_MEGAPIXEL_S * passes,
        threads=max(1, usable_cores() // count),
    )


def _machine_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None
