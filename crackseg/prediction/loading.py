"""Finding a model by name, file or run folder, and loading it into a runtime."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Literal, Protocol

from crackseg.errors import ModelError, UsageError
from crackseg.machine import require_extra
from crackseg.modelcard.card import ModelCard, PrecisionName
from crackseg.runtimes.predictor import Predictor

if TYPE_CHECKING:
    from concurrent.futures import Future

    from crackseg.prediction.model import Model

# Images and prediction are imported where they are needed: a model is loaded while they are.

DEFAULT_MODEL = "crackseg-mobile"
RUN_MODEL = "model.onnx"
"""The exported model inside a run folder."""

RuntimeName = Literal["auto", "onnx", "openvino", "torch", "torch-compiled"]


class CardedPredictor(Predictor, Protocol):
    """A predictor that brings its card."""

    @property
    def card(self) -> ModelCard:
        """What it is."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Where a model stands.

    Attributes:
        name: What the user calls it.
        path: Its ONNX, OpenVINO or safetensors file.
        sha256: What its bytes must hash to; None for a model of the user's own.
    """

    name: str
    path: Path
    sha256: str | None = None

    def read(self) -> bytes:
        """Return its bytes.

        Raises:
            UsageError: If there is no such file.
            ModelError: If it is a shipped model and damaged.
        """
        from crackseg.imaging.codec import read_file

        data = read_file(self.path)
        if self.sha256 is not None and hashlib.sha256(data).hexdigest() != self.sha256:
            raise ModelError(
                "the shipped model is damaged: its sha256 is not that of its card",
                where=self.path,
                hint="reinstall crackseg",
            )
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Computing:
    """How a model is to be computed.

    Attributes:
        runtime: ``onnx`` computes with onnxruntime on the CPU, ``openvino`` with OpenVINO on the CPU, from the extra
            ``openvino``; ``torch`` with PyTorch, from the extra ``train``; ``torch-compiled`` has it compile the
            network first, which takes a minute, and on a CPU a C++ compiler; ``auto`` takes torch where the model is a
            checkpoint or the device a GPU, openvino where the file is one of its own or bfloat16 is asked for, and onnx
            elsewhere.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; only torch computes on a GPU.
        precision: ``fp32``, ``bf16`` or ``int8``; what the model's card says if None. Nothing computes in bfloat16
            silently.
    """

    runtime: RuntimeName = "auto"
    device: str = "auto"
    precision: PrecisionName | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise UsageError(f"expected auto, cpu, cuda or cuda:N, got '{self.device}'", where="--device")


def shipped_models() -> tuple[str, ...]:
    """Return the names of the models inside the package."""
    return tuple(sorted(path.stem for path in _weights_folder().glob("*.onnx")))


def shipped_card(name: str) -> ModelCard:
    """Return the card of a model inside the package.

    Raises:
        ModelError: If the card is damaged.
    """
    from crackseg.imaging.codec import read_file

    path = _weights_folder() / f"{name}.json"
    return ModelCard.from_json(read_file(path).decode("utf-8", "replace"), where=str(path))


def find_model(model: str | os.PathLike[str] | None = None) -> ModelFile:
    """Find a model.

    Args:
        model: Name of a shipped model, an ``.onnx``, ``.xml`` or ``.safetensors`` file, or a run folder; the default
            model if None.

    Raises:
        UsageError: If there is no such model.
        ModelError: If a run folder holds no finished model.
    """
    name = DEFAULT_MODEL if model is None else os.fspath(model)
    if name in shipped_models():
        return ModelFile(name, _weights_folder() / f"{name}.onnx", _shipped_sha256(name))
    path = Path(name)
    if path.is_dir():
        for candidate in (RUN_MODEL, "model.xml", "best.safetensors"):
            if (path / candidate).is_file():
                return ModelFile(name, path / candidate)
        raise ModelError("holds no model yet", where=path, hint="let its training finish one epoch, or resume it")
    if path.is_file():
        return ModelFile(name, path)
    known = ", ".join(shipped_models()) or "none"
    raise UsageError(
        "no such model", where=name, hint=f"give a .onnx file, a run folder, or one of the shipped models ({known})"
    )


def find_weights(given: str) -> Path:
    """Return the file of weights that ``--init`` names: a file, a run folder, or a shipped model.

    Raises:
        UsageError: If there is no such thing.
    """
    if given in shipped_models():
        return find_model(given).path
    path = Path(given)
    if path.is_dir():
        path = path / "best.safetensors"
    if not path.is_file():
        raise UsageError(
            "no such weights",
            where=given,
            hint=f"give a .safetensors, .onnx or .pth file, a run folder, or one of {', '.join(shipped_models())}",
        )
    return path


def load_model(
    model: str | os.PathLike[str] | None = None,
    *,
    runtime: RuntimeName = "auto",
    device: str = "auto",
    precision: PrecisionName | None = None,
    tile_size: int | None = None,
    memory_gib: float | None = None,
) -> Model:
    """Load a model, ready to predict.

    Args:
        model: Name of a shipped model, an ``.onnx``, ``.xml`` or ``.safetensors`` file, or a run folder; the default
            model if None.
        runtime: Library that computes; see `Computing`.
        device: Where; see `Computing`.
        precision: In what; see `Computing`.
        tile_size: Largest side of a tile, in pixels.
        memory_gib: Memory that a tile may take in the network, in GiB; `TileLimits.of` chooses if None.

    Raises:
        UsageError: If there is no such model or device, or the runtime cannot run it.
        ModelError: If the file is no model of crackseg, or damaged.
        MissingExtraError: If openvino or torch is asked for and not installed.
    """
    computing = Computing(runtime=runtime, device=device, precision=precision)
    found = find_model(model)
    match _runtime_for(found, computing):
        case "torch" | "torch-compiled":
            predictor = _load_torch(found, computing)
        case "openvino":
            predictor = _load_openvino(found, computing)
        case _:
            predictor = _load_onnx(found, computing)
    from crackseg.prediction.model import Model

    return Model(predictor, predictor.card, tile_size=tile_size, memory_gib=memory_gib)


def load_ahead(load: Callable[[], Model]) -> Future[Model]:
    """Begin to load a model in a thread of its own.

    onnxruntime prepares a network without holding the interpreter, which imports the rest and reads images meanwhile.
    Python waits for the thread before it ends: a library that is cut off while it loads aborts the process.
    """
    from concurrent.futures import Future

    pending: Future[Model] = Future()

    def run() -> None:
        try:
            pending.set_result(load())
        except BaseException as error:  # noqa: BLE001  whatever it is, it is raised where the result is asked for
            pending.set_exception(error)

    Thread(target=run, name="crackseg-load").start()
    return pending


def _runtime_for(found: ModelFile, computing: Computing) -> RuntimeName:
    """Return the library to compute with.

    Raises:
        UsageError: If it cannot read the file or compute on the device.
    """
    runtime, suffix = computing.runtime, found.path.suffix
    if runtime == "auto":
        if suffix == ".safetensors" or computing.device.startswith("cuda"):
            return "torch"
        return "openvino" if suffix == ".xml" or computing.precision == "bf16" else "onnx"
    if not runtime.startswith("torch") and computing.device.startswith("cuda"):
        raise UsageError(f"{_TITLES[runtime]} computes on the CPU here", hint="use --runtime torch for a GPU")
    if not runtime.startswith("torch") and suffix == ".safetensors":
        raise UsageError(
            f"{_TITLES[runtime]} reads no checkpoints", where=found.path, hint="give the run folder or its model.onnx"
        )
    if runtime != "openvino" and suffix == ".xml":
        raise UsageError("only OpenVINO reads this", where=found.path, hint="use --runtime openvino")
    return runtime


_TITLES = {"onnx": "onnxruntime", "openvino": "OpenVINO"}


def _load_onnx(found: ModelFile, computing: Computing) -> CardedPredictor:
    from crackseg.runtimes.onnx import OnnxPredictor

    predictor = OnnxPredictor(found.read(), name=found.name)
    check_precision(found, computing, predictor.card)
    if computing.precision == "bf16":
        raise UsageError(
            "onnxruntime does not compute in bfloat16 on a CPU",
            where="--precision",
            hint="use --runtime openvino or --runtime torch",
        )
    return predictor


def _load_openvino(found: ModelFile, computing: Computing) -> CardedPredictor:
    require_extra("openvino")
    from crackseg.runtimes.openvino import OpenVinoPredictor, read_openvino

    model, card = read_openvino(found.read, found.path, name=found.name)
    check_precision(found, computing, card)
    return OpenVinoPredictor(model, card, precision=computing.precision or card.precision)


def _load_torch(found: ModelFile, computing: Computing) -> CardedPredictor:
    require_extra("train")
    from crackseg.runtimes.torch import load_torch_predictor

    if computing.precision == "int8":
        raise UsageError(
            "PyTorch does not compute in int8 here", where="--precision", hint="use --runtime onnx or openvino"
        )
    return load_torch_predictor(
        found.path,
        device=computing.device,
        bfloat16=computing.precision == "bf16",
        compiled=computing.runtime == "torch-compiled",
    )


def check_precision(found: ModelFile, computing: Computing, card: ModelCard) -> None:
    """Check that a file can be computed in the precision that is asked for.

    Raises:
        UsageError: If it holds 8-bit kernels and other ones are asked for, or the other way round.
    """
    if computing.precision == "int8" and card.precision != "int8":
        raise UsageError(
            "holds no int8 model",
            where=found.name,
            hint=f"make one: crackseg export --model {found.name} --precision int8 --data DIR -o small.onnx",
        )
    if computing.precision in ("fp32", "bf16") and card.precision == "int8":
        raise UsageError(
            "holds an int8 model", where=found.name, hint="leave --precision out, or give the model it is of"
        )


def _weights_folder() -> Path:
    return Path(__file__).parents[1] / "weights"


def _shipped_sha256(name: str) -> str:
    import json

    from crackseg.imaging.codec import read_file

    text = read_file(_weights_folder() / f"{name}.json").decode("utf-8", "replace")
    try:
        return str(json.loads(text)["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError("the card of the shipped model is damaged", where=name, hint="reinstall crackseg") from error
