"""Run networks with onnxruntime, OpenVINO or PyTorch behind one protocol."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.runtimes.onnx import OnnxPredictor, read_onnx_card
    from crackseg.runtimes.openvino import OpenVinoPredictor
    from crackseg.runtimes.predictor import ClassPredictor, DevicePredictor, Predictor, SplitPredictor, TileMemoryError
    from crackseg.runtimes.torch import TorchPredictor, pick_device

__all__ = [
    "ClassPredictor",
    "DevicePredictor",
    "OnnxPredictor",
    "OpenVinoPredictor",
    "Predictor",
    "SplitPredictor",
    "TileMemoryError",
    "TorchPredictor",
    "pick_device",
    "read_onnx_card",
]

_HOMES = {
    "ClassPredictor": "crackseg.runtimes.predictor",
    "DevicePredictor": "crackseg.runtimes.predictor",
    "OnnxPredictor": "crackseg.runtimes.onnx",
    "OpenVinoPredictor": "crackseg.runtimes.openvino",
    "Predictor": "crackseg.runtimes.predictor",
    "SplitPredictor": "crackseg.runtimes.predictor",
    "TileMemoryError": "crackseg.runtimes.predictor",
    "TorchPredictor": "crackseg.runtimes.torch",
    "pick_device": "crackseg.runtimes.torch",
    "read_onnx_card": "crackseg.runtimes.onnx",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.runtimes' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
