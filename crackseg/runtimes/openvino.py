"""Run a network with OpenVINO, the fastest runtime on a CPU."""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import openvino
from numpy.typing import NDArray

from crackseg.errors import ModelError, UsageError
from crackseg.imaging.codec import read_file
from crackseg.machine import usable_cores
from crackseg.modelcard.card import ModelCard, PrecisionName
from crackseg.runtimes.onnx import CARD_KEY, SHA256_KEY, read_onnx_card
from crackseg.runtimes.predictor import TileMemoryError, WithCard, no_classes_error

_LARGE_PX = 1_500_000
"""Tiles of at least this many pixels get a network prepared for their size, which takes most of a second."""

_BYTES_PER_PX: dict[PrecisionName, int] = {"fp32": 152, "bf16": 109, "int8": 152}
"""Memory of a large tile per pixel, in bytes, measured by ``benchmarks/predict_memory.py --tile-memory``.

int8 was not measured; it is assumed to need as much as float32.
"""

_PROCESS_BYTES = 384 * 2**20
"""Memory of a process with OpenVINO and a model, without images and tiles, in bytes."""

_KEPT_SIZES = 4
"""Number of tile sizes for which the network stays prepared."""

_MEMORY_HINTS = ("alloc", "memory")


class OpenVinoPredictor(WithCard):
    """A `Predictor` over a model in OpenVINO.

    By default OpenVINO silently computes in bfloat16 if the processor can. Here ``fp32`` is always float32. The layers
    of an int8 model that are not 8-bit compute in bfloat16 if the processor can.

    Args:
        model: The network.
        card: Its model card.
        precision: Float width to compute in, or ``int8``.
        threads: Threads to compute with; one for each core of the process if None.

    Raises:
        UsageError: If the processor cannot compute in ``precision``.
    """

    def __init__(
        self, model: openvino.Model, card: ModelCard, *, precision: PrecisionName = "fp32", threads: int | None = None
    ) -> None:
        core = openvino.Core()
        has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and not has_bfloat16:
            raise UsageError("this processor cannot compute in bfloat16", where="--precision", hint="use fp32")
        self.card = card
        self.precision = precision
        self.bytes_per_px = _BYTES_PER_PX[precision]
        self.process_bytes = _PROCESS_BYTES
        self._core, self._model = core, model
        self._threads = threads or usable_cores()
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision != "fp32" and has_bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._any_size = core.compile_model(model, "CPU", self._settings)
        self._one_size: dict[tuple[int, ...], openvino.CompiledModel] = {}
        self._own: threading.local | None = None

    def one_thread(self) -> OpenVinoPredictor:
        """Return the network prepared for several threads that call it at once."""
        return self if self._own is not None else self._split

    @functools.cached_property
    def _split(self) -> OpenVinoPredictor:
        other = copy.copy(self)
        # Preparing each size for each thread would take too long. A network for any size needs twice the memory.
        other.bytes_per_px = 2 * self.bytes_per_px
        streams = {"NUM_STREAMS": self._threads, "PERFORMANCE_HINT": "THROUGHPUT"}
        other._any_size = self._core.compile_model(self._model, "CPU", self._settings | streams)
        other._own = threading.local()
        return other

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Return the crack probability of images of one size.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB pixels.

        Returns:
            ``(N, H, W)`` float32 crack probability, in [0, 1].

        Raises:
            TileMemoryError: If there is no memory for an input of this size.
        """
        return np.asarray(self._run(0, pixels), dtype=np.float32)

    def classes(self, pixels: NDArray[np.uint8], /) -> NDArray[np.uint8]:
        """Return the likeliest defect class of each pixel.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB pixels.

        Returns:
            ``(N, H, W)`` uint8 class numbers, from 1.

        Raises:
            ModelError: If the model has no classes.
            TileMemoryError: If there is no memory for an input of this size.
        """
        if len(self._model.outputs) < 2:
            raise no_classes_error(self.card)
        return np.asarray(self._run(1, pixels), dtype=np.uint8)

    def _run(self, output: int, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        try:
            values = self._infer(pixels)[output]
        except RuntimeError as error:
            if not any(hint in str(error) for hint in _MEMORY_HINTS):
                raise
            raise TileMemoryError(f"no memory for a tile of {pixels.shape[1]}x{pixels.shape[2]} px") from error
        return np.asarray(values)

    def _infer(self, pixels: NDArray[np.uint8]) -> Mapping[int, NDArray[np.generic]]:
        if self._own is None:
            outputs = self._compiled(pixels.shape)([pixels], share_inputs=True)
        else:  # a request serves one thread at a time
            if not hasattr(self._own, "request"):
                self._own.request = self._any_size.create_infer_request()
            outputs = self._own.request.infer([pixels], share_inputs=True)
        return cast(Mapping[int, NDArray[np.generic]], outputs)

    def _compiled(self, shape: tuple[int, ...]) -> openvino.CompiledModel:
        """Return the network for any size, or for this large size only."""
        if shape[0] * shape[1] * shape[2] < _LARGE_PX:
            return self._any_size
        if shape not in self._one_size:
            while len(self._one_size) >= _KEPT_SIZES:
                del self._one_size[next(iter(self._one_size))]
            fixed = self._model.clone()
            fixed.reshape(list(shape))
            self._one_size[shape] = self._core.compile_model(fixed, "CPU", self._settings)
        return self._one_size[shape]


def read_openvino(read: Callable[[], bytes], path: Path, *, name: str) -> tuple[openvino.Model, ModelCard]:
    """Read an ``.onnx`` model, or an ``.xml`` model with its ``.bin`` weights.

    Args:
        read: Returns the bytes of the file.
        path: The file; the weights of an ``.xml`` lie next to it.
        name: Name of the model in errors.

    Raises:
        ModelError: If it is not a model of crackseg, or its weights have changed.
    """
    data = read()
    if path.suffix == ".onnx":
        return from_onnx(data), read_onnx_card(data, name=name)
    weights = read_file(path.with_suffix(".bin"))
    try:
        model = openvino.Core().read_model(model=data, weights=weights)
        entries = {
            key: str(model.get_rt_info([key]).value) for key in (CARD_KEY, SHA256_KEY) if model.has_rt_info([key])
        }
    except RuntimeError as error:
        raise ModelError(
            "not an OpenVINO model", where=name, hint="give the .xml that crackseg export wrote"
        ) from error
    card = ModelCard.from_json(entries.get(CARD_KEY, ""), where=name)
    if hashlib.sha256(weights).hexdigest() != entries.get(SHA256_KEY):
        raise ModelError(
            "its weights are damaged: their sha256 differs from its metadata",
            where=path.with_suffix(".bin"),
            hint="export it again",
        )
    return model, card


def from_onnx(data: bytes) -> openvino.Model:
    """Convert the bytes of an ONNX file to an OpenVINO model."""
    return openvino.Core().read_model(io.BytesIO(data))


def to_files(model: openvino.Model, card: ModelCard) -> dict[str, bytes]:
    """Return the files that `read_openvino` reads, by suffix.

    Args:
        model: The network.
        card: Its model card, which goes into the metadata with the sha256 of the weights.
    """
    with tempfile.TemporaryDirectory(prefix="crackseg-") as folder:
        path = Path(folder) / "model.xml"
        openvino.serialize(model, path)
        digest = hashlib.sha256(path.with_suffix(".bin").read_bytes()).hexdigest()
        model.set_rt_info(card.to_json(indent=None), [CARD_KEY])
        model.set_rt_info(digest, [SHA256_KEY])
        openvino.serialize(model, path)
        return {suffix: path.with_suffix(suffix).read_bytes() for suffix in (".bin", ".xml")}
