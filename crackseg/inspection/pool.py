"""Run worker processes that may crash or hang, with two attempts for each file."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from crackseg.errors import CracksegError
from crackseg.inspection.records import FileResult, failed_result
from crackseg.inspection.tasks import FileRead, Plan, Task
from crackseg.inspection.worker_limits import WorkerLimits
from crackseg.inspection.worker_main import Ready, Refused, serve
from crackseg.machine import isolate_workers

if TYPE_CHECKING:
    from multiprocessing.context import ForkContext, ForkServerContext, SpawnContext

TRIES = 2
"""Number of attempts for a file that kills or hangs its worker."""

StartMethod = Literal["spawn", "forkserver", "fork"]

_START_S = 600.0
_STARTS = 3


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """A file that came back from a worker, or has failed.

    Attributes:
        task: File.
        result: Result of the inspection.
        read: Message that the file was read; None if it never was.
        tries: Number of attempts.
    """

    task: Task
    result: FileResult
    read: FileRead | None
    tries: int


@dataclass(slots=True)
class _Worker:
    """A worker process and its current file."""

    process: BaseProcess
    connection: Connection
    deadline_s: float
    ready: bool = False
    task: Task | None = None
    read: FileRead | None = None


@dataclass(slots=True)
class _Queue:
    """Waiting files, and the number of attempts of each."""

    tasks: deque[Task] = field(default_factory=deque)
    tries: dict[bytes, int] = field(default_factory=dict)


class Pool:
    """Worker processes with limits on time and memory.

    Args:
        plan: Recipe for the inspector of each process.
        workers: Number of processes.
        limits: Limits of each process.
        start: Method of starting processes; the safest fast method of this system if None.

    Attributes:
        deaths: Number of workers that have died.
        notes: Remarks of the inspectors.
        terms: Terms of use of the model; empty until a worker has loaded it.
    """

    def __init__(self, plan: Plan, workers: int, limits: WorkerLimits, *, start: StartMethod | None = None) -> None:
        self._plan, self._limits, self._count = plan, limits, workers
        self._context = _context(start)
        self._workers: list[_Worker] = []
        self._queue = _Queue()
        self._failed_starts = 0
        self.deaths = 0
        self.notes: set[str] = set()
        self.terms = ""

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            if worker.task is None and worker.ready:
                worker.connection.close()
            else:
                worker.process.kill()
        for worker in self._workers:
            worker.process.join(1.0)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.connection.close()
        self._workers.clear()

    @property
    def pending(self) -> int:
        """Number of files that have not come back yet."""
        return len(self._queue.tasks) + sum(worker.task is not None for worker in self._workers)

    def add(self, tasks: Iterable[Task]) -> None:
        """Add files to the queue."""
        self._queue.tasks.extend(tasks)

    def poll(self, timeout_s: float) -> list[TaskOutcome]:
        """Send files to idle workers, and return those that came back.

        Args:
            timeout_s: Longest time to wait, in seconds.

        Raises:
            CracksegError: If the model cannot be loaded, an output cannot be written, or no worker starts.
        """
        self._fill()
        links: dict[object, _Worker] = {worker.connection: worker for worker in self._workers}
        links.update({worker.process.sentinel: worker for worker in self._workers})
        touched = {id(links[it]): links[it] for it in wait(list(links), timeout_s)}  # type: ignore[arg-type]
        outcomes = [it for worker in touched.values() for it in self._listen(worker)]
        outcomes += [it for worker in list(self._workers) for it in self._check_time(worker)]
        self._fill()
        return outcomes

    def _fill(self) -> None:
        """Start missing workers and send a file to each idle one."""
        while len(self._workers) < min(self._count, self.pending):
            try:
                self._workers.append(self._start())
            except (EOFError, OSError) as error:
                # A signal to the whole group ends the fork server; the next attempt starts it again.
                self._count_failed_start(type(error).__name__)
                break
        for worker in self._workers:
            if worker.ready and worker.task is None and self._queue.tasks:
                task = self._queue.tasks.popleft()
                worker.task, worker.read = task, None
                worker.deadline_s = time.monotonic() + self._limits.time_s
                try:
                    worker.connection.send(task)
                except OSError:
                    worker.deadline_s = 0.0  # it died while idle, so let `_check_time` bury it

    def _count_failed_start(self, reason: str) -> None:
        self._failed_starts += 1
        if self._failed_starts >= _STARTS:
            raise CracksegError(
                f"worker processes end while they start ({reason})",
                hint="raise --memory, or start fewer with --workers",
            )

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs, self._plan, self._limits), daemon=True)
        with isolate_workers():
            process.start()
        theirs.close()
        return _Worker(process, ours, time.monotonic() + _START_S)

    def _listen(self, worker: _Worker) -> list[TaskOutcome]:
        """Receive the messages of a worker; bury it if it is dead."""
        try:
            while worker.connection.poll():
                outcome = self._take(worker, worker.connection.recv())
                if outcome is not None:
                    return [outcome]
        except (EOFError, OSError):
            worker.process.join(5.0)
        if worker.process.is_alive():
            return []
        return self._bury(worker, "crashed", _how_it_ended(worker.process.exitcode))

    def _take(self, worker: _Worker, message: object) -> TaskOutcome | None:
        if isinstance(message, Refused):
            raise message.error
        if isinstance(message, Ready):
            worker.ready = True
            self._failed_starts = 0
            self.notes |= {message.note} - {""}
            self.terms = message.terms
        elif isinstance(message, FileRead):
            worker.read = message
            worker.deadline_s += message.pixels / 1e6 * self._limits.time_per_megapixel_s
        elif isinstance(message, FileResult) and worker.task is not None:
            tries = self._queue.tries.pop(worker.task.path, 0) + 1
            outcome = TaskOutcome(worker.task, message, worker.read, tries)
            worker.task = None
            return outcome
        return None

    def _check_time(self, worker: _Worker) -> list[TaskOutcome]:
        if (worker.ready and worker.task is None) or time.monotonic() < worker.deadline_s:
            return []
        worker.process.kill()
        worker.process.join()
        return self._bury(worker, "timeout", f"took longer than {self._limits.time_s:g} s twice")

    def _bury(self, worker: _Worker, code: str, message: str) -> list[TaskOutcome]:
        """Remove a dead worker; queue or fail its file."""
        if worker not in self._workers:
            return []
        self._workers.remove(worker)
        worker.connection.close()
        self.deaths += 1
        if not worker.ready:
            self._count_failed_start(message)
        if worker.task is None:
            return []
        tries = self._queue.tries.get(worker.task.path, 0) + 1
        self._queue.tries[worker.task.path] = tries
        if tries < TRIES:
            self._queue.tasks.appendleft(worker.task)
            return []
        del self._queue.tries[worker.task.path]
        return [TaskOutcome(worker.task, failed_result(code, message), worker.read, tries)]


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return f"killed its worker process twice ({signal.Signals(-code).name})"
        except ValueError:
            return f"killed its worker process twice (signal {-code})"
    return f"ended its worker process twice (exit code {code})"


def _context(start: StartMethod | None) -> SpawnContext | ForkServerContext | ForkContext:
    """Return a context for processes, with a preloaded fork server where possible."""
    if start == "spawn" or sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    if start == "fork":
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["crackseg.inspection.worker_main"])
    return context
