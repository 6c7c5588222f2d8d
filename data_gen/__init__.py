"""Synthetic crack images with exact truth.

Every sample is decided by a recipe, a seed and an index alone. Nothing here reads or writes files.
"""

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
