"""Write synthetic samples to disk: images, masks, annotations and a manifest."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.generation.job import FORMATS, AssetFolders, GenerationJob, LabelFormat
    from crackseg.generation.result import GenerationResult
    from crackseg.generation.run import generate

__all__ = [
    "FORMATS",
    "AssetFolders",
    "GenerationJob",
    "GenerationResult",
    "LabelFormat",
    "generate",
]

_HOMES = {
    "AssetFolders": "crackseg.generation.job",
    "FORMATS": "crackseg.generation.job",
    "GenerationJob": "crackseg.generation.job",
    "GenerationResult": "crackseg.generation.result",
    "LabelFormat": "crackseg.generation.job",
    "generate": "crackseg.generation.run",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.generation' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
