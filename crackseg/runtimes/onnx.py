"""Run a network with onnxruntime on the CPU, the default runtime."""

from __future__ import annotations

import copy
import functools

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from crackseg.errors import ModelError, display_text
from crackseg.machine import usable_cores
from crackseg.modelcard.card import ModelCard
from crackseg.runtimes.onnx_file import find_non_finite, graph_sha256, with_metadata
from crackseg.runtimes.predictor import DEFECT_CLASS, PROBABILITY, TileMemoryError, WithCard, no_classes_error

CARD_KEY = "crackseg_card"
"""Metadata key of the model card in an ONNX file."""

SHA256_KEY = "crackseg_weights_sha256"
"""Metadata key of the sha256 of a model's weights: the graph of an ONNX file, or the weights file of OpenVINO."""

_MOST_THREADS_WITHOUT_SPINNING = 2
"""With at most this many threads, waiting threads sleep instead of spinning.

Spinning threads take the cores from reading, measuring and writing, and the arithmetic from a sibling hardware thread.
"""

_LOAD_ERRORS = (
    ort_state.Fail, ort_state.InvalidArgument, ort_state.InvalidGraph, ort_state.InvalidProtobuf,
    ort_state.NotImplemented, ort_state.RuntimeException, RuntimeError, ValueError,
)  # fmt: skip


class OnnxPredictor(WithCard):
    """A `Predictor` over an ONNX model of crackseg, which holds its model card.

    Args:
        data: The ONNX file's bytes.
        name: Name of the model in errors.
        threads: Threads to compute with; one for each core of the process if None.
        verified: Skip the checks of the weights, for a file whose bytes are known to be those of a good model.

    Raises:
        ModelError: If ``data`` is not an ONNX model of crackseg, or its weights hold NaN or infinity.
    """

    def __init__(self, data: bytes, *, name: str, threads: int | None = None, verified: bool = False) -> None:
        self._data, self._name, self._threads = data, name, threads or usable_cores()
        if not verified and (weight := find_non_finite(data)) is not None:
            raise ModelError(
                f"its weights hold NaN or infinity ({display_text(weight)})", where=name, hint="train it again"
            )
        self._session = _session(data, _options(self._threads), name)
        self.card = _card(self._session, None if verified else data, name)

    def one_thread(self) -> OnnxPredictor:
        """Return the network prepared for one thread per caller."""
        return self if self._threads == 1 else self._single

    @functools.cached_property
    def _single(self) -> OnnxPredictor:
        other = copy.copy(self)
        other._threads, other._session = 1, _session(self._data, _options(1), self._name)
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
        return np.asarray(self._run(PROBABILITY, pixels), dtype=np.float32)

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
        if DEFECT_CLASS not in [output.name for output in self._session.get_outputs()]:
            raise no_classes_error(self.card)
        return np.asarray(self._run(DEFECT_CLASS, pixels), dtype=np.uint8)

    def _run(self, output: str, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        try:
            (values,) = self._session.run([output], {"pixels": pixels})
        except (ort_state.RuntimeException, ort_state.Fail) as error:
            if "alloc" not in str(error):
                raise
            raise TileMemoryError(f"no memory for a tile of {pixels.shape[1]}x{pixels.shape[2]} px") from error
        return np.asarray(values)


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if threads <= _MOST_THREADS_WITHOUT_SPINNING:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _sets_exact_allocation():
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.use_env_allocators", "1")
    return options


@functools.cache
def _sets_exact_allocation() -> bool:
    """Let onnxruntime allocate the memory it requests instead of powers of two.

    A tile then takes 246 bytes per pixel instead of 408.

    Returns:
        False if the process has such a setting already: it can be made only once.
    """
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    try:
        onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg({"arena_extend_strategy": 1}))
    except (*_LOAD_ERRORS, TypeError):
        return False
    return True


def read_onnx_card(data: bytes, *, name: str) -> ModelCard:
    """Return the card in an ONNX model without preparing it to compute.

    Args:
        data: The bytes of the ONNX file.
        name: Name of the model in errors.

    Raises:
        ModelError: If ``data`` is not an ONNX model of crackseg.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return _card(_session(data, options, name), data, name)


def with_card(data: bytes, card: ModelCard) -> bytes:
    """Add a model card and the graph's sha256 to a file.

    Args:
        data: The bytes of the ONNX file.
        card: The model card.

    Raises:
        ValueError: If ``data`` is not an ONNX file.
    """
    return with_metadata(with_metadata(data, CARD_KEY, card.to_json(indent=None)), SHA256_KEY, graph_sha256(data))


def _session(data: bytes, options: onnxruntime.SessionOptions, name: str) -> onnxruntime.InferenceSession:
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except _LOAD_ERRORS as error:
        raise ModelError("not an ONNX model", where=name, hint="give a .onnx file or a run folder") from error


def _card(session: onnxruntime.InferenceSession, data: bytes | None, name: str) -> ModelCard:
    """Return the card of a model after checking its file, if given.

    Raises:
        ModelError: If there is no card, or the weights have changed.
    """
    entries = session.get_modelmeta().custom_metadata_map
    if data is not None and entries.get(SHA256_KEY) not in (None, graph_sha256(data)):
        raise ModelError(
            "its weights are damaged: their sha256 differs from its metadata", where=name, hint="export it again"
        )
    return ModelCard.from_json(entries.get(CARD_KEY, ""), where=name)
