"""Synthetic crack images with exact masks and measurements.

A recipe, a seed and an index determine every sample. Nothing here reads or writes files.

    sample = data_gen.generate_sample(data_gen.Recipe(size=256), seed=0, index=0)
    sample.image, sample.mask, sample.cracks

Names are resolved on first use: importing this package imports neither NumPy nor OpenCV.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_gen.confounder import Confounder, draw_confounders
    from data_gen.crack import SyntheticCrack
    from data_gen.noise import NoisePatch
    from data_gen.recipe import ConfounderRecipe, Recipe
    from data_gen.sample import Assets, SyntheticSample, generate_sample

__all__ = [
    "Assets",
    "Confounder",
    "ConfounderRecipe",
    "NoisePatch",
    "Recipe",
    "SyntheticCrack",
    "SyntheticSample",
    "draw_confounders",
    "generate_sample",
]

_HOMES = {
    "Assets": "data_gen.sample",
    "Confounder": "data_gen.confounder",
    "ConfounderRecipe": "data_gen.recipe",
    "NoisePatch": "data_gen.noise",
    "Recipe": "data_gen.recipe",
    "SyntheticCrack": "data_gen.crack",
    "SyntheticSample": "data_gen.sample",
    "draw_confounders": "data_gen.confounder",
    "generate_sample": "data_gen.sample",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'data_gen' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
