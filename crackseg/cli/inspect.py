"""Declare ``crackseg inspect``."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from crackseg.cli.command import Command, PathInput, Positional, as_function, as_path, option
from crackseg.cli.options import (
    FormatsOption,
    MarkerOption,
    ModelOption,
    ScaleFileOption,
    ScaleOption,
    SetOption,
    ThresholdOption,
    TtaOption,
    WorkersOption,
    memory_option,
)
from crackseg.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_SOME_FAILED, EXIT_VERDICT

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.inspection.request import InspectionRequest
    from crackseg.inspection.result import InspectionProgress, InspectionResult

FailOn = Literal["ng", "cannot-judge", "warn"]

_FAILING_VERDICTS: dict[FailOn, tuple[str, ...]] = {
    "ng": ("NG",),
    "cannot-judge": ("NG", "CANNOT JUDGE"),
    "warn": ("NG", "CANNOT JUDGE", "WARN"),
}


@dataclass(frozen=True)
class Inspect(Command["InspectionResult"]):
    """Inspect a folder of images by rules: OK, WARN, NG or CANNOT JUDGE.

    Writes results.sqlite, results.csv, report.html, masks and overlays. The same command continues a run that was
    stopped, and inspects only new and changed files.

    Example:
        >>> import crackseg
        >>> walls = crackseg.generate("walls", count=1, size=64)
        >>> crackseg.inspect("walls/images", output="inspected", workers=1).files
        1
    """

    folder: Annotated[PathInput, Positional("DIR", "Folder of images, with its subfolders.")]
    _: KW_ONLY
    pattern: Annotated[
        Sequence[str],
        option(
            "--pattern", metavar="GLOB", help="Only files that match, such as '*.jpg'.", group="Input", default="all"
        ),
    ] = ()
    list: Annotated[
        PathInput | None,
        option("--list", metavar="FILE", help="Only the files that FILE lists, one a line.", group="Input"),
    ] = None
    watch: Annotated[
        bool, option("--watch", help="Keep running and inspect files that are added later.", group="Input")
    ] = False
    retry_failed: Annotated[
        bool, option("--retry-failed", help="Inspect files again that failed before.", group="Input")
    ] = False
    output: Annotated[
        PathInput, option("--output", "-o", metavar="DIR", help="Folder for the results.", group="Output")
    ] = "inspection"
    parquet: Annotated[bool, option("--parquet", help="Also write results.parquet.", group="Output")] = False
    formats: FormatsOption = None
    fail_on: Annotated[
        FailOn | None,
        option(
            "--fail-on",
            help="Exit with code 4 if an image is NG; cannot-judge adds CANNOT JUDGE, warn also WARN.",
            group="Output",
            default="never",
        ),
    ] = None
    rules: Annotated[
        PathInput | None,
        option(
            "--rules",
            metavar="NAME|FILE",
            help="Rules: a YAML file or the name of shipped ones (crackseg configs).",
            group="Configuration",
            default="default",
        ),
    ] = None
    set: SetOption = ()
    model: ModelOption = None
    threshold: ThresholdOption = None
    tta: TtaOption = "none"
    scale: ScaleOption = None
    scale_file: ScaleFileOption = None
    marker: MarkerOption = None
    workers: WorkersOption = None
    time_limit: Annotated[
        float,
        option(
            "--time-limit",
            metavar="S",
            help="Seconds for one file, in addition to 5 for each megapixel and pass.",
            group="Computation",
            minimum=1,
        ),
    ] = 120
    memory: Annotated[float | None, memory_option("an equal share of 80 % of the machine")] = None
    tile: Annotated[
        int,
        option("--tile", metavar="PX", help="Largest side of a tile, in pixels.", group="Computation", minimum=64),
    ] = 2048
    examples = ("crackseg inspect drone/ -o out --scale 0.4 --rules concrete-0.3mm",)

    def run(self) -> "InspectionResult":
        """Inspect the folder."""
        return self._inspect(lambda progress: self.advance(progress.done, progress.total), stop=lambda: False)

    def execute(self, console: "Console") -> int:
        """Inspect the folder; SIGINT and SIGTERM stop after the files under way."""
        from crackseg.cli.inspection_text import SpeedNote
        from crackseg.cli.signals import stop_requested

        with stop_requested() as stop, console.progress("inspect") as display:
            speed = SpeedNote()
            result = self._inspect(lambda progress: display(speed.add_note(progress)), stop=stop)
        return self.show(result, console)

    def show(self, result: "InspectionResult", console: "Console") -> int:
        """Print the counts, the failures and the notes."""
        from crackseg.cli.inspection_text import failure_lines, summary_text

        for line in failure_lines(result):
            console.error(line)
        for note in result.notes:
            console.note(note)
        console.result(result.to_dict(), summary_text(result))
        if result.interrupted:
            return EXIT_INTERRUPTED
        if self.fail_on is not None and any(result.counts.get(name) for name in _FAILING_VERDICTS[self.fail_on]):
            return EXIT_VERDICT
        return EXIT_SOME_FAILED if result.counts.get("failed") or result.unlabelled else EXIT_DONE

    def _inspect(
        self, progress: "Callable[[InspectionProgress], None]", *, stop: Callable[[], bool]
    ) -> "InspectionResult":
        from crackseg.inspection.run import inspect

        return inspect(self._request(), progress=progress, stop=stop)

    def _request(self) -> "InspectionRequest":
        import os

        from crackseg.cli.scale import scale_source
        from crackseg.config import find_config
        from crackseg.inspection.request import InspectionRequest
        from crackseg.inspection.rules import load_rules
        from crackseg.inspection.settings import Settings
        from crackseg.inspection.source import Source
        from crackseg.inspection.worker_limits import worker_limits
        from crackseg.labels.detections import parse_formats
        from crackseg.prediction.tta import PASSES

        settings = Settings(
            area=load_rules(find_config("rules", self.rules), overrides=[*self.set]),
            scale=scale_source(self.scale, self.scale_file, self.marker),
            model=None if self.model is None else os.fspath(self.model),
            threshold=self.threshold,
            tile_size=self.tile,
            tta=self.tta,
        )
        return InspectionRequest(
            source=Source(Path(self.folder), Path(self.output), tuple(self.pattern), as_path(self.list)),
            settings=settings,
            workers=self.workers,
            limits=worker_limits(self.workers, time_s=self.time_limit, memory_gib=self.memory, passes=PASSES[self.tta]),
            watch=self.watch,
            retry_failed=self.retry_failed,
            parquet=self.parquet,
            formats=parse_formats(self.formats),
        )


inspect = as_function(Inspect)
