"""``crackseg predict``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from crackseg.cli.options import JsonFlag, QuietFlag
from crackseg.cli.predict_run import PredictOptions, run_predict
from crackseg.cli.scale_options import MarkerOption, ScaleFileOption, ScaleOption

ThresholdOption = Annotated[float | None, typer.Option(help="Probability that counts as crack. [default: the model's]")]
HysteresisOption = Annotated[
    float | None, typer.Option(metavar="LOW", help="From here on pixels count, too, that hang together with a crack.")
]
RuntimeOption = Annotated[
    Literal["auto", "onnx", "openvino", "torch", "torch-compiled"], typer.Option(help="Library that computes.")
]
PrecisionOption = Annotated[
    Literal["fp32", "bf16", "int8"] | None, typer.Option(help="What to compute in. [default: the model's own]")
]
TtaOption = Annotated[
    Literal["none", "flips", "rotations", "scales"],
    typer.Option(help="Average over 4 mirror images, 8 with turns, or 3 sizes."),
]


def predict(
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of images.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("predictions"),
    model: Annotated[str | None, typer.Option(help="A shipped model, a .onnx file or a run folder.")] = None,
    threshold: ThresholdOption = None,
    hysteresis: HysteresisOption = None,
    probability: Annotated[bool, typer.Option("--probability", help="Also write the probability, 16 bit.")] = False,
    scale: ScaleOption = None,
    scale_file: ScaleFileOption = None,
    marker: MarkerOption = None,
    formats: Annotated[
        str | None, typer.Option(help="Also write labels: some of voc,coco,yolo,labelme.", metavar="FORMATS")
    ] = None,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = None,
    tile: Annotated[int | None, typer.Option(metavar="PX", help="Largest side of a tile.", min=64)] = None,
    memory: Annotated[float | None, typer.Option(metavar="GIB", help="Memory for a tile, in GiB. [default: 2]")] = None,
    tta: TtaOption = "none",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say how each image is cut, and the memory used.")
    ] = False,
) -> int:
    """Find the cracks in images: mask, overlay and measurements of each.

    Example: crackseg predict wall.jpg drone/ -o out --scale 0.4
    """
    return run_predict(
        PredictOptions(
            images=images,
            output=output,
            model=model,
            threshold=threshold,
            hysteresis=hysteresis,
            probability=probability,
            scale=scale,
            scale_file=scale_file,
            marker=marker,
            formats=formats,
            runtime=runtime,
            precision=precision,
            tile=tile,
            memory=memory,
            tta=tta,
            device=device,
            json=json,
            quiet=quiet,
            verbose=verbose,
        )
    )
