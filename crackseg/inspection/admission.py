"""Decide which files must be inspected and which rows are still valid."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from crackseg.inspection.records import FileStamp, Row
from crackseg.inspection.source import SourceFile
from crackseg.inspection.state import RunState, count_file, keep_rows
from crackseg.inspection.store import KnownFile
from crackseg.inspection.tasks import Task


def admit_files(state: RunState, files: Sequence[SourceFile]) -> list[Task]:
    """Return a task for each file that must be inspected.

    The other files are counted. Those that will not be opened get their row now.

    Raises:
        OutputError: If a row cannot be written.
    """
    refused: list[Row] = []
    stamps: dict[bytes, FileStamp] = {}
    tasks: list[Task] = []
    for file in files:
        if state.stop():
            break
        known = state.known.get(file.path)
        if file.refusal is not None:
            if known is None or (known.status, known.code) != (file.refusal.status, file.refusal.code):
                refused.append(Row(file.path, state.key, file.stamp, file.refusal))
            else:
                count_file(state, file.path, known.status, None)
        elif known is not None and _is_valid(state, file, known, stamps):
            count_file(state, file.path, known.status, known.verdict)
        else:
            tasks.append(Task(file.path, state.names.name(file.path)))
    keep_rows(state, refused)
    state.store.restamp(stamps)
    return tasks


def _is_valid(state: RunState, file: SourceFile, known: KnownFile, stamps: dict[bytes, FileStamp]) -> bool:
    """Return whether a row is still valid.

    The file, the model and the configuration must be the same, and the outputs must be in place.

    Args:
        state: State of the run.
        file: File as it is now.
        known: Its row.
        stamps: Receives the new stamp of a file with new times and the same bytes.
    """
    key, retry = known.key, state.request.retry_failed and known.status == "failed"
    if key.file is None or (key.model, key.config) != (state.key.model, state.key.config) or retry:
        return False
    if not all(_size_of(state.request.output, output.path) == output.size_bytes for output in known.outputs):
        return False
    if known.stamp is not None and file.stamp is not None and known.stamp.same_file(file.stamp):
        return True
    try:
        data = (state.request.source.folder / os.fsdecode(file.path)).read_bytes()
    except OSError:
        return False
    same = hashlib.sha256(data).hexdigest() == key.file
    if same and file.stamp is not None:
        stamps[file.path] = file.stamp
    return same


def _size_of(folder: Path, path: bytes) -> int | None:
    try:
        return (folder / os.fsdecode(path)).stat().st_size
    except OSError:
        return None
