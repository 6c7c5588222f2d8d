"""Quantise ONNX models to 8 bits with calibration images."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from crackseg.modelcard.card import ModelCard
from crackseg.prediction.tiling import crop_mirrored, plan_tiles
from crackseg.runtimes.onnx import with_card

_QUANTISED = ("Conv",)
"""Operators that compute in 8 bits; they do nearly all the work. The others stay in float32."""

_FLOAT_FIRST = 4
"""Number of first convolutions that stay in float32."""


def quantise(data: bytes, card: ModelCard, images: Sequence[NDArray[np.uint8]]) -> bytes:
    """Quantise a float32 ONNX model of crackseg to 8 bits.

    The first four convolutions and the last stay in float32. OpenVINO 2026.4 finds no crack with the second, third or
    fourth convolution of a MobileNetV2 in 8 bits, or the sums between them. onnxruntime does.
    Kernels have one scale per channel. The result has QuantizeLinear and DequantizeLinear nodes, which onnxruntime
    computes in 8 bits.

    Args:
        data: Content of the ONNX file.
        card: Model card for the metadata of the result.
        images: ``(H, W, 3)`` uint8 RGB images, similar to those that the model will predict. They set the scales of
            the features.

    Returns:
        Content of the quantised ONNX file.

    Source:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
        CVPR 2018, section 2.
    """
    with tempfile.TemporaryDirectory(prefix="crackseg-") as folder:
        folded, quantised = Path(folder) / "folded.onnx", Path(folder) / "quantised.onnx"
        _fold(data, folded)
        convolutions = [node.name for node in onnx.load(folded).graph.node if node.op_type == "Conv"]
        logger = logging.getLogger()
        before = logger.level
        logger.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                quantize_static(
                    folded,
                    quantised,
                    _CalibrationTiles(images, card),
                    quant_format=QuantFormat.QDQ,
                    op_types_to_quantize=list(_QUANTISED),
                    per_channel=True,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    nodes_to_exclude=[*convolutions[:_FLOAT_FIRST], convolutions[-1]],
                    calibrate_method=CalibrationMethod.MinMax,
                )
        finally:
            logger.setLevel(before)
        model = onnx.load(quantised)
    del model.metadata_props[:]
    model.producer_name = "crackseg"
    return with_card(model.SerializeToString(), card)


def _fold(data: bytes, path: Path) -> None:
    """Write a model with its batch normalisation folded into its kernels."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


class _CalibrationTiles(CalibrationDataReader):  # type: ignore[misc]
    """Calibration images as tiles of the network's context."""

    def __init__(self, images: Sequence[NDArray[np.uint8]], card: ModelCard) -> None:
        self._inputs = self._tiles(images, card)

    @staticmethod
    def _tiles(images: Sequence[NDArray[np.uint8]], card: ModelCard) -> Iterator[dict[str, NDArray[np.uint8]]]:
        for image in images:
            height, width = image.shape[:2]
            for tile in plan_tiles((height, width), context=card.context_px, stride=card.stride):
                yield {"pixels": crop_mirrored(image, tile.read)[None]}

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next input, ``(1, H, W, 3)`` uint8 pixels; None after the last."""
        return next(self._inputs, None)
