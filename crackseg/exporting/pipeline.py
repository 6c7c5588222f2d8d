"""A model in another form: ONNX or OpenVINO, in a precision, written only if it still says what it said."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import UsageError
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
"""``(H, W, 3)`` RGB pixels and ``(H, W)`` true mask each."""


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A model in another form, not yet written.

    Attributes:
        files: Content by suffix, the one to give to ``--model`` last.
        predictor: What the files compute.
        card: What they are.
    """

    files: dict[str, bytes]
    predictor: Predictor
    card: ModelCard

    def write(self, target: Path) -> Path:
        """Write the files, ``model`` with their suffix in a folder, or beside ``target`` if that has the suffix.

        Returns:
            The file to give to ``--model``.

        Raises:
            OutputError: If one cannot be written.
        """
        *_, suffix = self.files
        path = target if target.suffix == suffix else target / f"model{suffix}"
        make_folder(path.parent)
        for kind, data in self.files.items():
            write_bytes(path.with_suffix(kind), data, durable=True)
        return path


def export_model(
    found: ModelFile,
    target: Path,
    *,
    form: FormatName,
    precision: PrecisionName,
    samples: Samples,
    limits: ParityLimits | None = None,
) -> tuple[Path, Parity]:
    """Write a model in another form, after checking on samples that it still says what it said.

    For int8 every second sample is calibrated with, and the others are checked with.

    Args:
        found: The model.
        target: A folder, or a file that ends in ``.onnx`` or ``.xml``.
        form: Of the file.
        precision: To compute in.
        samples: At least two, of the kind the model will see.
        limits: How far the two may be apart; `crackseg.exporting.parity.LIMITS` if None.

    Returns:
        The file to give to ``--model``, and how far the two are apart.

    Raises:
        UsageError: If the form cannot have the precision, or the model has 8-bit kernels already.
        MissingExtraError: If a package is missing.
        ParityError: If the two are too far apart; nothing is written.
        OutputError: If a file cannot be written.
    """
    if form == "onnx" and precision == "bf16":
        raise UsageError(
            "no ONNX runtime here computes in bfloat16 from an ONNX file",
            where="--precision",
            hint="use --format openvino, or predict with --runtime torch --precision bf16",
        )
    if len(samples) < 2:
        raise UsageError("expected at least two images to check with", hint="give more with --data")
    data = _as_onnx(found)
    before = OnnxPredictor(data, name=found.name)
    if before.card.precision == "int8":
        raise UsageError("holds an int8 model already", where=found.name, hint="give the model it was made of")
    card = before.card if before.card.context_exact else _with_seams(before.card, before)
    checked = samples[1::2] if precision == "int8" else samples
    converted = convert(data, card, form=form, precision=precision, samples=samples[::2])
    parity = compare(before, converted.predictor, checked, threshold=before.card.threshold)
    parity.check(LIMITS[precision] if limits is None else limits)
    return converted.write(target), parity


def _with_seams(card: ModelCard, predictor: Predictor) -> ModelCard:
    """Return the card of a network without a finite context with what its seams cost on a generated wall."""
    from data_gen import Recipe, generate_sample

    wall = generate_sample(Recipe(size=2 * card.context_px + 8 * card.stride), seed=0, index=0).image
    seams = measure_seams(predictor, ArrayImage(wall), threshold=card.threshold)
    return dataclasses.replace(card, training={**card.training, "seams": dataclasses.asdict(seams)})


def convert(data: bytes, card: ModelCard, *, form: FormatName, precision: PrecisionName, samples: Samples) -> Converted:
    """Bring a float32 ONNX model of crackseg into another form; see `export_model`.

    Args:
        data: The model.
        card: Its card.
        form: Of the result.
        precision: To compute in.
        samples: What to calibrate int8 with.
    """
    source = hashlib.sha256(data).hexdigest()
    card = dataclasses.replace(card, precision=precision, training={**card.training, "exported_from_sha256": source})
    if precision == "int8":
        require_extra("train")
        from crackseg.exporting.int8 import quantise

        data = quantise(data, card, [image for image, _ in samples])
    else:
        data = with_card(data, card)
    if form == "onnx":
        return Converted({".onnx": data}, OnnxPredictor(data, name="the exported model"), card)
    require_extra("openvino")
    from crackseg.runtimes.openvino import OpenVinoPredictor, from_onnx, to_files

    model = from_onnx(data)
    return Converted(to_files(model, card), OpenVinoPredictor(model, card, precision=precision), card)


def _as_onnx(found: ModelFile) -> bytes:
    """Return a model as ONNX: its file, or its checkpoint exported.

    Raises:
        UsageError: If it is of another kind.
        MissingExtraError: If it is a checkpoint and PyTorch is not installed.
    """
    if found.path.suffix == ".onnx":
        return found.read()
    if found.path.suffix != ".safetensors":
        raise UsageError(
            "is no model to export", where=found.path, hint="give a run folder, a .onnx or a .safetensors file"
        )
    require_extra("train")
    from crackseg.exporting.from_torch import export_checkpoint

    with tempfile.TemporaryDirectory(prefix="crackseg-") as folder:
        path = Path(folder) / "model.onnx"
        export_checkpoint(found.path, path)
        return path.read_bytes()
