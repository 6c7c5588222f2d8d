"""Find a model by name, file or run folder, and load it into a runtime."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Literal, Protocol

from crackseg.errors import ModelError, UsageError, display_text
from crackseg.machine import require_extra
from crackseg.modelcard.card import ModelCard, PrecisionName
from crackseg.runtimes.predictor import Predictor

if TYPE_CHECKING:
    from concurrent.futures import Future

    from crackseg.prediction.model import Model

# Images and prediction are imported inside functions: the model is loaded in one thread while another imports them.

DEFAULT_MODEL = "crackseg-mobile"
"""Shipped model that is used if neither the caller nor the environment chooses one."""

MODEL_VARIABLE = "CRACKSEG_MODEL"
"""Environment variable that chooses the default model."""

RUN_MODEL = "model.onnx"
"""Name of the exported model inside a run folder."""

_RUN_MODELS = (RUN_MODEL, "model.xml", "best.safetensors")

RuntimeName = Literal["auto", "onnx", "openvino", "torch", "torch-compiled"]
"""Library that computes; see `load_model`."""


class CardedPredictor(Predictor, Protocol):
    """A predictor with its model card."""

    @property
    def card(self) -> ModelCard:
        """Model card."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The file of a model.

    Attributes:
        name: Name by which the user chose it.
        path: Its ONNX, OpenVINO or safetensors file.
        sha256: Expected sha256 of its bytes; None for a model that does not ship with the package.
    """

    name: str
    path: Path
    sha256: str | None = None

    def read(self) -> bytes:
        """Return the bytes of the file.

        Raises:
            UsageError: If there is no such file.
            ModelError: If it is a shipped model and damaged.
        """
        from crackseg.imaging.codec import read_file

        data = read_file(self.path)
        if self.sha256 is not None and hashlib.sha256(data).hexdigest() != self.sha256:
            raise ModelError(
                "the shipped model is damaged: its sha256 differs from that of its card",
                where=self.path,
                hint="reinstall crackseg",
            )
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class _Backend:
    """The choices of `load_model` that decide what computes a model.

    Attributes:
        runtime: Library that computes.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``fp32``, ``bf16`` or ``int8``; that of the model's card if None.
    """

    runtime: RuntimeName = "auto"
    device: str = "auto"
    precision: PrecisionName | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise UsageError(f"expected auto, cpu, cuda or cuda:N, got '{self.device}'", where="--device")


def shipped_models() -> tuple[str, ...]:
    """Return the names of the models that ship with the package."""
    return tuple(sorted(path.stem for path in _weights_folder().glob("*.onnx")))


def shipped_card(name: str) -> ModelCard:
    """Return the card of a shipped model.

    Raises:
        ModelError: If the card is damaged.

    Examples:
        >>> shipped_card("crackseg-synthetic").threshold
        0.425
    """
    from crackseg.imaging.codec import read_file

    path = _weights_folder() / f"{name}.json"
    return ModelCard.from_json(read_file(path).decode("utf-8", "replace"), where=str(path))


def default_model() -> str:
    """Return the default model: ``CRACKSEG_MODEL``, or else `DEFAULT_MODEL`."""
    return os.environ.get(MODEL_VARIABLE) or DEFAULT_MODEL


def find_model(model: str | os.PathLike[str] | None = None) -> ModelFile:
    """Find the file of a model.

    Args:
        model: Name of a shipped model, an ``.onnx``, ``.xml`` or ``.safetensors`` file, or a run folder. If None, the
            environment variable ``CRACKSEG_MODEL`` chooses, or else it is the default model.

    Raises:
        UsageError: If there is no such model.
        ModelError: If a run folder holds no finished model.
    """
    name = default_model() if model is None else os.fspath(model)
    if name in shipped_models():
        return ModelFile(name, _weights_folder() / f"{name}.onnx", _shipped_sha256(name))
    path = Path(name)
    if path.is_dir():
        for candidate in _RUN_MODELS:
            if (path / candidate).is_file():
                return ModelFile(name, path / candidate)
        raise ModelError("holds no model yet", where=path, hint="let its training finish one epoch, or resume it")
    if path.is_file():
        return ModelFile(name, path)
    choices = f"a .onnx file, a run folder, or one of the shipped models ({', '.join(shipped_models()) or 'none'})"
    if model is None:
        raise UsageError(f"no such model '{display_text(name)}'", where=MODEL_VARIABLE, hint=f"set it to {choices}")
    raise UsageError("no such model", where=name, hint=f"give {choices}")


def holds_model(folder: Path) -> bool:
    """Return whether a folder holds a model file."""
    return any((folder / name).is_file() for name in _RUN_MODELS)


def find_weights(init: str) -> Path:
    """Return the weights file that ``--init`` names.

    Args:
        init: A file, a run folder, or the name of a shipped model.

    Raises:
        UsageError: If there are no such weights.
    """
    if init in shipped_models():
        return find_model(init).path
    path = Path(init)
    if path.is_dir():
        path = path / "best.safetensors"
    if not path.is_file():
        raise UsageError(
            "no such weights",
            where=init,
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
        model: Name of a shipped model, an ``.onnx``, ``.xml`` or ``.safetensors`` file, or a run folder. If None, the
            environment variable ``CRACKSEG_MODEL`` chooses, or else it is the default model, ``crackseg-mobile``.
        runtime: Library that computes:

            - ``onnx``: onnxruntime on the CPU.
            - ``openvino``: OpenVINO on the CPU, faster; needs the extra ``openvino``.
            - ``torch``: PyTorch on the CPU or a GPU; needs the extra ``train``.
            - ``torch-compiled``: PyTorch, which first compiles the network. This takes a minute, and on a CPU a C++
              compiler.
            - ``auto``: ``torch`` for a checkpoint or a GPU, ``openvino`` for an ``.xml`` file or ``bf16``, or else
              ``onnx``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; only PyTorch computes on a GPU.
        precision: ``fp32``, ``bf16`` or ``int8``; that of the model's card if None. Only ``bf16`` and ``int8`` ever
            compute in bfloat16.
        tile_size: Largest side of a tile, in pixels; no limit if None.
        memory_gib: Memory for one tile in the network, in GiB; if None, 2 GiB, or most of the free memory of a GPU.

    Raises:
        UsageError: If there is no such model or device, or the runtime cannot run the model.
        ModelError: If the file is not a model of crackseg, or is damaged.
        MissingExtraError: If OpenVINO or PyTorch is needed and not installed.

    Examples:
        >>> import crackseg
        >>> model = crackseg.load_model("crackseg-synthetic")
        >>> model
        Model('crackseg-synthetic', threshold 0.425)
        >>> len(model.plan((3000, 4000)))
        2
    """
    backend = _Backend(runtime=runtime, device=device, precision=precision)
    file = find_model(model)
    match _runtime_for(file, backend):
        case "torch" | "torch-compiled":
            predictor = _load_torch(file, backend)
        case "openvino":
            predictor = _load_openvino(file, backend)
        case _:
            predictor = _load_onnx(file, backend)
    from crackseg.prediction.model import Model

    return Model(predictor, predictor.card, tile_size=tile_size, memory_gib=memory_gib)


def load_ahead(load: Callable[[], Model]) -> Future[Model]:
    """Start to load a model in another thread.

    onnxruntime prepares a network without holding the interpreter, which meanwhile imports modules and reads images.
    Python waits for the thread before it exits: a library that is cut off while it loads aborts the process.

    Args:
        load: Returns the model.
    """
    from concurrent.futures import Future

    pending: Future[Model] = Future()

    def run() -> None:
        try:
            pending.set_result(load())
        except BaseException as error:  # noqa: BLE001  raised again where the result is used
            pending.set_exception(error)

    Thread(target=run, name="crackseg-load").start()
    return pending


def _runtime_for(file: ModelFile, backend: _Backend) -> RuntimeName:
    """Return the library to compute with.

    Raises:
        UsageError: If it cannot read the file or compute on the device.
    """
    runtime, suffix = backend.runtime, file.path.suffix
    if runtime == "auto":
        if suffix == ".safetensors" or backend.device.startswith("cuda"):
            return "torch"
        return "openvino" if suffix == ".xml" or backend.precision == "bf16" else "onnx"
    if not runtime.startswith("torch") and backend.device.startswith("cuda"):
        raise UsageError(
            f"{_TITLES[runtime]} computes only on the CPU", where="--device", hint="use --runtime torch for a GPU"
        )
    if not runtime.startswith("torch") and suffix == ".safetensors":
        raise UsageError(
            f"{_TITLES[runtime]} cannot read checkpoints", where=file.path, hint="give the run folder or its model.onnx"
        )
    if runtime != "openvino" and suffix == ".xml":
        raise UsageError("only OpenVINO can read this model", where=file.path, hint="use --runtime openvino")
    return runtime


_TITLES = {"onnx": "onnxruntime", "openvino": "OpenVINO"}


def _load_onnx(file: ModelFile, backend: _Backend) -> CardedPredictor:
    from crackseg.runtimes.onnx import OnnxPredictor

    predictor = OnnxPredictor(file.read(), name=file.name, verified=file.sha256 is not None)
    _check_precision(file, backend, predictor.card)
    if backend.precision == "bf16":
        raise UsageError(
            "onnxruntime cannot compute in bfloat16 on a CPU",
            where="--precision",
            hint="use --runtime openvino or --runtime torch",
        )
    return predictor


def _load_openvino(file: ModelFile, backend: _Backend) -> CardedPredictor:
    require_extra("openvino")
    from crackseg.runtimes.openvino import OpenVinoPredictor, read_openvino

    model, card = read_openvino(file.read, file.path, name=file.name)
    _check_precision(file, backend, card)
    return OpenVinoPredictor(model, card, precision=backend.precision or card.precision)


def _load_torch(file: ModelFile, backend: _Backend) -> CardedPredictor:
    require_extra("train")
    from crackseg.runtimes.torch import load_torch_predictor

    if backend.precision == "int8":
        raise UsageError(
            "the torch runtime cannot compute in int8", where="--precision", hint="use --runtime onnx or openvino"
        )
    return load_torch_predictor(
        file.path,
        device=backend.device,
        bfloat16=backend.precision == "bf16",
        compiled=backend.runtime == "torch-compiled",
    )


def _check_precision(file: ModelFile, backend: _Backend, card: ModelCard) -> None:
    """Check that a file can be computed in the chosen precision.

    Raises:
        UsageError: If an int8 model must compute in another precision, or the other way round.
    """
    if backend.precision == "int8" and card.precision != "int8":
        raise UsageError(
            "holds no int8 model",
            where=file.name,
            hint=f"make one: crackseg export --model {file.name} --precision int8 --data DIR -o small.onnx",
        )
    if backend.precision in ("fp32", "bf16") and card.precision == "int8":
        raise UsageError(
            "holds an int8 model", where=file.name, hint="leave --precision out, or give the model it was made from"
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
