"""How much memory and time a worker process may take."""

from __future__ import annotations

import os

from crackseg.errors import UsageError
from crackseg.inspection.inspector import WorkerLimits
from crackseg.machine import usable_cores

_SHARE = 0.8
_LEAST_GIB = 0.5


def worker_limits(workers: int | None, *, time_s: float = 120.0, memory_gib: float | None = None) -> WorkerLimits:
    """Return the limits of each of some worker processes.

    Args:
        workers: How many there are; one per core if None.
        time_s: Seconds for one file.
        memory_gib: Memory of a process; an equal share of four fifths of the machine's if None.

    Raises:
        UsageError: If the memory is too little for any network.
    """
    count = workers or usable_cores()
    total = _machine_bytes()
    if memory_gib is not None and not memory_gib >= _LEAST_GIB:
        raise UsageError(f"expected at least {_LEAST_GIB:g}, got {memory_gib:g}", where="--memory")
    memory = None if total is None else int(_SHARE * total / count)
    if memory_gib is not None:
        memory = int(memory_gib * 2**30)
    return WorkerLimits(memory_bytes=memory, time_s=time_s, threads=max(1, usable_cores() // count))


def _machine_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None
