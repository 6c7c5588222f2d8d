"""``crackseg generate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crackseg.cli.options import JsonFlag, ProgressLine, QuietFlag, print_json
from crackseg.errors import UsageError, display_text

if TYPE_CHECKING:
    from crackseg.generation import LabelFormat


def generate(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.", show_default=False)],
    count: Annotated[int, typer.Option(help="Samples.")] = 100,
    seed: Annotated[int, typer.Option(help="Of everything random.", min=0)] = 0,
    mode: Annotated[
        Literal["photo", "binary"] | None, typer.Option(help="Overrides the recipe's. [default: photo]")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of an image, in pixels. [default: 1024]")] = None,
    config: Annotated[Path | None, typer.Option(metavar="F", help="A recipe in YAML.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="a.b=v", help="One value of the recipe.")
    ] = None,
    backgrounds: Annotated[Path | None, typer.Option(metavar="DIR", help="Crack-free photographs.")] = None,
    patterns: Annotated[Path | None, typer.Option(metavar="DIR", help="Crack masks to cut out.")] = None,
    noise: Annotated[Path | None, typer.Option(metavar="DIR", help="Patches, in DIR/small and DIR/big.")] = None,
    formats: Annotated[
        str, typer.Option(metavar="LIST", help="Annotations to write, some of voc,coco,yolo,rle.")
    ] = "voc",
    polygons: Annotated[bool, typer.Option("--polygons", help="COCO outlines as polygons, not as RLE.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes. [default: one per core]", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier call stopped.")] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make synthetic crack images with exact masks, annotations (Pascal VOC, COCO, YOLO-seg, RLE) and a manifest.

    Example: crackseg generate synthetic --count 200 --seed 1 --size 512
    """
    from crackseg.config import load_config
    from crackseg.generation import AssetFolders, GenerationJob
    from crackseg.generation import generate as run
    from data_gen import Recipe

    shortcuts = {"mode": mode, "size": size}
    settings = [f"{key}={value}" for key, value in shortcuts.items() if value is not None]
    recipe = load_config(Recipe, config, overrides=[*settings, *(overrides or [])])
    folders = AssetFolders(backgrounds, patterns, noise)
    job = GenerationJob(recipe, output, count, seed, folders, _formats(formats), polygons)
    with ProgressLine("generate", count, quiet=quiet or json) as line:
        result = run(job, workers=workers, resume=resume, progress=lambda step: line.update(step.done))
    if json:
        print_json(result.to_dict())
        return
    for reason in result.skipped:
        print(f"skipped: {reason}")
    print(f"{count} samples in {display_text(output)}; {display_text(result.preview)} shows the first")


def _formats(text: str) -> tuple[LabelFormat, ...]:
    from crackseg.generation import FORMATS

    asked = [name.strip() for name in text.split(",")]
    unknown = [name for name in asked if name not in FORMATS]
    if unknown:
        raise UsageError(f"expected some of {', '.join(FORMATS)}, got '{unknown[0]}'", where="--formats")
    return tuple(name for name in FORMATS if name in asked)
