"""Declare the options that several commands share."""

from collections.abc import Sequence
from typing import Annotated, Literal

from crackseg.cli.command import Option, PathInput, option
from crackseg.geometry import ScaleSource

ModelOption = Annotated[
    PathInput | None,
    option(
        "--model",
        metavar="NAME|FILE|RUN",
        help="A shipped model, a model file or a run folder.",
        group="Model",
        default="$CRACKSEG_MODEL, or crackseg-mobile",
    ),
]
ThresholdOption = Annotated[
    float | None,
    option(
        "--threshold",
        metavar="P",
        help="Probability in (0, 1] from which a pixel counts as crack.",
        group="Model",
        default="the model's own",
    ),
]
FormatsOption = Annotated[
    str | None,
    option("--formats", metavar="LIST", help="Also write labels: some of voc,coco,yolo,labelme.", group="Output"),
]
HysteresisOption = Annotated[
    float | None,
    option(
        "--hysteresis",
        metavar="LOW",
        help="Lower threshold: also keep pixels >= LOW connected to a crack.",
        group="Model",
        default="off",
    ),
]
TtaOption = Annotated[
    Literal["none", "flips", "rotations", "scales"],
    option("--tta", help="Average over 4 flips, 8 flips and rotations, or 4 scales.", group="Model"),
]
RuntimeOption = Annotated[
    Literal["auto", "onnx", "openvino", "torch", "torch-compiled"],
    option("--runtime", help="Library that runs the network.", group="Computation"),
]
PrecisionOption = Annotated[
    Literal["fp32", "bf16", "int8"] | None,
    option("--precision", help="Float width of the computation.", group="Computation", default="the model's own"),
]
DeviceOption = Annotated[
    str, option("--device", metavar="DEVICE", help="Device: auto, cpu, cuda or cuda:N.", group="Computation")
]
ScaleOption = Annotated[
    float | ScaleSource | None,
    option("--scale", metavar="MM_PER_PX", help="Millimetres per pixel.", group="Measurement", default="unknown"),
]
ScaleFileOption = Annotated[
    PathInput | None,
    option(
        "--scale-file",
        metavar="YAML",
        help="File with mm_per_px, or with the camera and distance it follows from.",
        group="Measurement",
    ),
]
MarkerOption = Annotated[
    float | None,
    option("--marker", metavar="MM", help="Side of the ArUco marker in each image, in mm.", group="Measurement"),
]
WorkersOption = Annotated[
    int | None,
    option("--workers", help="Number of processes.", group="Computation", default="one per core", minimum=1),
]
SetOption = Annotated[
    Sequence[str],
    option("--set", metavar="KEY=VALUE", help="Override one setting.", group="Configuration"),
]


def memory_option(default: str) -> Option:
    """Return the marker of ``--memory``, which means the same in every command."""
    return option(
        "--memory",
        metavar="GIB",
        help="Most memory that one process of the command may take, in GiB.",
        group="Computation",
        default=default,
    )
