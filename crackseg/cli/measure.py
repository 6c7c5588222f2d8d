"""Declare ``crackseg measure``."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from crackseg.cli.command import Command, PathInput, Positional, as_function, as_path, as_paths, option
from crackseg.cli.options import MarkerOption, ScaleFileOption, ScaleOption
from crackseg.cli.outcome import Outcome
from crackseg.cli.scale import scale_source
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, CracksegError, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.measurement.report import MeasuredMask


@dataclass(frozen=True)
class MeasuredMasks:
    """Measurements of several masks.

    Attributes:
        outcomes: Measurements or error of each mask, in input order.
        output: Folder of the files written; None if none were.
    """

    outcomes: "tuple[Outcome[MeasuredMask], ...]"
    output: Path | None

    def __repr__(self) -> str:
        cracks = sum(len(mask.cracks) for mask in self.results)
        return f"MeasuredMasks({len(self.results)} masks, {cracks} cracks, {self.failed} failed)"

    @property
    def results(self) -> "tuple[MeasuredMask, ...]":
        """Masks that were measured."""
        return tuple(outcome.result for outcome in self.outcomes if outcome.result is not None)

    @property
    def failed(self) -> int:
        """Number of masks that could not be measured."""
        return len(self.outcomes) - len(self.results)

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        images = [
            {"image": outcome.name, "error": str(outcome.error)} if outcome.result is None else outcome.result.to_dict()
            for outcome in self.outcomes
        ]
        return {
            "output": None if self.output is None else display_text(self.output),
            "failed": self.failed,
            "images": images,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row per crack, ready for a data frame."""
        return [row for mask in self.results for row in mask.rows()]


@dataclass(frozen=True)
class Measure(Command[MeasuredMasks]):
    """Measure the cracks of existing masks.

    Reports length, width and pattern, each width with its uncertainty. In a folder written by crackseg predict, only
    the files *_mask.png are measured.

    Note:
        With output=None, no files are written.

    Example:
        >>> import crackseg
        >>> walls = crackseg.generate("walls", count=1, size=128)
        >>> len(crackseg.measure("walls/masks", output=None).results)
        1
    """

    masks: Annotated[PathInput | Sequence[PathInput], Positional("MASK|DIR", "Masks, or folders of masks.")]
    _: KW_ONLY
    images: Annotated[
        PathInput | None,
        option("--images", metavar="DIR", help="Images of the masks, to measure narrow cracks in.", group="Input"),
    ] = None
    output: Annotated[
        PathInput | None,
        option("--output", "-o", metavar="DIR", help="Folder for MASK.json and measurements.csv.", group="Output"),
    ] = "measurements"
    scale: ScaleOption = None
    scale_file: ScaleFileOption = None
    marker: MarkerOption = None
    examples = ("crackseg measure masks -o measured --scale 0.4",)

    def run(self) -> MeasuredMasks:
        """Measure all masks."""
        return self._measure(lambda _: None)

    def execute(self, console: "Console") -> int:
        """Measure all masks and print each when it is measured."""

        def show(outcome: "Outcome[MeasuredMask]") -> None:
            if outcome.error is not None:
                console.error(str(outcome.error))
            elif outcome.result is not None:
                console.text(f"{outcome.name}: {outcome.result.summary()}")

        with console.progress("measure") as progress:
            result = replace(self, progress=progress)._measure(show)
        return self.show(result, console)

    def show(self, result: MeasuredMasks, console: "Console") -> int:
        """Print the JSON object; the text of each mask is printed already."""
        console.result(result.to_dict(), "")
        return EXIT_SOME_FAILED if result.failed else EXIT_DONE

    def _measure(self, show: "Callable[[Outcome[MeasuredMask]], None]") -> MeasuredMasks:
        from crackseg.files import make_folder, write_bytes
        from crackseg.measurement.report import to_csv

        output = as_path(self.output)
        outcomes = []
        for outcome in self._outcomes(output):
            show(outcome)
            outcomes.append(outcome)
        result = MeasuredMasks(tuple(outcomes), output)
        if output is not None:
            write_bytes(make_folder(output) / "measurements.csv", to_csv(result.results).encode())
        return result

    def _outcomes(self, output: Path | None) -> "Iterator[Outcome[MeasuredMask]]":
        """Measure each mask and write its JSON file."""
        from crackseg.files import make_folder, write_bytes
        from crackseg.measurement.mask_files import collect_masks, measure_file

        paths, images = collect_masks(as_paths(self.masks)), as_path(self.images)
        scale = scale_source(self.scale, self.scale_file, self.marker)
        if self.marker is not None and images is None:
            raise UsageError("needs the images", where="--marker", hint="give their folder with --images")
        for number, path in enumerate(paths, start=1):
            name = display_text(path.name)
            try:
                mask = measure_file(path, images, scale)
            except CracksegError as error:
                outcome = Outcome["MeasuredMask"](name, error=error)
            else:
                outcome = Outcome(name, mask)
                if output is not None:
                    text = json.dumps(mask.to_dict(), indent=2) + "\n"
                    write_bytes(make_folder(output) / f"{path.stem}.json", text.encode())
            yield outcome
            self.advance(number, len(paths))


measure = as_function(Measure)
