"""``crackseg inspect``."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crackseg.cli.options import JsonFlag, ProgressLine, QuietFlag, print_error, print_json
from crackseg.cli.scale_options import MarkerOption, ScaleFileOption, ScaleOption, known_scale
from crackseg.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_SOME_FAILED, EXIT_VERDICT, display_text

if TYPE_CHECKING:
    from crackseg.inspection.run import InspectionProgress, InspectionRequest, InspectionResult

FailOn = Literal["ng", "cannot-judge", "warn"]

_FAILS: dict[FailOn, tuple[str, ...]] = {
    "ng": ("NG",),
    "cannot-judge": ("NG", "CANNOT JUDGE"),
    "warn": ("NG", "CANNOT JUDGE", "WARN"),
}
_MOST_ERRORS = 20


def inspect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of images, with all below it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("inspection"),
    rules: Annotated[Path | None, typer.Option(metavar="F", help="Rules in YAML.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="a.b=v", help="One value of them.")] = None,
    scale: ScaleOption = None,
    scale_file: ScaleFileOption = None,
    marker: MarkerOption = None,
    pattern: Annotated[
        list[str] | None, typer.Option(help="Only files like this, such as '*.jpg'; repeatable.")
    ] = None,
    listing: Annotated[Path | None, typer.Option("--list", metavar="F", help="Only the files named in F.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with files that come in later.")] = False,
    fail_on: Annotated[
        FailOn | None, typer.Option(help="Exit with 4 when an image is NG; or NG or CANNOT JUDGE; or not OK.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes. [default: one per core]", min=1)] = None,
    time_limit: Annotated[
        float, typer.Option(metavar="S", help="Seconds for a file, and 5 per megapixel.", min=1)
    ] = 120,
    memory: Annotated[float | None, typer.Option(metavar="GB", help="Memory of a process. [default: a share]")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed.")] = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="Also write results.parquet.")] = False,
    formats: Annotated[
        str | None, typer.Option(metavar="FORMATS", help="Also write labels: some of voc,coco,yolo,labelme.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A shipped model, a .onnx file or a run folder.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Probability that counts as crack. [default: the model's]")
    ] = None,
    tile: Annotated[int, typer.Option(metavar="PX", help="Largest side of a tile.", min=64)] = 2048,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Judge every image of a folder: OK, WARN, NG or CANNOT JUDGE, with reasons, measurements and a report.

    The same command again goes on where it stopped. Example: crackseg inspect drone/ -o out --scale 0.4
    """
    from crackseg.inspection.inspector import Settings
    from crackseg.inspection.rules import load_rules
    from crackseg.inspection.run import InspectionRequest
    from crackseg.inspection.source import Source
    from crackseg.inspection.worker_limits import worker_limits
    from crackseg.labels.detections import parse_formats

    settings = Settings(
        area=load_rules(rules, overrides=overrides or []),
        scale=known_scale(scale, scale_file, marker),
        model=model,
        threshold=threshold,
        tile_size=tile,
    )
    request = InspectionRequest(
        source=Source(folder, output, tuple(pattern or ()), listing),
        settings=settings,
        workers=workers,
        limits=worker_limits(workers, time_s=time_limit, memory_gb=memory),
        watch=watch,
        retry_failed=retry_failed,
        parquet=parquet,
        formats=parse_formats(formats),
    )
    return _run(request, fail_on, json=json, quiet=quiet)


def _run(request: InspectionRequest, fail_on: FailOn | None, *, json: bool, quiet: bool) -> int:
    """Run a request, show how far it is, and say what it came to."""
    from crackseg.inspection.run import inspect as run

    with _until_told_to_stop() as stop, ProgressLine("inspect", 1, quiet=quiet or json) as line:
        started_s = time.monotonic()
        before: list[int] = []

        def show(progress: InspectionProgress) -> None:
            if not before:
                before.append(progress.done)
            done, total = progress.done - before[0], max(progress.total - before[0], 1)
            rate = done / max(time.monotonic() - started_s, 1e-9)
            line.update(done, f"{rate:.1f} files/s, {_counts(progress.counts)}", total=total)

        summary = run(request, progress=show, stop=stop)
    for name, message in summary.failures[:_MOST_ERRORS]:
        print_error(f"{name}: {message}")
    if len(summary.failures) > _MOST_ERRORS:
        print_error(f"{len(summary.failures) - _MOST_ERRORS} more failed; results.csv names them all")
    for name, message in summary.unlabelled[:_MOST_ERRORS]:
        print_error(f"{name}: has no labels: {message}")
    for note in () if json or quiet else summary.notes:
        print(f"crackseg: note: {note}", file=sys.stderr)
    if json:
        print_json(_told(request, summary))
    else:
        print(_sentence(request, summary))
    return _exit_code(summary, fail_on)


def _exit_code(summary: InspectionResult, fail_on: FailOn | None) -> int:
    if summary.interrupted:
        return EXIT_INTERRUPTED
    if fail_on is not None and any(summary.counts.get(verdict) for verdict in _FAILS[fail_on]):
        return EXIT_VERDICT
    return EXIT_SOME_FAILED if summary.counts.get("failed") or summary.unlabelled else EXIT_DONE


def _counts(counts: Mapping[str, int]) -> str:
    parts = [
        f"{counts[key]} {key}" for key in ("OK", "WARN", "NG", "CANNOT JUDGE", "failed", "skipped") if counts.get(key)
    ]
    return ", ".join(parts) or "none judged"


def _sentence(request: InspectionRequest, summary: InspectionResult) -> str:
    rows = sum(summary.counts.get(status, 0) for status in ("ok", "failed", "skipped"))
    if summary.interrupted:
        return f"stopped: {rows} of {summary.files} files done; the same command goes on"
    gone = f"; {summary.gone} rows of files that are not there any more" if summary.gone else ""
    done = f"{summary.files} files, {summary.inspected} of them now: {_counts(summary.counts)}{gone}"
    return f"{done} -> {display_text(request.output / 'report.html')}"


def _told(request: InspectionRequest, summary: InspectionResult) -> dict[str, Any]:
    names = ("OK", "WARN", "NG", "CANNOT JUDGE", "ok", "failed", "skipped")
    statuses = {name: summary.counts.get(name, 0) for name in names}
    return {
        "output": display_text(request.output),
        "files": summary.files,
        "inspected": summary.inspected,
        "unlabelled": len(summary.unlabelled),
        "gone": summary.gone,
        "notes": list(summary.notes),
        "interrupted": summary.interrupted,
        "status": {name: statuses[name] for name in names[4:]},
        "verdict": {name: statuses[name] for name in names[:4]},
    }


@contextlib.contextmanager
def _until_told_to_stop() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether SIGINT or SIGTERM came; what is being written then is finished first."""
    told = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        told.set()

    if threading.current_thread() is not threading.main_thread():
        yield told.is_set
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
