"""What commands say: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

_SHOW_AFTER_S = 1.0
_PLAIN_EVERY_S = 15.0


def print_error(message: str) -> None:
    """Print one line on stderr."""
    print(f"crackseg: error: {message}", file=sys.stderr)


def print_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    print(json.dumps(value, indent=2, allow_nan=False))


class ProgressLine:
    """Progress of work that takes more than a second: a bar on a terminal, a plain line now and then elsewhere.

    Args:
        title: What is being done.
        total: Of how much.
        quiet: Say nothing.
    """

    def __init__(self, title: str, total: float, *, quiet: bool) -> None:
        self._title, self._total, self._quiet = title, total, quiet
        self._bar: Progress | None = None
        self._started_s = time.monotonic()
        self._plain_s = self._started_s

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: float, note: str = "", *, total: float | None = None) -> None:
        """Show how much is done, of a total that may have changed."""
        now = time.monotonic()
        self._total = self._total if total is None else total
        if self._quiet or now - self._started_s < _SHOW_AFTER_S:
            return
        if sys.stderr.isatty():
            self._update_bar(done, note)
        elif now - self._plain_s >= _PLAIN_EVERY_S:
            self._plain_s = now
            left_s = (now - self._started_s) * (self._total - done) / max(done, 1e-9)
            self.say(f"{self._title}: {100 * done / self._total:.0f} %, {_clock(left_s)} left  {note}".rstrip())

    def say(self, line: str) -> None:
        """Print a line on stderr, above the bar if there is one."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def _update_bar(self, done: float, note: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        if self._bar is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", markup=False),
            )
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.add_task(self._title, total=self._total, note="")
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done, total=self._total, note=note)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
