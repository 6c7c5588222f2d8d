"""A model with 8-bit kernels and 8-bit features, their ranges taken from images; needs the package onnx."""

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
"""Kinds of layer that compute in 8 bits: where nearly all the work is. All else keeps float32."""

_FLOAT_FIRST = 4
"""Convolutions at the beginning that keep float32."""


def quantise(data: bytes, card: ModelCard, images: Sequence[NDArray[np.uint8]]) -> bytes:
    """Turn a float32 ONNX model of crackseg into one that computes in 8 bits.

    The first convolutions and the last keep float32: the first see the image at its finest, and the last decides. (With
    the second, third or fourth of a MobileNetV2 in 8 bits, or the sums between them, OpenVINO 2026.4 finds no crack at
    all; onnxruntime does.)
    Kernels are quantised by channel. The result is ONNX with QuantizeLinear and DequantizeLinear, which onnxruntime
    computes in 8 bits.

    Args:
        data: The model.
        card: Goes into the result's metadata.
        images: ``(H, W, 3)`` RGB pixels each, as the model will see them: features are scaled to what they show here.

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
                    _Reader(images, card),
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
    """Write the model with its batch normalisation folded into its kernels."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands out images one by one, with their mirrored borders."""

    def __init__(self, images: Sequence[NDArray[np.uint8]], card: ModelCard) -> None:
        self._inputs = self._tiles(images, card)

    @staticmethod
    def _tiles(images: Sequence[NDArray[np.uint8]], card: ModelCard) -> Iterator[dict[str, NDArray[np.uint8]]]:
        for image in images:
            height, width = image.shape[:2]
            for tile in plan_tiles((height, width), context=card.context_px, stride=card.stride):
                yield {"pixels": crop_mirrored(image, tile.read)[None]}

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next input, or None."""
        return next(self._inputs, None)
