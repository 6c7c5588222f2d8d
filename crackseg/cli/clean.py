"""Declare ``crackseg clean``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from crackseg.cli.command import Command, Option, PathInput, Positional, as_function, as_paths, option
from crackseg.cli.outcome import Outcome
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, ImageError, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.masks.cleaning import CleanedMask, Cleaning


@dataclass(frozen=True)
class CleanedFile:
    """Mask that was cleaned and written.

    Attributes:
        target: File written.
        mask: The cleaned mask.
    """

    target: Path
    mask: "CleanedMask"

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the arrays, ready for JSON."""
        return {"output": display_text(self.target), **self.mask.to_dict()}


@dataclass(frozen=True)
class CleanedMasks:
    """Several masks that were cleaned.

    Attributes:
        outcomes: Cleaned file or error of each mask, in input order.
        output: Folder or file written.
    """

    outcomes: tuple[Outcome[CleanedFile], ...]
    output: Path

    def __repr__(self) -> str:
        return f"CleanedMasks('{display_text(self.output)}', {len(self.results)} masks, {self.failed} failed)"

    @property
    def results(self) -> tuple[CleanedFile, ...]:
        """Masks that were cleaned."""
        return tuple(outcome.result for outcome in self.outcomes if outcome.result is not None)

    @property
    def failed(self) -> int:
        """Number of masks that could not be cleaned."""
        return len(self.outcomes) - len(self.results)

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        masks = [
            {"mask": outcome.name, "error": str(outcome.error)}
            if outcome.result is None
            else {"mask": outcome.name, **outcome.result.to_dict()}
            for outcome in self.outcomes
        ]
        return {"output": display_text(self.output), "failed": self.failed, "masks": masks}

    def rows(self) -> list[dict[str, Any]]:
        """Return one dictionary for each mask."""
        return [
            {
                "mask": outcome.name,
                "output": display_text(outcome.result.target),
                "before_px": outcome.result.mask.before_px,
                "after_px": outcome.result.mask.after_px,
            }
            for outcome in self.outcomes
            if outcome.result is not None
        ]


def _size(flag: str, text: str, default: str = "off") -> Option:
    return option(flag, metavar="N", help=text, group="Steps, in their order", default=default)


def _limit(flag: str, text: str, default: str = "off") -> Option:
    return option(flag, metavar="PX", help=text, group="Steps, in their order", default=default)


@dataclass(frozen=True)
class Clean(Command[CleanedMasks]):
    """Remove specks, holes and gaps from masks.

    Only the steps given as options run, in the order below. Without any, --open 3 --min-area 50 run, and 0 turns one of
    them off. With -o, a single mask may be written to a .png file.

    Example:
        >>> import crackseg
        >>> walls = crackseg.generate("walls", count=1, size=64)
        >>> crackseg.clean("walls/masks", output="cleaned", min_area=20)
        CleanedMasks('cleaned', 1 masks, 0 failed)
    """

    masks: Annotated[PathInput | Sequence[PathInput], Positional("MASK|DIR", "Masks, or folders of masks.")]
    _: KW_ONLY
    output: Annotated[
        PathInput, option("--output", "-o", metavar="DIR|PNG", help="Folder, or a .png for one mask.", group="Output")
    ] = "cleaned"
    restore_texture: Annotated[
        bool, option("--restore-texture", help="Write the grey values under the remaining cracks.", group="Output")
    ] = False
    preset: Annotated[
        Literal["classic"] | None,
        option("--preset", help="Same as --open 3 --min-area 51 --restore-texture.", group="Settings"),
    ] = None
    element: Annotated[
        Literal["rectangle", "ellipse", "cross"] | None,
        option("--element", help="Shape of the structuring elements.", group="Settings", default="rectangle"),
    ] = None
    tophat: Annotated[int | None, _size("--tophat", "Keep only bright lines narrower than N.")] = None
    blackhat: Annotated[int | None, _size("--blackhat", "Keep only dark lines narrower than N.")] = None
    level: Annotated[
        int | None,
        option(
            "--level",
            metavar="0-255",
            help="Grey level from which a pixel counts as crack.",
            group="Steps, in their order",
            default="128",
        ),
    ] = None
    erode: Annotated[int | None, _size("--erode", "Erode with an element N wide.")] = None
    dilate: Annotated[int | None, _size("--dilate", "Dilate with an element N wide.")] = None
    open: Annotated[int | None, _size("--open", "Open: remove parts narrower than N.", "3 without other steps")] = None
    close: Annotated[int | None, _size("--close", "Close: fill gaps narrower than N.")] = None
    fill_holes: Annotated[bool, option("--fill-holes", help="Fill holes.", group="Steps, in their order")] = False
    max_hole: Annotated[int | None, _limit("--max-hole", "Leave holes larger than this area.", "no limit")] = None
    bridge: Annotated[float | None, _limit("--bridge", "Join aligned crack ends across gaps up to this length.")] = None
    min_area: Annotated[
        int | None, _limit("--min-area", "Remove components of a smaller area.", "50 without other steps")
    ] = None
    min_length: Annotated[float | None, _limit("--min-length", "Remove components with a shorter skeleton.")] = None
    min_elongation: Annotated[
        float | None,
        option(
            "--min-elongation",
            metavar="RATIO",
            help="Remove components with a smaller ratio of length to mean width.",
            group="Steps, in their order",
            default="off",
        ),
    ] = None
    max_distance: Annotated[
        float | None, _limit("--max-distance", "Remove components farther than this from every long one.")
    ] = None
    long: Annotated[
        float | None,
        _limit("--long", "Length from which --max-distance treats a component as long.", "the longest one"),
    ] = None
    examples = ("crackseg clean masks/ -o cleaned --close 5 --min-area 80",)

    def run(self) -> CleanedMasks:
        """Clean all masks."""
        return self._clean(lambda _: None)

    def execute(self, console: "Console") -> int:
        """Clean all masks and print each when it is written."""

        def show(outcome: Outcome[CleanedFile]) -> None:
            if outcome.error is not None:
                console.error(str(outcome.error))
            elif outcome.result is not None:
                if outcome.result.mask.emptied is not None:
                    console.warning(f"{outcome.name}: nothing is left: {outcome.result.mask.emptied}")
                console.text(_summary(outcome.name, outcome.result))

        with console.progress("clean") as progress:
            result = replace(self, progress=progress)._clean(show)
        return self.show(result, console)

    def show(self, result: CleanedMasks, console: "Console") -> int:
        """Print the JSON object; the text of each mask is printed already."""
        console.result(result.to_dict(), "")
        return EXIT_SOME_FAILED if result.failed else EXIT_DONE

    def _clean(self, show: Callable[[Outcome[CleanedFile]], None]) -> CleanedMasks:
        outcomes = []
        for outcome in self._outcomes():
            show(outcome)
            outcomes.append(outcome)
        return CleanedMasks(tuple(outcomes), Path(self.output))

    def _outcomes(self) -> Iterator[Outcome[CleanedFile]]:
        from crackseg.masks.cleaning import clean_file

        cleaning = self._cleaning()
        targets = _targets(as_paths(self.masks), Path(self.output))
        for number, (path, target) in enumerate(targets.items(), start=1):
            name = display_text(path)
            try:
                yield Outcome(name, CleanedFile(target, clean_file(path, target, cleaning)))
            except ImageError as error:
                yield Outcome(name, error=error)
            self.advance(number, len(targets))

    def _cleaning(self) -> "Cleaning":
        from crackseg.masks.cleaning import choose_cleaning

        sizes = ["tophat", "blackhat", "erode", "dilate", "open", "close", "max_hole", "bridge", "min_area"]
        sizes += ["min_length", "max_distance", "long"]
        values: dict[str, Any] = {f"{name}_px": getattr(self, name) for name in sizes}
        values |= {name: getattr(self, name) for name in ("element", "level", "min_elongation")}
        values |= {"fill_holes": self.fill_holes or None, "texture": self.restore_texture or None}
        return choose_cleaning(self.preset, values)


def _targets(items: list[Path], output: Path) -> dict[Path, Path]:
    """Return the file that each mask is cleaned into.

    Raises:
        UsageError: If a path is missing or holds no mask, or a file that is read would be written.
    """
    from crackseg.files import list_images

    whole = output.resolve()
    targets: dict[Path, Path] = {}
    sources: dict[Path, Path] = {}
    for item in items:
        if not item.exists():
            raise UsageError("no such file or folder", where=item, hint="check the path")
        if whole in (item.resolve(), item.resolve().parent if item.is_file() else item.resolve()):
            raise UsageError("would overwrite the masks it reads", where=output, hint="choose another folder for -o")
        paths = list_images(item) if item.is_dir() else (item,)
        if not paths:
            raise UsageError("holds no mask", where=item, hint="put masks there, for example as PNG")
        single = output.suffix.lower() == ".png" and len(items) == 1 and item.is_file()
        for path in paths:
            target = output if single else output / f"{path.stem}.png"
            if sources.setdefault(target, path) != path:
                other = display_text(sources[target])
                raise UsageError(
                    f"would write the same file as {other}", where=path, hint="clean them into two folders"
                )
            targets[path] = target
    return targets


def _summary(name: str, cleaned: CleanedFile) -> str:
    before_px, after_px = cleaned.mask.before_px, cleaned.mask.after_px
    share = f" ({100 * after_px / before_px:.1f} %)" if before_px else ""
    target = display_text(cleaned.target)
    return f"{display_text(Path(name).name)}: {after_px} of {before_px} crack pixels{share} -> {target}"


clean = as_function(Clean)
