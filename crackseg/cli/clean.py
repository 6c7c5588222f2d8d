"""``crackseg clean``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crackseg.cli.options import JsonFlag, ProgressLine, QuietFlag, print_error, print_json
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, ImageError, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.masks.cleaning import CleanedMask

_Element = Literal["rectangle", "ellipse", "cross"]


def _size(flag: str, does: str) -> Any:
    return typer.Option(flag, metavar="N", help=does, show_default=False)


def _px(flag: str, does: str) -> Any:
    return typer.Option(flag, metavar="PX", help=does, show_default=False)


def clean(
    masks: Annotated[list[Path], typer.Argument(help="Masks, or folders of masks.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder, or a .png for one mask.")],
    preset: Annotated[Literal["classic"] | None, typer.Option(help="--open 3 --min-area 51 --restore-texture.")] = None,
    element: Annotated[_Element | None, typer.Option(help="Shape of what is N wide. [default: rectangle]")] = None,
    tophat: Annotated[int | None, _size("--tophat", "Keep bright lines narrower than N.")] = None,
    blackhat: Annotated[int | None, _size("--blackhat", "Keep dark lines narrower than N.")] = None,
    level: Annotated[
        int | None, typer.Option(help="From this level of 255 on a pixel is crack. [default: 128]")
    ] = None,
    erode: Annotated[int | None, _size("--erode", "Shrink.")] = None,
    dilate: Annotated[int | None, _size("--dilate", "Grow.")] = None,
    opening: Annotated[int | None, _size("--open", "Drop what NxN does not fit into. [default: 3]")] = None,
    close: Annotated[int | None, _size("--close", "Fill what NxN does not fit into.")] = None,
    fill_holes: Annotated[bool, typer.Option("--fill-holes", help="Fill holes.")] = False,
    max_hole: Annotated[int | None, _px("--max-hole", "Holes of more pixels stay.")] = None,
    bridge: Annotated[float | None, _px("--bridge", "Join ends in line across gaps up to this.")] = None,
    min_area: Annotated[int | None, _px("--min-area", "Drop components of fewer pixels. [default: 50]")] = None,
    min_length: Annotated[float | None, _px("--min-length", "Drop components with a shorter skeleton.")] = None,
    min_elongation: Annotated[float | None, typer.Option(help="Drop those of less length over mean width.")] = None,
    max_distance: Annotated[float | None, _px("--max-distance", "Drop those farther from any long one.")] = None,
    long: Annotated[float | None, _px("--long", "Length of a long one. [default: the longest alone is]")] = None,
    texture: Annotated[bool, typer.Option("--restore-texture", help="Give back the grey under what is kept.")] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Clean masks of specks, holes, gaps and blotches. Steps run in the order of these options; 0 leaves one out.

    Example: crackseg clean masks/ -o cleaned --close 5 --min-area 80
    """
    from crackseg.masks.cleaning import choose_cleaning, clean_file

    sizes = {"tophat": tophat, "blackhat": blackhat, "erode": erode, "dilate": dilate, "open": opening, "close": close}
    lengths = {"max_hole": max_hole, "bridge": bridge, "min_area": min_area, "min_length": min_length}
    lengths |= {"max_distance": max_distance, "long": long}
    others = {"element": element, "level": level, "min_elongation": min_elongation}
    given = {f"{name}_px": value for name, value in (sizes | lengths).items()} | others
    cleaning = choose_cleaning(preset, {**given, "fill_holes": fill_holes or None, "texture": texture or None})
    targets = _targets(masks, output)
    results: list[dict[str, Any]] = []
    failed = 0
    with ProgressLine("clean", len(targets), quiet=quiet or json) as line:
        for done, (path, target) in enumerate(targets.items(), start=1):
            entry: dict[str, Any] = {"mask": display_text(path), "output": display_text(target)}
            try:
                found = clean_file(path, target, cleaning)
                entry |= found.to_dict()
                _tell(path, target, found, silent=json)
            except ImageError as error:
                failed += 1
                print_error(str(error))
                entry = {"mask": display_text(path), "error": str(error)}
            results.append(entry)
            line.update(done)
    if json:
        print_json({"output": display_text(output), "failed": failed, "masks": results})
    return EXIT_SOME_FAILED if failed else EXIT_DONE


def _targets(given: list[Path], output: Path) -> dict[Path, Path]:
    """Return which file each mask is cleaned into; nothing that is read may be written."""
    from crackseg.files import list_images

    whole = output.resolve()
    targets: dict[Path, Path] = {}
    sources: dict[Path, Path] = {}
    for item in given:
        if not item.exists():
            raise UsageError("no such file or folder", where=item, hint="check the path")
        if whole in (item.resolve(), item.resolve().parent if item.is_file() else item.resolve()):
            raise UsageError("would write where it reads", where=output, hint="choose another folder for -o")
        paths = list_images(item) if item.is_dir() else (item,)
        if not paths:
            raise UsageError("holds no mask", where=item, hint="put masks there, as PNG for example")
        single = output.suffix.lower() == ".png" and len(given) == 1 and item.is_file()
        for path in paths:
            target = output if single else output / f"{path.stem}.png"
            if sources.setdefault(target, path) != path:
                other = display_text(sources[target])
                raise UsageError(
                    f"would write the same file as {other}", where=path, hint="clean them into two folders"
                )
            targets[path] = target
    return targets


def _tell(path: Path, target: Path, found: CleanedMask, *, silent: bool) -> None:
    if found.emptied is not None:
        print(f"crackseg: warning: {display_text(path)}: nothing is left: {found.emptied}", file=sys.stderr)
    if not silent:
        before_px, after_px = found.before_px, found.after_px
        share = f" ({100 * after_px / before_px:.1f} %)" if before_px else ""
        print(f"{display_text(path.name)}: {after_px} of {before_px} crack pixels{share} -> {display_text(target)}")
