"""The inspection of a folder: what is new is inspected, and every file has its row, whatever happens."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crackseg.config import dump_config
from crackseg.errors import OutputError, UsageError, display_text
from crackseg.files import make_folder, write_bytes
from crackseg.imaging.codec import read_file
from crackseg.inspection.html_report import write_report
from crackseg.inspection.inspector import InspectorPlan, Plan, Settings, Task, WorkerLimits
from crackseg.inspection.label_files import write_labels
from crackseg.inspection.output_folder import locked, sweep
from crackseg.inspection.output_names import OutputNames
from crackseg.inspection.pool import Pool, StartMethod, TaskOutcome
from crackseg.inspection.records import FileStamp, Key, Row
from crackseg.inspection.rules import check_scale
from crackseg.inspection.source import SettledFiles, Source, SourceFile
from crackseg.inspection.store import KnownFile, Store
from crackseg.inspection.tables import write_csv, write_parquet
from crackseg.inspection.watcher import Waker
from crackseg.labels.detections import LabelFormat
from crackseg.machine import require_extra, usable_cores
from crackseg.prediction.loading import default_model, find_model

_POLL_S = 0.25
_REFRESH_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionRequest:
    """What to inspect, and how.

    Attributes:
        source: The files.
        settings: What decides a result.
        workers: Processes; one per core if None.
        limits: What each may take.
        watch: Go on when all is done, with files that come in later.
        retry_failed: Try files again that failed.
        parquet: Also write results.parquet.
        formats: Labels to write when all is done.
        start: How processes are started; see `Pool`.
        plan: Makes the inspectors; `InspectorPlan` if None.
    """

    source: Source
    settings: Settings
    workers: int | None = None
    limits: WorkerLimits = field(default_factory=WorkerLimits)
    watch: bool = False
    retry_failed: bool = False
    parquet: bool = False
    formats: tuple[LabelFormat, ...] = ()
    start: StartMethod | None = None
    plan: Plan | None = None

    @property
    def output(self) -> Path:
        """Where results go."""
        return self.source.output


@dataclass(frozen=True, slots=True)
class InspectionProgress:
    """How far an inspection is.

    Attributes:
        done: Files that have their row.
        total: Files that were found.
        counts: How many there are by status and by verdict, those of earlier runs included.
    """

    done: int
    total: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class InspectionResult:
    """What an inspection came to.

    Attributes:
        files: Files that were found.
        inspected: How many of them were inspected now; the rest had their row.
        counts: How many there are by status and by verdict, by the rows of these files.
        failures: Name and message of files that failed.
        unlabelled: Name and message of images that labels were wanted of and could not be written.
        gone: Rows of files that are not there any more.
        notes: What the user should know of this run.
        interrupted: Whether it was stopped before the end.
    """

    files: int
    inspected: int
    counts: Mapping[str, int]
    failures: Sequence[tuple[str, str]]
    unlabelled: Sequence[tuple[str, str]]
    gone: int
    notes: Sequence[str]
    interrupted: bool


def inspect(
    request: InspectionRequest,
    *,
    progress: Callable[[InspectionProgress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> InspectionResult:
    """Inspect a folder, or go on where an earlier call with the same output stopped.

    Args:
        request: What to inspect, and how.
        progress: Called when a file has got its row.
        stop: Asked all the time; when it says yes, the work ends within a second or two, with every row kept.

    Raises:
        UsageError: If there is nothing to inspect, labels are wanted of what never ends, a rule asks for millimetres
            without a scale, or there is no such model.
        MissingExtraError: If Parquet is wanted, and pyarrow not installed.
        ModelError: If the model cannot be loaded.
        OutputError: If a result cannot be written, or the output belongs to something else.
    """
    if request.watch and request.formats:
        raise UsageError("labels are written when all is done", hint="leave --watch away; what is done is kept")
    if request.parquet:
        require_extra("parquet")
    check_scale(request.settings.area.rules, known=request.settings.scale is not None)
    key = _run_key(request.settings)
    try:
        files = request.source.files(stop=stop)
        if not files and not request.watch and not stop():
            raise UsageError(
                "holds no file to inspect", where=request.source.folder, hint="check the path and --pattern"
            )
        make_folder(request.output)
        with locked(request.output), Store(request.output / "results.sqlite") as store:
            return _work(_Run(request, store, key, files), progress, stop)
    except OSError as error:
        raise OutputError(
            f"the inspection cannot go on ({display_text(error.strerror or str(error))})",
            where=request.output,
            hint="run the same command again when that is mended",
        ) from error


def _work(run: _Run, progress: Callable[[InspectionProgress], None], stop: Callable[[], bool]) -> InspectionResult:
    run.begin()
    interrupted = run.work(progress, stop)
    unlabelled: Sequence[tuple[str, str]] = ()
    if not interrupted:
        run.export()
        unlabelled = run.label()
    return run.summary(unlabelled, interrupted=interrupted)


def _run_key(settings: Settings) -> Key:
    """Return what all results of a run have in common."""
    from importlib.metadata import version

    described = {
        "version": version("crackseg"),
        "rules": json.loads(settings.area.rules.model_dump_json()),
        "masks": settings.area.sha256(),
        "scale": None if settings.scale is None else settings.scale.to_dict(),
        "threshold": settings.threshold,
        "runtime": settings.runtime,
        "device": settings.device,
        "tile": settings.tile_size,
    }
    model = hashlib.sha256(read_file(find_model(settings.model).path)).hexdigest()
    return Key(None, model, hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest())


def _about(request: InspectionRequest) -> str:
    """Return in a line what was inspected with what, for the report."""
    scale = _scale_text(request.settings)
    rules = ", ".join(
        f"{rule.verdict} {rule.name}: {' and '.join(rule.when)}" for rule in request.settings.area.rules.rules
    )
    folder = display_text(request.source.folder)
    return (
        f"{folder}; model {display_text(request.settings.model or default_model())}; {scale}; rules: {rules or 'none'}"
    )


def _scale_text(settings: Settings) -> str:
    """Return where millimetres come from, in words."""
    return "no scale" if settings.scale is None else settings.scale.describe()


class _Run:
    """One call of `inspect` on its way."""

    def __init__(self, request: InspectionRequest, store: Store, key: Key, files: Sequence[SourceFile]) -> None:
        self._request, self._store, self._key = request, store, key
        self._known = store.known_files()
        self._names = OutputNames(
            {path: _name_below(known.outputs[0].path) for path, known in self._known.items() if known.outputs}
        )
        self._files = {file.path: file for file in files}
        self._done: set[bytes] = set()
        self._counts: Counter[str] = Counter()
        self._inspected = 0
        self._notes: set[str] = set()

    def begin(self) -> None:
        """Tidy up after a run that was killed, and note what this one is asked to do."""
        output = self._request.output
        sweep(output)
        write_bytes(output / "inspect.yaml", self.describe().encode())
        self._store.write_settings({"config": self.describe(), "about": _about(self._request)})

    def describe(self) -> str:
        """Return the effective configuration as YAML."""
        settings = self._request.settings
        scale = None if settings.scale is None else settings.scale.fixed
        head = {
            "model_sha256": self._key.model,
            "config_sha256": self._key.config,
            "threshold": settings.threshold,
            "scale_mm_per_px": None if scale is None else scale.mm_per_px,
            "scale_source": _scale_text(settings),
            "tile_px": settings.tile_size,
        }
        lines = [f"{name}: {json.dumps(value)}" for name, value in head.items()]
        return "\n".join([*lines, dump_config(settings.area.rules)])

    def work(self, progress: Callable[[InspectionProgress], None], stop: Callable[[], bool]) -> bool:
        """Inspect what has no row yet; tell whether that was stopped."""
        tasks = self._admit(list(self._files.values()), stop)
        self._report = progress
        progress(self.progress())
        if not tasks and not self._request.watch:
            return stop()
        request = self._request
        plan = request.plan or InspectorPlan(
            request.settings, request.source.folder.absolute(), request.output.absolute()
        )
        workers = request.workers or usable_cores()
        with Pool(
            plan, workers if request.watch else min(workers, len(tasks)), request.limits, start=request.start
        ) as pool:
            pool.give(tasks)
            self._drain(pool, stop)
            if request.watch:
                self._watch(pool, stop)
            died = pool.deaths > 0
            self._notes |= pool.notes
        if died:
            sweep(request.output)
        return stop()

    def _drain(self, pool: Pool, stop: Callable[[], bool]) -> None:
        while pool.pending and not stop():
            outcomes = pool.poll(_POLL_S)
            if outcomes:
                self._keep([self._row(outcome) for outcome in outcomes])
                self._report(self.progress())

    def _watch(self, pool: Pool, stop: Callable[[], bool]) -> None:
        """Wait for new files and inspect them, until told to stop."""
        settled = SettledFiles()
        settled.give(self._files.values())
        self.export()
        stale, refreshed_s = False, time.monotonic()
        with Waker(self._request.source.folder) as waker:
            while not stop():
                new = settled.new(self._request.source.files(stop=stop))
                self._files.update({file.path: file for file in new})
                pool.give(self._admit(new, stop))
                stale = stale or bool(new)
                self._drain(pool, stop)
                if stale and time.monotonic() - refreshed_s >= _REFRESH_S and not stop():
                    self.export()
                    stale, refreshed_s = False, time.monotonic()
                waker.wait(stop, pending=settled.waiting or stale)
        self.export()

    def _admit(self, files: Sequence[SourceFile], stop: Callable[[], bool]) -> list[Task]:
        """Return what has to be done for these files; those that need no work get their row now."""
        refused: list[Row] = []
        stamps: dict[bytes, FileStamp] = {}
        tasks: list[Task] = []
        for file in files:
            if stop():
                break
            known = self._known.get(file.path)
            if file.refusal is not None:
                if known is None or (known.status, known.code) != (file.refusal.status, file.refusal.code):
                    refused.append(Row(file.path, self._key, file.stamp, file.refusal))
                else:
                    self._count(file.path, known.status, None)
            elif known is not None and self._stands(file, known, stamps):
                self._count(file.path, known.status, known.verdict)
            else:
                tasks.append(Task(file.path, self._names.name(file.path)))
        self._keep(refused)
        self._store.restamp(stamps)
        return tasks

    def _stands(self, file: SourceFile, known: KnownFile, stamps: dict[bytes, FileStamp]) -> bool:
        """Return whether the row of a file is still valid: same bytes, model and configuration, outputs in place."""
        key, retry = known.key, self._request.retry_failed and known.status == "failed"
        if key.file is None or (key.model, key.config) != (self._key.model, self._key.config) or retry:
            return False
        if not all(_size(self._request.output, output.path) == output.size_bytes for output in known.outputs):
            return False
        if known.stamp is not None and file.stamp is not None and known.stamp.same_file(file.stamp):
            return True
        whole = self._request.source.folder / os.fsdecode(file.path)
        try:
            same = hashlib.sha256(whole.read_bytes()).hexdigest() == key.file
        except OSError:
            return False
        if same and file.stamp is not None:
            stamps[file.path] = file.stamp
        return same

    def _row(self, outcome: TaskOutcome) -> Row:
        read = outcome.read
        key = Key(None if read is None else read.sha256, self._key.model, self._key.config)
        return Row(outcome.task.path, key, None if read is None else read.stamp, outcome.finding, outcome.tries)

    def _keep(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        self._store.put(rows)
        for row in rows:
            self._inspected += 1
            self._count(row.path, row.finding.status, row.finding.verdict)

    def _count(self, path: bytes, status: str, verdict: str | None) -> None:
        self._done.add(path)
        self._counts.update([status] if verdict is None else [status, verdict])

    def progress(self) -> InspectionProgress:
        """Return how far it is."""
        return InspectionProgress(len(self._done), len(self._files), dict(self._counts))

    def export(self) -> None:
        """Write the tables and the report."""
        output = self._request.output
        write_csv(output / "results.csv", self._store.records())
        if self._request.parquet:
            write_parquet(output / "results.parquet", self._store.records())
        write_report(output / "report.html", self._store)

    def label(self) -> Sequence[tuple[str, str]]:
        """Write the labels that are wanted; return name and reason of images that have none."""
        request = self._request
        return (
            write_labels(request.output, request.source.folder, self._store, request.formats) if request.formats else ()
        )

    def summary(self, unlabelled: Sequence[tuple[str, str]], *, interrupted: bool) -> InspectionResult:
        """Return what it came to."""
        counts: Counter[str] = Counter()
        failures, gone = [], 0
        for path, name, status, verdict, message in self._store.verdicts():
            if path not in self._files:
                gone += 1
                continue
            counts.update([status] if verdict is None else [status, verdict])
            if status == "failed":
                failures.append((name, message))
        return InspectionResult(
            files=len(self._files),
            inspected=self._inspected,
            counts=dict(counts),
            failures=failures,
            unlabelled=unlabelled,
            gone=gone,
            notes=sorted(self._notes),
            interrupted=interrupted,
        )


def _name_below(path: bytes) -> bytes:
    """Return an output's path below ``masks`` or ``overlays``."""
    return path.partition(b"/")[2]


def _size(folder: Path, path: bytes) -> int | None:
    try:
        return (folder / os.fsdecode(path)).stat().st_size
    except OSError:
        return None
