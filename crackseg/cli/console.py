"""Print the results of commands on stdout, and their progress and errors on stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from crackseg.parallel import Progress

_SHOW_AFTER_S = 1.0
_PLAIN_EVERY_S = 15.0


def print_error(message: str) -> None:
    """Print one line on stderr."""
    print(f"crackseg: error: {message}", file=sys.stderr)


class ProgressDisplay:
    """Progress of work that takes over a second: a bar on a terminal, now and then a plain line elsewhere.

    Args:
        title: Name of the work.
        silent: Print nothing.
    """

    def __init__(self, title: str, *, silent: bool) -> None:
        self._title, self._silent = title, silent
        self._bar: RichProgress | None = None
        self._started_s = time.monotonic()
        self._plain_s = self._started_s

    def __call__(self, progress: Progress) -> None:
        """Show progress; this makes the display a progress callback."""
        now = time.monotonic()
        if self._silent or now - self._started_s < _SHOW_AFTER_S:
            return
        if sys.stderr.isatty():
            self._update_bar(progress)
        elif now - self._plain_s >= _PLAIN_EVERY_S:
            self._plain_s = now
            left_s = (now - self._started_s) * (1 - progress.fraction) / max(progress.fraction, 1e-9)
            line = f"{self._title}: {100 * progress.fraction:.0f} %, {_clock(left_s)} left  {progress.note}"
            self.write(line.rstrip())

    def write(self, line: str) -> None:
        """Print a line on stderr, above the bar if there is one."""
        if self._silent:
            return
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()

    def _update_bar(self, progress: Progress) -> None:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        if self._bar is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", markup=False),
            )
            self._bar = RichProgress(*columns, console=RichConsole(stderr=True))
            self._bar.add_task(self._title, total=1.0, note="")
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=progress.fraction, total=1.0, note=progress.note)


class Console:
    """Output of one command.

    Args:
        json: Print one JSON object on stdout instead of text.
        quiet: Print neither progress nor notes.
        verbose: Print details.
        mute: Print nothing but errors; for all but the first process of a distributed training.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False, verbose: bool = False, mute: bool = False) -> None:
        self.json, self._mute = json, mute
        self._silent = json or quiet or mute
        self._verbose = verbose
        self._display: ProgressDisplay | None = None

    def muted(self) -> Console:
        """Return a console that prints nothing but errors."""
        return Console(mute=True)

    @contextlib.contextmanager
    def progress(self, title: str) -> Iterator[ProgressDisplay]:
        """Yield a progress callback that shows a bar until the block ends."""
        self._display = ProgressDisplay(title, silent=self._silent)
        try:
            yield self._display
        finally:
            self._display.close()
            self._display = None

    def result(self, values: Mapping[str, Any], text: str) -> None:
        """Print a result: the values as JSON, or the text."""
        if self.json and not self._mute:
            import json

            print(json.dumps(values, indent=2, allow_nan=False))
        else:
            self.text(text)

    def text(self, text: str) -> None:
        """Print text on stdout, unless JSON goes there."""
        if not self.json and not self._mute and text:
            print(text)

    def note(self, message: str) -> None:
        """Print a remark on stderr."""
        self._write(f"crackseg: note: {message}")

    def detail(self, message: str) -> None:
        """Print a line on stderr if the user asked for details."""
        if self._verbose:
            self._write(message)

    def warning(self, message: str) -> None:
        """Print a warning on stderr, whatever the flags are."""
        print(f"crackseg: warning: {message}", file=sys.stderr)

    def error(self, message: str) -> None:
        """Print an error on stderr, whatever the flags are."""
        print_error(message)

    def _write(self, line: str) -> None:
        if self._display is not None:
            self._display.write(line)
        elif not self._silent:
            print(line, file=sys.stderr)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
