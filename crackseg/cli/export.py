"""Declare ``crackseg export``."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from crackseg.cli.command import Command, PathInput, as_function, as_paths, option
from crackseg.cli.options import ModelOption
from crackseg.errors import EXIT_DONE, display_text

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.exporting.pipeline import ExportResult, Samples

GENERATED = 12
"""Number of images generated for the parity check where the user has none."""


@dataclass(frozen=True)
class Export(Command["ExportResult"]):
    """Export a model to ONNX or OpenVINO after verifying its predictions.

    Nothing is written if the predictions of the exported model differ too much from those of the original.

    Example:
        >>> import crackseg
        >>> crackseg.export(output="exported").path.name
        'model.onnx'
    """

    _: KW_ONLY
    model: ModelOption = None
    output: Annotated[
        PathInput,
        option("--output", "-o", metavar="OUT", help="Folder, or a file .onnx or .xml.", group="Output"),
    ] = "exported"
    format: Annotated[Literal["onnx", "openvino"], option("--format", help="Format of the file.", group="Output")] = (
        "onnx"
    )
    precision: Annotated[
        Literal["fp32", "bf16", "int8"],
        option("--precision", help="Float width of the computation.", group="Output"),
    ] = "fp32"
    data: Annotated[
        PathInput | Sequence[PathInput],
        option(
            "--data",
            metavar="DIR",
            help="Images and masks for calibration and verification.",
            group="Verification",
            default=f"{GENERATED} generated images",
        ),
    ] = ()
    images: Annotated[
        int, option("--images", help="Largest number of images taken from --data.", group="Verification", minimum=2)
    ] = 64
    examples = ("crackseg export --model runs/first --format openvino --data walls",)
    presentation = ("json",)

    def run(self) -> "ExportResult":
        """Export the model."""
        from crackseg.exporting.pipeline import export_model
        from crackseg.prediction.loading import find_model

        model, folders = find_model(self.model), as_paths(self.data)
        samples = _read(folders, self.images) if folders else _generate()
        return export_model(
            model, Path(self.output), file_format=self.format, precision=self.precision, samples=samples
        )

    def show(self, result: "ExportResult", console: "Console") -> int:
        """Print the file and its agreement with the original."""
        remark = "" if as_paths(self.data) else " (generated; give your own with --data)"
        console.result(result.to_dict(), f"{display_text(result.path)}: {result.parity.describe()}{remark}")
        return EXIT_DONE


def _read(folders: list[Path], count: int) -> "Samples":
    """Return at most ``count`` samples, evenly spread over the folders."""
    from crackseg.datasets.samples import find_all_samples, read_sample

    samples = find_all_samples(folders, "train")
    if len(samples) > count:
        samples = tuple(samples[index * len(samples) // count] for index in range(count))
    return [read_sample(sample) for sample in samples]


def _generate() -> "Samples":
    from data_gen import Recipe, generate_sample

    samples = [generate_sample(Recipe(size=256), seed=0, index=index) for index in range(GENERATED)]
    return [(sample.image, sample.mask) for sample in samples]


export = as_function(Export)
