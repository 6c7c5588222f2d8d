"""Inspect the images of a folder, with a row for every file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from crackseg.errors import OutputError, UsageError, display_text
from crackseg.files import make_folder, write_bytes
from crackseg.inspection.admission import admit_files
from crackseg.inspection.html_report import write_report
from crackseg.inspection.inspector import InspectorPlan
from crackseg.inspection.label_files import write_labels
from crackseg.inspection.output_folder import hold_folder, sweep_folder
from crackseg.inspection.output_names import OutputNames
from crackseg.inspection.pool import Pool
from crackseg.inspection.request import InspectionRequest, compute_key, describe_request, dump_request
from crackseg.inspection.result import InspectionProgress, InspectionResult
from crackseg.inspection.rules import check_scale
from crackseg.inspection.source import SettledFiles
from crackseg.inspection.state import (
    RunState,
    keep_remarks,
    keep_rows,
    row_of,
    show_progress,
    summarise,
)
from crackseg.inspection.store import Store
from crackseg.inspection.tables import write_csv, write_parquet
from crackseg.inspection.tasks import Task
from crackseg.inspection.watcher import Waker
from crackseg.machine import require_extra, usable_cores

_POLL_S = 0.25
_REFRESH_S = 10.0


def inspect(
    request: InspectionRequest,
    *,
    progress: Callable[[InspectionProgress], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> InspectionResult:
    """Inspect a folder, or continue an earlier call with the same output.

    Args:
        request: Files to inspect, and how to inspect them.
        progress: Called at the beginning and whenever files have got their rows.
        stop: Called often; once it returns True, the call ends within a second or two and keeps every row.

    Raises:
        UsageError: If there is no file or model, a rule needs a scale and there is none, or labels are requested
            together with ``watch``.
        MissingExtraError: If Parquet is requested and pyarrow is not installed.
        ModelError: If the model cannot be loaded.
        OutputError: If a result cannot be written, or the output folder belongs to something else.
    """
    if request.watch and request.formats:
        raise UsageError(
            "labels are written at the end of an inspection, and --watch has none",
            hint="run again without --watch; inspected files keep their rows",
        )
    if request.parquet:
        require_extra("parquet")
    check_scale(request.settings.area.rules, known=request.settings.scale is not None)
    key = compute_key(request.settings)
    try:
        files = request.source.files(stop=stop)
        if not files and not request.watch and not stop():
            raise UsageError(
                "holds no file to inspect", where=request.source.folder, hint="check the path and --pattern"
            )
        make_folder(request.output)
        with hold_folder(request.output), Store(request.output / "results.sqlite") as store:
            known = store.known_files()
            state = RunState(
                request=request,
                store=store,
                key=key,
                known=known,
                names=OutputNames({path: row.outputs[0].name for path, row in known.items() if row.outputs}),
                files={file.path: file for file in files},
                progress=progress or _ignore,
                stop=stop,
            )
            return _run(state)
    except OSError as error:
        raise OutputError(
            f"the inspection cannot continue ({display_text(error.strerror or str(error))})",
            where=request.output,
            hint="remove the cause and run the same command again",
        ) from error


def _ignore(_progress: InspectionProgress) -> None:
    pass


def _run(state: RunState) -> InspectionResult:
    _begin(state)
    _inspect_files(state)
    interrupted = state.stop()
    unlabelled: Sequence[tuple[str, str]] = ()
    if not interrupted:
        _export(state)
        unlabelled = _write_labels(state)
    return summarise(state, unlabelled, interrupted=interrupted)


def _begin(state: RunState) -> None:
    """Remove the leftovers of a killed run and record the configuration."""
    config = dump_request(state.request, state.key)
    sweep_folder(state.request.output)
    write_bytes(state.request.output / "inspect.yaml", config.encode())
    texts = state.store.settings()
    state.terms = texts.get("terms", "") if texts.get("model_sha256") == state.key.model else ""
    about = json.dumps(describe_request(state.request))
    state.store.write_settings(
        {"config": config, "about": about, "model_sha256": state.key.model, "terms": state.terms}
    )


def _inspect_files(state: RunState) -> None:
    """Inspect every file without a valid row, then watch if requested."""
    request = state.request
    tasks = admit_files(state, list(state.files.values()))
    show_progress(state)
    if not tasks and not request.watch:
        return
    with _open_pool(request, tasks) as pool:
        pool.add(tasks)
        _drain(state, pool)
        if request.watch:
            _watch(state, pool)
        keep_remarks(state, pool)
        worker_died = pool.deaths > 0
    if worker_died:
        sweep_folder(request.output)


def _open_pool(request: InspectionRequest, tasks: Sequence[Task]) -> Pool:
    plan = request.plan or InspectorPlan(request.settings, request.source.folder.absolute(), request.output.absolute())
    workers = request.workers or usable_cores()
    return Pool(plan, workers if request.watch else min(workers, len(tasks)), request.limits, start=request.start)


def _drain(state: RunState, pool: Pool) -> None:
    """Keep the rows of files that return from the workers."""
    while pool.pending and not state.stop():
        outcomes = pool.poll(_POLL_S)
        keep_remarks(state, pool)
        if outcomes:
            keep_rows(state, [row_of(outcome, state.key) for outcome in outcomes])
            show_progress(state)


def _watch(state: RunState, pool: Pool) -> None:
    """Wait for new files and inspect them, until the run must end."""
    source = state.request.source
    settled = SettledFiles()
    settled.exclude(state.files.values())
    _export(state)
    stale, refreshed_s = False, time.monotonic()
    with Waker(source.folder) as waker:
        while not state.stop():
            new = settled.new(source.files(stop=state.stop))
            state.files.update({file.path: file for file in new})
            pool.add(admit_files(state, new))
            stale = stale or bool(new)
            _drain(state, pool)
            if stale and time.monotonic() - refreshed_s >= _REFRESH_S and not state.stop():
                _export(state)
                stale, refreshed_s = False, time.monotonic()
            waker.wait(state.stop, pending=settled.waiting or stale)
    _export(state)


def _export(state: RunState) -> None:
    """Write the tables and the report."""
    output, store = state.request.output, state.store
    write_csv(output / "results.csv", store.records())
    if state.request.parquet:
        write_parquet(output / "results.parquet", store.records())
    write_report(output / "report.html", store)


def _write_labels(state: RunState) -> Sequence[tuple[str, str]]:
    """Write labels; return name and reason of each image without them."""
    request = state.request
    return write_labels(request.output, request.source.folder, state.store, request.formats) if request.formats else ()
