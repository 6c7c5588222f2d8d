"""Segmentation networks, their configuration and their checkpoints."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.networks.checkpoint import initialise, load_network, read_card, read_weights, save_weights
    from crackseg.networks.config import NOT_IN_ONNX, Architecture, FcnVariant, NetworkConfig, Precision
    from crackseg.networks.factory import (
        SegmentationNetwork,
        build_network,
        crack_probability,
        defect_class,
        normalise,
        prune,
    )
    from crackseg.networks.precision import use_bfloat16
    from crackseg.networks.receptive_field import measure_context

__all__ = [
    "NOT_IN_ONNX",
    "Architecture",
    "FcnVariant",
    "NetworkConfig",
    "Precision",
    "SegmentationNetwork",
    "build_network",
    "crack_probability",
    "defect_class",
    "initialise",
    "load_network",
    "measure_context",
    "normalise",
    "prune",
    "read_card",
    "read_weights",
    "save_weights",
    "use_bfloat16",
]

_HOMES = {
    "Architecture": "crackseg.networks.config",
    "FcnVariant": "crackseg.networks.config",
    "NOT_IN_ONNX": "crackseg.networks.config",
    "NetworkConfig": "crackseg.networks.config",
    "Precision": "crackseg.networks.config",
    "SegmentationNetwork": "crackseg.networks.factory",
    "build_network": "crackseg.networks.factory",
    "crack_probability": "crackseg.networks.factory",
    "defect_class": "crackseg.networks.factory",
    "initialise": "crackseg.networks.checkpoint",
    "load_network": "crackseg.networks.checkpoint",
    "measure_context": "crackseg.networks.receptive_field",
    "normalise": "crackseg.networks.factory",
    "prune": "crackseg.networks.factory",
    "read_card": "crackseg.networks.checkpoint",
    "read_weights": "crackseg.networks.checkpoint",
    "save_weights": "crackseg.networks.checkpoint",
    "use_bfloat16": "crackseg.networks.precision",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.networks' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
