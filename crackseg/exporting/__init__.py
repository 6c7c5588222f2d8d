"""Export models to ONNX and OpenVINO after comparing them with the original."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.exporting.from_torch import export_checkpoint, export_onnx
    from crackseg.exporting.int8 import quantise
    from crackseg.exporting.onnx_graph import optimise_graph
    from crackseg.exporting.parity import LIMITS, Parity, ParityError, ParityLimits, compare
    from crackseg.exporting.pipeline import Converted, ExportResult, FormatName, convert, export_model

__all__ = [
    "LIMITS",
    "Converted",
    "ExportResult",
    "FormatName",
    "Parity",
    "ParityError",
    "ParityLimits",
    "compare",
    "convert",
    "export_checkpoint",
    "export_model",
    "export_onnx",
    "optimise_graph",
    "quantise",
]

_HOMES = {
    "Converted": "crackseg.exporting.pipeline",
    "ExportResult": "crackseg.exporting.pipeline",
    "FormatName": "crackseg.exporting.pipeline",
    "LIMITS": "crackseg.exporting.parity",
    "Parity": "crackseg.exporting.parity",
    "ParityError": "crackseg.exporting.parity",
    "ParityLimits": "crackseg.exporting.parity",
    "compare": "crackseg.exporting.parity",
    "convert": "crackseg.exporting.pipeline",
    "export_checkpoint": "crackseg.exporting.from_torch",
    "export_model": "crackseg.exporting.pipeline",
    "export_onnx": "crackseg.exporting.from_torch",
    "optimise_graph": "crackseg.exporting.onnx_graph",
    "quantise": "crackseg.exporting.int8",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.exporting' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
