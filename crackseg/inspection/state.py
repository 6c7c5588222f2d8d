"""Keep the state of an inspection that is under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from crackseg.inspection.output_names import OutputNames
from crackseg.inspection.pool import Pool, TaskOutcome
from crackseg.inspection.records import Key, Row
from crackseg.inspection.request import InspectionRequest
from crackseg.inspection.result import InspectionProgress, InspectionResult
from crackseg.inspection.source import SourceFile
from crackseg.inspection.store import KnownFile, Store


@dataclass(slots=True, kw_only=True)
class RunState:
    """State of one call of `crackseg.inspection.run.inspect`.

    Attributes:
        request: Files to inspect, and how.
        store: Database of the results.
        key: Part of the key that all results of this run share.
        known: Files that had a row when the run began, by path.
        names: Names of masks and overlays.
        files: Files of the inspected folder, by path.
        progress: Function that is called after every change.
        stop: Function that returns True once the run must end.
        finished: Paths of the files that have a valid row.
        counts: Number of files with a valid row, by status and by verdict.
        inspected: Number of rows written by this run.
        notes: Remarks of the inspectors.
        terms: Terms of use of the model; empty until a worker has loaded it.
    """

    request: InspectionRequest
    store: Store
    key: Key
    known: Mapping[bytes, KnownFile]
    names: OutputNames
    files: dict[bytes, SourceFile]
    progress: Callable[[InspectionProgress], None]
    stop: Callable[[], bool]
    finished: set[bytes] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    inspected: int = 0
    notes: set[str] = field(default_factory=set)
    terms: str = ""


def count_file(state: RunState, path: bytes, status: str, verdict: str | None) -> None:
    """Count a file that has a valid row."""
    state.finished.add(path)
    state.counts.update([status] if verdict is None else [status, verdict])


def keep_rows(state: RunState, rows: Sequence[Row]) -> None:
    """Write rows to the disk and count them.

    Raises:
        OutputError: If they cannot be written.
    """
    if not rows:
        return
    state.store.put(rows)
    state.inspected += len(rows)
    for row in rows:
        count_file(state, row.path, row.result.status, row.result.verdict)


def row_of(outcome: TaskOutcome, key: Key) -> Row:
    """Return the row of a file that came back from a worker."""
    read = outcome.read
    whole_key = Key(None if read is None else read.sha256, key.model, key.config)
    return Row(outcome.task.path, whole_key, None if read is None else read.stamp, outcome.result, outcome.tries)


def keep_remarks(state: RunState, pool: Pool) -> None:
    """Keep the notes of the inspectors and the terms of their model."""
    state.notes |= pool.notes
    if pool.terms not in ("", state.terms):
        state.terms = pool.terms
        state.store.write_settings({"terms": state.terms})


def show_progress(state: RunState) -> None:
    """Call the progress function of the run."""
    state.progress(InspectionProgress(len(state.finished), len(state.files), counts=dict(state.counts)))


def summarise(state: RunState, unlabelled: Sequence[tuple[str, str]], *, interrupted: bool) -> InspectionResult:
    """Return the result of a run from the rows in the store."""
    counts: Counter[str] = Counter()
    failures, gone = [], 0
    for path, name, status, verdict, message in state.store.verdicts():
        if path not in state.files:
            gone += 1
            continue
        counts.update([status] if verdict is None else [status, verdict])
        if status == "failed":
            failures.append((name, message))
    return InspectionResult(
        output=state.request.output,
        files=len(state.files),
        inspected=state.inspected,
        counts=dict(counts),
        failures=failures,
        unlabelled=unlabelled,
        gone=gone,
        notes=sorted(state.notes),
        interrupted=interrupted,
        model=state.request.settings.model_name,
        terms=state.terms,
    )
