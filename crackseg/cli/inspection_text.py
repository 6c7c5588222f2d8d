"""Put the progress and the summary of an inspection into words."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from crackseg.errors import display_text
from crackseg.parallel import Progress

if TYPE_CHECKING:
    from crackseg.inspection.result import InspectionProgress, InspectionResult

_MOST_ERRORS = 20
_VERDICTS = ("OK", "WARN", "NG", "CANNOT JUDGE")
_STATUSES = ("ok", "failed", "skipped")


class SpeedNote:
    """Progress of an inspection with its speed and its verdicts in words.

    Files that an earlier run inspected do not count.
    """

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._before: float | None = None

    def add_note(self, progress: InspectionProgress) -> Progress:
        """Return the progress of this run, with its note."""
        if self._before is None:
            self._before = progress.done
        done, total = progress.done - self._before, max(progress.total - self._before, 1)
        rate = done / max(time.monotonic() - self._started_s, 1e-9)
        return Progress(done, total, f"{rate:.1f} files/s, {_count(progress.counts)}")


def failure_lines(summary: InspectionResult) -> Iterator[str]:
    """Yield one line for each failure, up to a limit."""
    for name, message in summary.failures[:_MOST_ERRORS]:
        yield f"{name}: {message}"
    if len(summary.failures) > _MOST_ERRORS:
        yield f"{len(summary.failures) - _MOST_ERRORS} more files failed; results.csv lists all of them"
    for name, message in summary.unlabelled[:_MOST_ERRORS]:
        yield f"{name}: has no labels: {message}"


def summary_text(summary: InspectionResult) -> str:
    """Return the summary in one line."""
    rows = sum(summary.counts.get(status, 0) for status in _STATUSES)
    if summary.interrupted:
        return f"stopped: {rows} of {summary.files} files done; run the same command again to continue"
    gone = f"; {summary.gone} rows of files that no longer exist" if summary.gone else ""
    counts = f"{summary.files} files, {summary.inspected} of them now: {_count(summary.counts)}{gone}"
    return f"{counts} -> {display_text(summary.output / 'report.html')}"


def _count(counts: Mapping[str, int]) -> str:
    parts = [f"{counts[key]} {key}" for key in (*_VERDICTS, "failed", "skipped") if counts.get(key)]
    return ", ".join(parts) or "no verdict yet"
