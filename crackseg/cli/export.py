"""``crackseg export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crackseg.cli.options import JsonFlag, print_json
from crackseg.errors import display_text

if TYPE_CHECKING:
    from crackseg.exporting.pipeline import Samples

GENERATED = 12
"""Images that are generated to check with where none are given."""


def export(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder, or file .onnx or .xml.")],
    model: Annotated[str | None, typer.Option(help="A shipped model, a .onnx file or a run folder.")] = None,
    form: Annotated[Literal["onnx", "openvino"], typer.Option("--format", help="Of the file.")] = "onnx",
    precision: Annotated[Literal["fp32", "bf16", "int8"], typer.Option(help="What it computes in.")] = "fp32",
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Images and masks to calibrate and check with; repeatable. [default: generated ones]"),
    ] = None,
    images: Annotated[int, typer.Option(help="How many of them at most.", min=2)] = 64,
    json: JsonFlag = False,
) -> None:
    """Write a model in another form, after checking that it still says what it said.

    Example: crackseg export --model runs/first --format openvino --precision bf16 --data walls -o exported
    """
    from crackseg.exporting.pipeline import export_model
    from crackseg.prediction.loading import find_model

    found = find_model(model)
    samples = _read(data, images) if data else _generate()
    result = export_model(found, output, file_format=form, precision=precision, samples=samples)
    if json:
        print_json(result.to_dict())
    else:
        checked = "" if data else " (generated; give your own with --data)"
        print(f"{display_text(result.path)}: {result.parity.describe()}{checked}")


def _read(folders: list[Path], count: int) -> Samples:
    """Return samples of folders, evenly spread over them."""
    from crackseg.datasets.samples import find_all_samples, read_sample

    found = find_all_samples(folders, "train")
    return (
        [read_sample(found[index * len(found) // count]) for index in range(count)]
        if len(found) > count
        else [read_sample(sample) for sample in found]
    )


def _generate() -> Samples:
    from data_gen import Recipe, generate_sample

    made = [generate_sample(Recipe(size=256), seed=0, index=index) for index in range(GENERATED)]
    return [(sample.image, sample.mask) for sample in made]
