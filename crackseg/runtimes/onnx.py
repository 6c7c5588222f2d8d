"""The default runtime: onnxruntime on the CPU."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from crackseg.card import ModelCard
from crackseg.errors import ModelError
from crackseg.machine import usable_cores

CARD_KEY = "crackseg_card"
"""Key of the metadata of an ONNX file under which its model card stands."""

_LOAD_ERRORS = (
    ort_state.Fail, ort_state.InvalidArgument, ort_state.InvalidGraph, ort_state.InvalidProtobuf,
    ort_state.NotImplemented, ort_state.RuntimeException, RuntimeError, ValueError,
)  # fmt: skip


class OnnxPredictor:
    """A `Predictor` over an ONNX model written by crackseg, its card inside.

    Args:
        data: The ONNX file's bytes.
        name: What to call it in an error.
        threads: Threads to compute with; as many as the process may use if None.

    Raises:
        ModelError: If ``data`` is no ONNX model, or not one of crackseg's.
    """

    def __init__(self, data: bytes, *, name: str, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except _LOAD_ERRORS as error:
            raise ModelError("not an ONNX model", where=name, hint="give a .onnx file or a run folder") from error
        text = self._session.get_modelmeta().custom_metadata_map.get(CARD_KEY, "")
        self.card = ModelCard.from_json(text, where=name)
        self._name = name

    @property
    def stride(self) -> int:
        """Total downsampling, in pixels."""
        return self.card.stride

    @property
    def context(self) -> int:
        """Measured context, in pixels."""
        return self.card.context_px

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Return the ``(N, H, W)`` crack probability of ``(N, H, W, 3)`` RGB pixels."""
        (probability,) = self._session.run(["probability"], {"pixels": pixels})
        return np.asarray(probability, dtype=np.float32)
