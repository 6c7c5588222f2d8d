"""``crackseg generate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from crackseg.cli.console import JsonFlag, ProgressLine, QuietFlag, print_json
from crackseg.errors import display_text


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
    formats: Annotated[str, typer.Option(help="Annotations to write: voc.")] = "voc",
    workers: Annotated[int | None, typer.Option(help="Processes. [default: one per core]", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier call stopped.")] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make synthetic crack images with exact masks, Pascal VOC boxes and a manifest.

    Example: crackseg generate synthetic --count 200 --seed 1 --size 512
    """
    from crackseg.config import load_config
    from crackseg.errors import UsageError
    from crackseg.generation import AssetFolders, GenerationJob
    from crackseg.generation import generate as run
    from data_gen import Recipe

    if formats != "voc":
        raise UsageError(f"expected 'voc', got '{formats}'", where="--formats")
    shortcuts = {"mode": mode, "size": size}
    settings = [f"{key}={value}" for key, value in shortcuts.items() if value is not None]
    recipe = load_config(Recipe, config, overrides=[*settings, *(overrides or [])])
    job = GenerationJob(recipe, output, count, seed, AssetFolders(backgrounds, patterns, noise))
    with ProgressLine("generate", count, quiet=quiet or json) as line:
        skipped = run(job, workers=workers, resume=resume, report=line.update)
    if json:
        print_json({"output": display_text(output), "count": count, "seed": seed, "skipped": skipped})
        return
    for reason in skipped:
        print(f"left aside: {reason}")
    print(f"{count} samples in {display_text(output)}; {display_text(output / 'preview.png')} shows the first")
