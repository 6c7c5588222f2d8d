"""Finding a model by name, file or run folder, and loading it into a runtime."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from crackseg.card import ModelCard
from crackseg.errors import ModelError, UsageError
from crackseg.images import read_file
from crackseg.machine import require_train_extra
from crackseg.prediction import DEFAULT_TILE_PX, Model

DEFAULT_MODEL = "crackseg-mobile"
RUN_MODEL = "model.onnx"
"""The exported model inside a run folder."""

RuntimeName = Literal["auto", "onnx", "torch"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Where a model stands.

    Attributes:
        name: What the user calls it.
        path: Its ONNX or safetensors file.
        sha256: What its bytes must hash to; None for a model of the user's own.
    """

    name: str
    path: Path
    sha256: str | None = None


def shipped_models() -> tuple[str, ...]:
    """Return the names of the models inside the package."""
    return tuple(sorted(path.stem for path in _weights_folder().glob("*.onnx")))


def shipped_card(name: str) -> ModelCard:
    """Return the card of a model inside the package.

    Raises:
        ModelError: If the card is damaged.
    """
    path = _weights_folder() / f"{name}.json"
    return ModelCard.from_json(read_file(path).decode("utf-8", "replace"), where=str(path))


def find_model(model: str | os.PathLike[str] | None = None) -> ModelFile:
    """Find a model.

    Args:
        model: Name of a shipped model, an ``.onnx`` or ``.safetensors`` file, or a run folder; the default model if
            None.

    Raises:
        UsageError: If there is no such model.
        ModelError: If a run folder holds no finished model.
    """
    name = DEFAULT_MODEL if model is None else os.fspath(model)
    if name in shipped_models():
        return ModelFile(name, _weights_folder() / f"{name}.onnx", _shipped_sha256(name))
    path = Path(name)
    if path.is_dir():
        for candidate in (RUN_MODEL, "best.safetensors"):
            if (path / candidate).is_file():
                return ModelFile(name, path / candidate)
        raise ModelError("holds no model yet", where=path, hint="let its training finish one epoch, or resume it")
    if path.is_file():
        return ModelFile(name, path)
    known = ", ".join(shipped_models()) or "none"
    raise UsageError(
        "no such model", where=name, hint=f"give a .onnx file, a run folder, or one of the shipped models ({known})"
    )


def load_model(
    model: str | os.PathLike[str] | None = None,
    *,
    runtime: RuntimeName = "auto",
    device: str = "auto",
    tile_size: int = DEFAULT_TILE_PX,
) -> Model:
    """Load a model, ready to predict.

    Args:
        model: Name of a shipped model, an ``.onnx`` or ``.safetensors`` file, or a run folder; the default model if
            None.
        runtime: ``onnx`` computes with onnxruntime on the CPU; ``torch`` with PyTorch, from the extra ``train``;
            ``auto`` takes torch where the model is a checkpoint or the device a GPU, onnx elsewhere.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; only torch computes on a GPU.
        tile_size: Largest side of a tile, in pixels.

    Raises:
        UsageError: If there is no such model or device, or the runtime cannot run it.
        ModelError: If the file is no model of crackseg, or damaged.
        MissingExtraError: If torch is asked for and not installed.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise UsageError(f"expected auto, cpu, cuda or cuda:N, got '{device}'", where="--device")
    found = find_model(model)
    wants_torch = runtime == "torch" or (
        runtime == "auto" and (found.path.suffix == ".safetensors" or device.startswith("cuda"))
    )
    if wants_torch:
        require_train_extra()
        from crackseg.runtimes.torch import load_torch_predictor

        predictor = load_torch_predictor(found.path, device=device)
        return Model(predictor, predictor.card, tile_size=tile_size)
    if device.startswith("cuda"):
        raise UsageError("onnxruntime computes on the CPU here", hint="use --runtime torch for a GPU")
    if found.path.suffix == ".safetensors":
        raise UsageError(
            "onnxruntime reads no checkpoints", where=found.path, hint="give the run folder or its model.onnx"
        )
    from crackseg.runtimes.onnx import OnnxPredictor

    data = read_file(found.path)
    if found.sha256 is not None and hashlib.sha256(data).hexdigest() != found.sha256:
        raise ModelError(
            "the shipped model is damaged: its sha256 is not that of its card",
            where=found.path,
            hint="reinstall crackseg",
        )
    onnx_predictor = OnnxPredictor(data, name=found.name)
    return Model(onnx_predictor, onnx_predictor.card, tile_size=tile_size)


def _weights_folder() -> Path:
    return Path(str(resources.files("crackseg.weights")))


def _shipped_sha256(name: str) -> str:
    import json

    text = read_file(_weights_folder() / f"{name}.json").decode("utf-8", "replace")
    try:
        return str(json.loads(text)["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError("the card of the shipped model is damaged", where=name, hint="reinstall crackseg") from error
