"""Declare ``crackseg convert``."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from crackseg.cli.command import Command, PathInput, Positional, as_function, as_path, option
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.labels.convert import ConversionResult
    from crackseg.labels.rle import Dialect

_Format = Literal["masks", "kaggle-rle", "coco", "voc", "yolo", "cvat", "labelme", "label-studio"]
_SHOWN = 10
_DialectName = Literal["column-1", "column-0", "row-1", "row-0", "guess"]


@dataclass(frozen=True)
class Convert(Command["ConversionResult"]):
    """Convert labels from one format to another.

    Reports every kind of change that the target format forces, and the agreement (IoU) of the labels before and after.

    Example:
        >>> import crackseg
        >>> walls = crackseg.generate("walls", count=1, size=64)
        >>> crackseg.convert("walls/masks", "rle.csv", from_="masks", to="kaggle-rle").iou_mean
        1.0
    """

    source: Annotated[PathInput, Positional("SOURCE", "File or folder to read.")]
    target: Annotated[PathInput, Positional("TARGET", "File or folder to write.")]
    _: KW_ONLY
    from_: Annotated[_Format, option("--from", help="Format of SOURCE.", group="Formats")]
    to: Annotated[_Format, option("--to", help="Format of TARGET.", group="Formats")]
    shape: Annotated[
        str | None, option("--shape", metavar="HxW", help="Size of images whose size SOURCE lacks.", group="Input")
    ] = None
    images: Annotated[
        PathInput | None, option("--images", metavar="DIR", help="Images, to look up their sizes.", group="Input")
    ] = None
    dialect: Annotated[
        _DialectName,
        option("--dialect", help="Pixel order and first pixel number of kaggle-rle.", group="Formats"),
    ] = "column-1"
    line_width: Annotated[
        float | None,
        option(
            "--line-width",
            metavar="PX",
            help="Draw polylines and other lines this wide, in pixels.",
            group="Input",
            minimum=0.1,
        ),
    ] = None
    allow_partial: Annotated[
        bool,
        option(
            "--allow-partial", help="Also write images with objects that cannot be drawn, without them.", group="Output"
        ),
    ] = False
    polygons: Annotated[
        bool,
        option("--polygons", help="Write polygons even where the target format holds masks.", group="Output"),
    ] = False
    simplify: Annotated[
        float,
        option(
            "--simplify",
            metavar="PX",
            help="Largest distance of a simplified polygon from the outline, in pixels.",
            group="Output",
            minimum=0,
        ),
    ] = 0.0
    examples = ("crackseg convert train.csv masks --from kaggle-rle --to masks --shape 256x1600",)

    def run(self) -> "ConversionResult":
        """Convert the labels."""
        from crackseg.labels.convert import AnnotationSource, convert
        from crackseg.labels.reading import ImageSizes
        from crackseg.labels.writing import Layout

        dialect = _dialect(self.dialect)
        if dialect is None and self.to == "kaggle-rle":
            raise UsageError("'guess' is for reading only", where="--dialect", hint="name the dialect")
        sizes = ImageSizes(_shape(self.shape), as_path(self.images))
        source = AnnotationSource(Path(self.source), self.from_, sizes, dialect, self.line_width, self.allow_partial)
        layout = Layout(polygons=self.polygons, simplify_px=self.simplify)
        if dialect is not None:
            layout = Layout(dialect, self.polygons, self.simplify)
        return convert(source, Path(self.target), self.to, layout, progress=self.progress)

    def show(self, result: "ConversionResult", console: "Console") -> int:
        """Print the counts, the changes and the images that failed."""
        for error in result.failed:
            console.error(str(error))
        title = f"{self.from_} -> {self.to} in {display_text(self.target)}"
        values = result.to_dict()
        iou = {"mean": values["iou_mean"], "lowest": values["iou_lowest"], "image": values["iou_lowest_image"]}
        console.result({**values, "iou": iou}, "\n".join(_lines(result, title)))
        return EXIT_SOME_FAILED if result.failed else EXIT_DONE


def _shape(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() and int(side[:9]) > 0 for side in sides):
        raise UsageError(f"expected a height and a width in pixels, such as 256x1600; got '{text}'", where="--shape")
    return int(sides[0]), int(sides[1])


def _dialect(name: _DialectName) -> "Dialect | None":
    """Return a dialect by its name; None for a guess."""
    from crackseg.labels.rle import DIALECTS

    return {f"{dialect.order}-{dialect.first}": dialect for dialect in DIALECTS}.get(name)


def _lines(result: "ConversionResult", what: str) -> list[str]:
    lines = [f"{_counted(len(result.images), 'image')} with {_counted(result.object_count, 'object')}: {what}"]
    if result.failed:
        lines.append(f"{_counted(len(result.failed), 'image')} not written")
    if result.iou_mean is not None and result.worst is not None:
        lowest = f", lowest {result.worst.iou:.4f} in {display_text(result.worst.name)}"
        lines.append(f"IoU of the round trip {result.iou_mean:.4f}{lowest if result.worst.iou < 1 else ''}")
    if result.dialect is not None:
        lines.append(f"dialect: {result.dialect}")
    lines += [f"{count} x {change}" for change, count in result.changes.items()]
    lines += [f"{count} x left out: {kind}" for kind, count in result.left_out.items()]
    if result.passed_over:
        shown = ", ".join(result.passed_over[:_SHOWN])
        more = len(result.passed_over) - _SHOWN
        lines.append(f"passed over, no annotations: {shown}{f' and {more} more' if more > 0 else ''}")
    return lines


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


convert = as_function(Convert)
