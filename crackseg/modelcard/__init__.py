"""Describe a model and the images it was trained on."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.modelcard.card import ModelCard, PrecisionName
    from crackseg.modelcard.domain import Domain, describe, describe_files, fit_domain

__all__ = [
    "Domain",
    "ModelCard",
    "PrecisionName",
    "describe",
    "describe_files",
    "fit_domain",
]

_HOMES = {
    "Domain": "crackseg.modelcard.domain",
    "ModelCard": "crackseg.modelcard.card",
    "PrecisionName": "crackseg.modelcard.card",
    "describe": "crackseg.modelcard.domain",
    "describe_files": "crackseg.modelcard.domain",
    "fit_domain": "crackseg.modelcard.domain",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.modelcard' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
