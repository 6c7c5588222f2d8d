"""``crackseg convert``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crackseg.cli.options import JsonFlag, ProgressLine, QuietFlag, print_error, print_json
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.labels.convert import ConversionResult
    from crackseg.labels.rle import Dialect

_Format = Literal["masks", "kaggle-rle", "coco", "voc", "yolo", "cvat", "labelme", "label-studio"]
_DialectName = Literal["column-1", "column-0", "row-1", "row-0", "guess"]


def convert(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="File or folder to read.", show_default=False)],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="File or folder to write.", show_default=False)],
    from_: Annotated[_Format, typer.Option("--from", help="Format of SOURCE.", show_default=False)],
    to: Annotated[_Format, typer.Option("--to", help="Format of TARGET.", show_default=False)],
    shape: Annotated[str | None, typer.Option(metavar="HxW", help="Size of images, where SOURCE says none.")] = None,
    images: Annotated[Path | None, typer.Option(metavar="DIR", help="The images, to look up their sizes.")] = None,
    dialect: Annotated[
        _DialectName, typer.Option(help="Order of the pixels and number of the first, of kaggle-rle.")
    ] = "column-1",
    polygons: Annotated[bool, typer.Option("--polygons", help="Polygons, where the target holds masks, too.")] = False,
    simplify: Annotated[float, typer.Option(min=0, help="How far traced polygons may stray, in pixels.")] = 0.0,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Convert labels between mask images, competition CSV, COCO, VOC, YOLO-seg, CVAT, LabelMe and Label Studio.

    What the target cannot hold is said: every change by its kind, and how well the drawn labels still agree (IoU).

    Example: crackseg convert train.csv masks --from kaggle-rle --to masks --shape 256x1600
    """
    from crackseg.labels.convert import AnnotationSource
    from crackseg.labels.convert import convert as run
    from crackseg.labels.reading import ImageSizes
    from crackseg.labels.writing import Layout

    used = _dialect(dialect)
    if used is None and to == "kaggle-rle":
        raise UsageError("'guess' is for reading alone", where="--dialect", hint="name the dialect")
    annotations = AnnotationSource(source, from_, ImageSizes(_shape(shape), images), used)
    layout = Layout(polygons=polygons, simplify_px=simplify) if used is None else Layout(used, polygons, simplify)
    with ProgressLine("convert", 1, quiet=quiet or json) as line:
        result = run(annotations, target, to, layout, progress=lambda step: line.update(step.fraction))
    for error in result.failed:
        print_error(str(error))
    if json:
        print_json(result.to_dict())
    else:
        print("\n".join(_lines(result, f"{from_} -> {to} in {display_text(target)}")))
    return EXIT_SOME_FAILED if result.failed else EXIT_DONE


def _shape(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() and int(side[:9]) > 0 for side in sides):
        raise UsageError(f"expected a height and a width in pixels, such as 256x1600; got '{text}'", where="--shape")
    return int(sides[0]), int(sides[1])


def _dialect(name: _DialectName) -> Dialect | None:
    from crackseg.labels.rle import DIALECTS

    found = {f"{dialect.order}-{dialect.first}": dialect for dialect in DIALECTS}
    return found.get(name)


def _lines(result: ConversionResult, what: str) -> list[str]:
    lines = [f"{_counted(len(result.images), 'image')} with {_counted(result.object_count, 'object')}: {what}"]
    if result.iou_mean is not None and result.worst is not None:
        lowest = f", lowest {result.worst.iou:.4f} in {display_text(result.worst.name)}"
        lines.append(f"IoU of the round trip {result.iou_mean:.4f}{lowest if result.worst.iou < 1 else ''}")
    if result.dialect is not None:
        lines.append(f"dialect: {result.dialect}")
    lines += [f"{count} x {change}" for change, count in result.changes.items()]
    lines += [f"{count} x left out: {kind}" for kind, count in result.left_out.items()]
    return lines


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
