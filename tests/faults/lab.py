"""Kill inspections and let file operations fail; run as ``python -m tests.faults.lab``.

Each inspection runs in a fork of this process, which has the imports done, and its worker in a fork of that. An audit
hook counts the operations on files below the lab's folder: open, rename, remove, make and list a folder, and each SQL
statement. At the n-th of a process it kills the whole group, as a power cut would, or raises an error in place of the
operation.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from crackseg.errors import CracksegError
from crackseg.inspection.inspector import InspectorPlan, ModelInspector
from crackseg.inspection.records import FileResult
from crackseg.inspection.request import InspectionRequest
from crackseg.inspection.rules import JudgedArea, Rules
from crackseg.inspection.run import inspect
from crackseg.inspection.settings import Settings
from crackseg.inspection.source import Source
from crackseg.inspection.tasks import Inspector, ReadCallback, Task
from crackseg.inspection.worker_limits import WorkerLimits
from tests.inspection.scenes import content, rows, write_model, write_walls

OPERATIONS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.scandir", "os.listdir", "sqlite3.connect"})
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
_connect = sqlite3.connect
TRACEBACK = 70
"""Exit code of an inspection that ended in a foreign error."""


@dataclasses.dataclass(slots=True)
class Fault:
    """Fault at an operation of a process.

    Attributes:
        below: Only operations below this folder count.
        act: Action; its argument is the number of the operation, from 1.
        counts: Number of operations, by process.
    """

    below: str
    act: Callable[[int], None]
    counts: dict[int, int] = dataclasses.field(default_factory=dict)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count an operation; the audit hook."""
        if event in OPERATIONS and arguments:
            try:
                place = os.fsdecode(arguments[0])
            except TypeError:
                return
            if place.startswith(self.below):
                self._count()

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        """Open a database; every statement counts if it is below the folder."""
        database: sqlite3.Connection = _connect(*arguments, **options)
        if os.fsdecode(arguments[0]).startswith(self.below):  # not the database of a coverage run
            database.set_trace_callback(lambda _: self._count())
        return database

    def _count(self) -> None:
        number = self.counts.get(os.getpid(), 0) + 1
        self.counts[os.getpid()] = number
        self.act(number)


class Lab:
    """A folder with walls and a model, and inspections of them.

    Args:
        folder: The lab's folder.
        walls: How many images.
    """

    def __init__(self, folder: Path, walls: int) -> None:
        self.folder = folder
        self.images = write_walls(folder / "in", walls)
        (self.images / "notes.txt").write_text("no image")
        (self.images / "cut.png").write_bytes((self.images / "wall000.png").read_bytes()[:300])
        for path in self.images.iterdir():
            os.utime(path, (1e9, 1e9))
        self.model = write_model(folder / "dark.onnx")
        self.output = folder / "out"

    def run(self, act: Callable[[int], None] | None = None, *, killed_after_s: float | None = None) -> int:
        """Inspect in a fork; return its exit code, negative for a signal.

        A signal to the group kills the fork and its worker at different moments. Both hold a pipe open, which shows
        that the worker has ended too and has closed every file.
        """
        alive, held = os.pipe()
        last = fcntl.fcntl(held, fcntl.F_DUPFD, 200)  # files are closed in the order of their numbers
        os.close(held)
        pid = os.fork()
        if pid == 0:
            os.close(alive)
            os.setpgid(0, 0)
            self._inspect_and_exit(act)
        if killed_after_s is not None:
            time.sleep(killed_after_s)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(last)
        os.read(alive, 1)
        os.close(alive)
        return os.waitstatus_to_exitcode(status)

    def _inspect_and_exit(self, act: Callable[[int], None] | None) -> NoReturn:
        code = TRACEBACK
        try:
            if act is not None:
                fault = Fault(str(self.output), act)
                sys.addaudithook(fault.hook)
                sqlite3.connect = fault.connect  # type: ignore[assignment]
            code = self._inspect()
        except CracksegError as error:
            code = error.exit_code
            sys.stderr.write(f"{error}\n")
        except BaseException:  # noqa: BLE001  any other error is what the lab looks for
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def request(self) -> InspectionRequest:
        """Return the inspection of the lab's walls."""
        settings = Settings(area=JudgedArea(Rules()), model=str(self.model))
        limits = WorkerLimits(time_s=300)
        return InspectionRequest(
            source=Source(self.images, self.output), settings=settings, workers=1, limits=limits, start="fork"
        )

    def _inspect(self) -> int:
        return 1 if inspect(self.request()).counts.get("failed") else 0

    def start(self, act: Callable[[int], None] | None = None, *, killed_after_s: float | None = None) -> int:
        """Run as `run` does, without an output folder."""
        shutil.rmtree(self.output, ignore_errors=True)
        return self.run(act, killed_after_s=killed_after_s)


def kill_at(target: int) -> Callable[[int], None]:
    """Kill the whole group at an operation."""

    def act(number: int) -> None:
        if number == target:
            os.killpg(0, signal.SIGKILL)

    return act


def fail_at(target: int, code: int) -> Callable[[int], None]:
    """Let an operation fail."""

    def act(number: int) -> None:
        if number == target:
            raise OSError(code, os.strerror(code), "injected")

    return act


def count_operations(lab: Lab) -> int:
    """Return how many operations the busiest process of an unbroken run has."""
    log = lab.folder / "count"
    log.touch()

    def act(number: int) -> None:
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, b"%d\n" % number)
        os.close(descriptor)

    lab.start(act)
    return max(int(line) for line in log.read_text().split())


def kills(lab: Lab, count: int, seed: int) -> dict[str, Any]:
    """Kill at spread operations and random moments, then resume."""
    lab.start()
    whole = content(lab.output)
    operations = count_operations(lab)
    rng = random.Random(seed)
    killed, differing = 0, []
    for number in range(count):
        at = 1 + number * operations // count
        code = lab.start(kill_at(at)) if number % 4 else lab.start(killed_after_s=rng.uniform(0.0, 0.5))
        killed += code == -signal.SIGKILL
        ended = lab.run()
        if ended != 1 or content(lab.output) != whole or _leftovers(lab.output):
            differing.append([number, at, ended])
    return {"runs": count, "killed": killed, "operations": operations, "differing": differing}


def faults(lab: Lab, step: int) -> dict[str, Any]:
    """Let every step-th operation fail, then resume to the end."""
    lab.start()
    whole = content(lab.output)
    operations = count_operations(lab)
    codes: dict[str, int] = {}
    differing = []
    for number, at in enumerate(range(1, operations + 1, step)):
        code = lab.start(fail_at(at, ERRORS[number % len(ERRORS)]))
        codes[str(code)] = codes.get(str(code), 0) + 1
        left = _half_written(lab.output)
        ended = lab.run()
        if code not in (1, 3) or ended != 1 or content(lab.output) != whole or left or _leftovers(lab.output):
            differing.append([at, code, ended, left])
    return {"operations": operations, "codes": codes, "differing": differing}


class Misbehaving(ModelInspector):
    """Inspector that harms its process in the way that the file name asks for."""

    def _inspect(self, task: Task, on_read: ReadCallback) -> FileResult:
        match Path(os.fsdecode(task.path)).stem:
            case "abort":
                os.abort()
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
                time.sleep(3600)
            case "greedy":
                hoard = []
                while True:
                    hoard.append(np.empty(16_000_000))  # the limit counts allocated memory, touched or not
            case "error":
                raise ZeroDivisionError("by nothing")
        return super()._inspect(task, on_read)


@dataclasses.dataclass(frozen=True)
class MisbehavingPlan:
    """Recipe for `Misbehaving` inspectors."""

    plan: InspectorPlan

    def build(self, threads: int) -> Inspector:
        """Load the model."""
        inspector = self.plan.build(threads)
        assert isinstance(inspector, ModelInspector)
        return Misbehaving(self.plan, inspector.model)


def workers(lab: Lab) -> dict[str, Any]:
    """Inspect files, some of which kill, hang or bloat their worker."""
    for stem in ("abort", "killed", "hang", "greedy", "error"):
        shutil.copy(lab.images / "wall000.png", lab.images / f"{stem}.png")
    first = lab.request()
    plan = MisbehavingPlan(InspectorPlan(first.settings, lab.images, lab.output))
    limits = WorkerLimits(time_s=8, memory_bytes=1_500_000_000)
    request = dataclasses.replace(first, plan=plan, limits=limits)
    summary, again = inspect(request), inspect(request)
    records = {
        name: [row["status"], row["code"], row["tries"], row["message"]] for name, row in rows(lab.output).items()
    }
    return {"rows": records, "counts": dict(summary.counts), "inspected": [summary.inspected, again.inspected]}


def _leftovers(output: Path) -> list[str]:
    return [path.name for path in output.rglob(".partial-*")]


def _half_written(output: Path) -> list[str]:
    """Return images that do not decode and damaged databases."""
    from crackseg.imaging.codec import read_image

    bad = []
    for path in output.rglob("*.png"):
        if not path.name.startswith(".partial-"):
            try:
                read_image(path)
            except CracksegError as error:
                bad.append(str(error))
    if (output / "results.sqlite").exists():
        with sqlite3.connect(output / "results.sqlite") as database:
            state = database.execute("PRAGMA integrity_check").fetchone()[0]
        database.close()
        if state != "ok":
            bad.append(state)
    return bad


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", choices=("kills", "faults", "workers"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--walls", type=int, default=3)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lab = Lab(options.folder, options.walls)
    match options.scenario:
        case "kills":
            report = kills(lab, options.count, options.seed)
        case "faults":
            report = faults(lab, options.step)
        case _:
            report = workers(lab)
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
