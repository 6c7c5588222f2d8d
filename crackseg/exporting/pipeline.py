"""Export a model to ONNX or OpenVINO after verifying that its predictions are unchanged."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import UsageError, display_text
from crackseg.exporting.parity import LIMITS, Parity, ParityLimits, compare
from crackseg.files import make_folder, write_bytes
from crackseg.imaging.codec import ArrayImage
from crackseg.machine import require_extra
from crackseg.modelcard.card import ModelCard, PrecisionName
from crackseg.prediction.loading import ModelFile
from crackseg.prediction.seams import measure_seams
from crackseg.runtimes.onnx import OnnxPredictor, with_card
from crackseg.runtimes.predictor import Predictor

FormatName = Literal["onnx", "openvino"]

Samples = Sequence[tuple[NDArray[np.uint8], NDArray[np.bool_]]]
"""``(H, W, 3)`` uint8 RGB pixels and ``(H, W)`` bool true mask of each image."""


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A converted model, not yet written.

    Attributes:
        files: Content by suffix; the file to give to ``--model`` comes last.
        predictor: Predictor that computes with these files.
        card: Model card.
    """

    files: dict[str, bytes]
    predictor: Predictor
    card: ModelCard

    def write(self, output: Path) -> Path:
        """Write the files of the model.

        Args:
            output: A folder, for files named ``model``; or a file with the suffix of the format.

        Returns:
            The file to give to ``--model``.

        Raises:
            OutputError: If a file cannot be written.
        """
        *_, suffix = self.files
        path = output if output.suffix == suffix else output / f"model{suffix}"
        make_folder(path.parent)
        for kind, data in self.files.items():
            write_bytes(path.with_suffix(kind), data, durable=True)
        return path


@dataclass(frozen=True, slots=True, repr=False)
class ExportResult:
    """An exported model.

    Attributes:
        path: File to give to ``--model``.
        file_format: Format of the file.
        precision: Float width or integer type that the model computes in.
        parity: Differences between the exported model and its original.
    """

    path: Path
    file_format: FormatName
    precision: PrecisionName
    parity: Parity

    def __repr__(self) -> str:
        return (
            f"ExportResult('{display_text(self.path)}', {self.file_format}, {self.precision}, "
            f"F1 loss {self.parity.f1_loss:.4f})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "model": display_text(self.path),
            "format": self.file_format,
            "precision": self.precision,
            "parity": self.parity.to_dict(),
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row with the differences, for a data frame."""
        parity = self.parity
        return [
            {
                "model": display_text(self.path),
                "format": self.file_format,
                "precision": self.precision,
                "images": parity.images,
                "difference": parity.difference,
                "changed": parity.changed,
                "f1_before": parity.before.f1,
                "f1_after": parity.after.f1,
            }
        ]


def export_model(
    model: ModelFile,
    output: Path,
    *,
    file_format: FormatName,
    precision: PrecisionName,
    samples: Samples,
    limits: ParityLimits | None = None,
) -> ExportResult:
    """Convert a model, compare it with the original, and write it.

    For int8 the even samples calibrate the model, and the odd ones compare it.

    Args:
        model: Model to export.
        output: A folder, or a file that ends in ``.onnx`` or ``.xml``.
        file_format: Format of the file.
        precision: Float width or integer type to compute in.
        samples: Two or more images with masks, similar to those that the model will predict. Images are ``(H, W, 3)``
            uint8 RGB, masks ``(H, W)`` bool.
        limits: Largest accepted differences; `crackseg.exporting.parity.LIMITS` if None.

    Raises:
        UsageError: If the format does not support the precision, or the model is an int8 model already.
        MissingExtraError: If a package is missing.
        ParityError: If the differences exceed the limits; nothing is written.
        OutputError: If a file cannot be written.
    """
    if file_format == "onnx" and precision == "bf16":
        raise UsageError(
            "ONNX files cannot be run in bfloat16",
            where="--precision",
            hint="use --format openvino, or predict with --runtime torch --precision bf16",
        )
    if len(samples) < 2:
        raise UsageError(f"expected at least two images to compare with, got {len(samples)}", hint="add --data folders")
    data = _as_onnx(model)
    original = OnnxPredictor(data, name=model.name)
    if original.card.precision == "int8":
        raise UsageError("the model is already int8", where=model.name, hint="give the model it was exported from")
    card = original.card if original.card.context_exact else _add_seams(original.card, original)
    compared = samples[1::2] if precision == "int8" else samples
    converted = convert(data, card, file_format=file_format, precision=precision, samples=samples[::2])
    parity = compare(original, converted.predictor, compared, threshold=original.card.threshold)
    parity.check(LIMITS[precision] if limits is None else limits)
    return ExportResult(converted.write(output), file_format, precision, parity)


def _add_seams(card: ModelCard, predictor: Predictor) -> ModelCard:
    """Add the seam error, measured on a generated wall, to a card."""
    from data_gen import Recipe, generate_sample

    wall = generate_sample(Recipe(size=2 * card.context_px + 8 * card.stride), seed=0, index=0).image
    seams = measure_seams(predictor, ArrayImage(wall), threshold=card.threshold)
    return dataclasses.replace(card, training={**card.training, "seams": dataclasses.asdict(seams)})


def convert(
    data: bytes, card: ModelCard, *, file_format: FormatName, precision: PrecisionName, samples: Samples
) -> Converted:
    """Convert a float32 ONNX model of crackseg to another format or precision.

    Args:
        data: Content of the ONNX file.
        card: Model card.
        file_format: Format of the result.
        precision: Float width or integer type to compute in.
        samples: ``(H, W, 3)`` uint8 RGB images with ``(H, W)`` bool masks; the images calibrate int8.

    Raises:
        MissingExtraError: If a package is missing.
    """
    source = hashlib.sha256(data).hexdigest()
    card = dataclasses.replace(card, precision=precision, training={**card.training, "exported_from_sha256": source})
    if precision == "int8":
        require_extra("train")
        from crackseg.exporting.int8 import quantise

        data = quantise(data, card, [image for image, _ in samples])
    else:
        data = with_card(data, card)
    if file_format == "onnx":
        return Converted({".onnx": data}, OnnxPredictor(data, name="the exported model"), card)
    require_extra("openvino")
    from crackseg.runtimes.openvino import OpenVinoPredictor, from_onnx, to_files

    model = from_onnx(data)
    return Converted(to_files(model, card), OpenVinoPredictor(model, card, precision=precision), card)


def _as_onnx(model: ModelFile) -> bytes:
    """Return a model as ONNX: its file, or its exported checkpoint.

    Raises:
        UsageError: If the file is neither.
        MissingExtraError: If it is a checkpoint and PyTorch is not installed.
    """
    if model.path.suffix == ".onnx":
        return model.read()
    if model.path.suffix != ".safetensors":
        raise UsageError(
            "expected a run folder, a .onnx or a .safetensors file",
            where=model.path,
            hint="choose another model with --model",
        )
    require_extra("train")
    from crackseg.exporting.from_torch import export_checkpoint

    with tempfile.TemporaryDirectory(prefix="crackseg-") as folder:
        path = Path(folder) / "model.onnx"
        export_checkpoint(model.path, path)
        return path.read_bytes()
