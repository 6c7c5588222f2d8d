"""Predict the cracks of images of any size."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.prediction.decoding import ReadAhead, decode
    from crackseg.prediction.loading import (
        DEFAULT_MODEL,
        MODEL_VARIABLE,
        RuntimeName,
        default_model,
        find_model,
        find_weights,
        load_model,
        shipped_card,
        shipped_models,
    )
    from crackseg.prediction.model import Model
    from crackseg.prediction.result import Prediction, PredictionFailure, PredictionResult, TooLargeError
    from crackseg.prediction.scheduling import predict_each
    from crackseg.prediction.seams import Seams, measure_seams
    from crackseg.prediction.segmentation import apply_threshold, predict_classes
    from crackseg.prediction.streaming import StreamedPrediction, predict_streamed
    from crackseg.prediction.tiled import TileLimits, predict_probability
    from crackseg.prediction.tiling import Tile, TilePlan, iter_tiles, plan_tiles
    from crackseg.prediction.tta import TtaName, predict_averaged

__all__ = [
    "DEFAULT_MODEL",
    "MODEL_VARIABLE",
    "Model",
    "Prediction",
    "PredictionFailure",
    "PredictionResult",
    "ReadAhead",
    "RuntimeName",
    "Seams",
    "StreamedPrediction",
    "Tile",
    "TileLimits",
    "TilePlan",
    "TooLargeError",
    "TtaName",
    "apply_threshold",
    "decode",
    "default_model",
    "find_model",
    "find_weights",
    "iter_tiles",
    "load_model",
    "measure_seams",
    "plan_tiles",
    "predict_averaged",
    "predict_classes",
    "predict_each",
    "predict_probability",
    "predict_streamed",
    "shipped_card",
    "shipped_models",
]

_HOMES = {
    "DEFAULT_MODEL": "crackseg.prediction.loading",
    "MODEL_VARIABLE": "crackseg.prediction.loading",
    "Model": "crackseg.prediction.model",
    "Prediction": "crackseg.prediction.result",
    "PredictionFailure": "crackseg.prediction.result",
    "PredictionResult": "crackseg.prediction.result",
    "ReadAhead": "crackseg.prediction.decoding",
    "RuntimeName": "crackseg.prediction.loading",
    "Seams": "crackseg.prediction.seams",
    "StreamedPrediction": "crackseg.prediction.streaming",
    "Tile": "crackseg.prediction.tiling",
    "TileLimits": "crackseg.prediction.tiled",
    "TilePlan": "crackseg.prediction.tiling",
    "TooLargeError": "crackseg.prediction.result",
    "TtaName": "crackseg.prediction.tta",
    "apply_threshold": "crackseg.prediction.segmentation",
    "decode": "crackseg.prediction.decoding",
    "default_model": "crackseg.prediction.loading",
    "find_model": "crackseg.prediction.loading",
    "find_weights": "crackseg.prediction.loading",
    "iter_tiles": "crackseg.prediction.tiling",
    "load_model": "crackseg.prediction.loading",
    "measure_seams": "crackseg.prediction.seams",
    "plan_tiles": "crackseg.prediction.tiling",
    "predict_averaged": "crackseg.prediction.tta",
    "predict_classes": "crackseg.prediction.segmentation",
    "predict_each": "crackseg.prediction.scheduling",
    "predict_probability": "crackseg.prediction.tiled",
    "predict_streamed": "crackseg.prediction.streaming",
    "shipped_card": "crackseg.prediction.loading",
    "shipped_models": "crackseg.prediction.loading",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.prediction' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
