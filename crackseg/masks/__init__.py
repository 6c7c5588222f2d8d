"""Clean binary masks and bridge gaps in them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.masks.cleaning import (
        CleanedMask,
        Cleaning,
        CleaningStep,
        choose_cleaning,
        clean,
        clean_file,
        preset,
    )
    from crackseg.masks.gaps import CrackEnds, bridge_gaps, find_ends
    from crackseg.masks.morphology import apply_morphology, fill_holes

__all__ = [
    "CleanedMask",
    "Cleaning",
    "CleaningStep",
    "CrackEnds",
    "apply_morphology",
    "bridge_gaps",
    "choose_cleaning",
    "clean",
    "clean_file",
    "fill_holes",
    "find_ends",
    "preset",
]

_HOMES = {
    "CleanedMask": "crackseg.masks.cleaning",
    "Cleaning": "crackseg.masks.cleaning",
    "CleaningStep": "crackseg.masks.cleaning",
    "CrackEnds": "crackseg.masks.gaps",
    "apply_morphology": "crackseg.masks.morphology",
    "bridge_gaps": "crackseg.masks.gaps",
    "choose_cleaning": "crackseg.masks.cleaning",
    "clean": "crackseg.masks.cleaning",
    "clean_file": "crackseg.masks.cleaning",
    "fill_holes": "crackseg.masks.morphology",
    "find_ends": "crackseg.masks.gaps",
    "preset": "crackseg.masks.cleaning",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.masks' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
