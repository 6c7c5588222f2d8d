"""Cracks onto a surface: darkness by depth, lips, spalled edges, dust and water stains."""

from dataclasses import dataclass

import numpy as np

from data_gen import chance
from data_gen.crack import PlacedCrack
from data_gen.field import fractal_2d, noise_2d
from data_gen.plane import Plane, Planes, at_least, blurred, clip
from data_gen.profile import darkness
from data_gen.recipe import AppearanceRecipe
from data_gen.relief import lit


@dataclass(frozen=True)
class _Scene:
    """What all cracks of one image share.

    Attributes:
        recipe: How cracks may look.
        light_rad: Direction the light comes from.
        grain: ``(H, W)`` float32, brightness of the surface over that of its surroundings, minus 1.
        busyness: Standard deviation of the grain at the scale of a crack.
        faint: True if all cracks are hard to see.
        light: True if all cracks are lighter than the surface.
    """

    recipe: AppearanceRecipe
    light_rad: float
    grain: Plane
    busyness: float
    faint: bool
    light: bool


def paint_cracks(
    rng: np.random.Generator,
    planes: Planes,
    cracks: tuple[PlacedCrack, ...],
    recipe: AppearanceRecipe,
    light_rad: float,
) -> Planes:
    """Darken a surface where it is cracked.

    Args:
        rng: Source of randomness.
        planes: ``(3, H, W)`` float32 surface in about [0, 1]; changed in place.
        cracks: Where the cracks are.
        recipe: How they look.
        light_rad: Direction the light comes from.

    Returns:
        ``planes``.
    """
    if not cracks:
        return planes
    grain = planes[1] / at_least(blurred(planes[1], 5.0), 0.02) - 1
    busyness = float(blurred(np.ascontiguousarray(grain[::2, ::2]), 0.6).std())
    faint, light = chance.happens(rng, recipe.faint_probability), chance.happens(rng, recipe.light_probability)
    scene = _Scene(recipe, light_rad, grain, busyness, faint, light)
    dust = np.float32(rng.uniform(0, 0.14)) * np.array([-1.0, 0.0, 0.8], np.float32) * np.float32(rng.random())
    for crack in cracks:
        alpha, change = _alpha(rng, crack, scene)
        rows, cols = crack.window
        for band in range(3):
            planes[band, rows, cols] *= at_least(1 + change - alpha * (1 + dust[band]), 0.02)
    return planes


def _alpha(rng: np.random.Generator, crack: PlacedCrack, scene: _Scene) -> tuple[Plane, Plane]:
    """Return the darkening and the other change of brightness over the window of a crack."""
    recipe, coverage, width = scene.recipe, crack.raster.coverage, crack.truth.width_mean_px
    alpha = coverage * darkness(crack.raster.depth_px, chance.uniform(rng, recipe.softness_px))
    grain = scene.grain[crack.window]
    alpha *= _crumbled(rng, crack.raster.depth_px, grain, chance.uniform(rng, recipe.crumble))
    if chance.happens(rng, recipe.dust_probability):
        alpha *= _filled(rng, (coverage.shape[0], coverage.shape[1]))
    alpha *= np.float32(_contrast(rng, scene, width))
    change = coverage * grain * np.float32(-rng.uniform(0.0, 0.9))
    if chance.happens(rng, recipe.lip_probability):
        soft = blurred(coverage, float(rng.uniform(0.6, 1.6)))
        strength = chance.uniform(rng, recipe.lip_strength) * rng.uniform(0.5, 2.5)
        change += lit(soft, scene.light_rad, -strength) * (1 + 2 * at_least(grain, -0.4))
    if width > 1.5 and chance.happens(rng, recipe.spall_probability):
        change += _spall(rng, coverage, width, scene.light_rad)
    if chance.happens(rng, recipe.halo_probability):
        change += _halo(rng, coverage)
    return np.asarray(alpha, dtype=np.float32), np.asarray(change, dtype=np.float32)


def _contrast(rng: np.random.Generator, scene: _Scene, width_px: float) -> float:
    """Draw the share of light a crack takes away; more on a busy surface, negative for light cracks."""
    recipe = scene.recipe
    contrast = chance.uniform(rng, recipe.faint_contrast if scene.faint else recipe.contrast)
    if width_px < 1.0:
        contrast = max(contrast, float(rng.uniform(0.3, 0.9)))
    contrast = max(contrast, min(0.08 * width_px, 0.75) * float(rng.uniform(0.7, 1.2)))
    contrast = min(contrast + rng.uniform(0.3, 1.3) * scene.busyness, 0.97)
    return -contrast * float(rng.uniform(0.3, 0.9)) if scene.light else contrast


def _crumbled(rng: np.random.Generator, depth_px: Plane, grain: Plane, crumble: float) -> Plane:
    """Return how open a crack is: grains stick out of its edges, and bright grains bridge it here and there."""
    rough = noise_2d(rng, (depth_px.shape[0], depth_px.shape[1]), float(rng.uniform(1.5, 5.0)))
    spread = np.float32(1 / max(float(grain[::2, ::2].std()), 0.02))
    rough -= np.float32(0.7) * clip(grain * spread, -2.0, 2.5)
    return clip(depth_px + np.float32(0.95) + rough * np.float32(1.3 * crumble), 1 - 0.9 * crumble, 1.0)


def _filled(rng: np.random.Generator, shape: tuple[int, int]) -> Plane:
    """Return how empty a crack is: dust and dirt fill parts of its length."""
    level = np.float32(0.6) * noise_2d(rng, shape, float(rng.uniform(20, 70)))
    level += np.float32(0.35) * noise_2d(rng, shape, float(rng.uniform(5, 14))) + np.float32(rng.uniform(0.5, 1.2))
    return clip(level, float(rng.uniform(0.1, 0.6)), 1.0)


def _spall(rng: np.random.Generator, coverage: Plane, width_px: float, light_rad: float) -> Plane:
    """Return the look of chipped edges: patches beside the crack, a little lower and of another brightness."""
    near = blurred(coverage, 1.2 * width_px + 1.5)
    near *= np.float32(1 / max(float(near.max()), 1e-3))
    rough = fractal_2d(rng, (coverage.shape[0], coverage.shape[1]), (4.0, 40.0), 0.7)
    chip = clip((near * 2 + rough * np.float32(0.6) - np.float32(rng.uniform(1.3, 2.3))) * 3)
    chip *= clip(near * 6)
    shade = lit(chip, light_rad, -float(rng.uniform(0.1, 0.6)))
    return np.asarray(chip * np.float32(rng.uniform(-0.3, 0.25)) + shade, dtype=np.float32)


def _halo(rng: np.random.Generator, coverage: Plane) -> Plane:
    """Return a soft band of damp, dirt or efflorescence along the crack."""
    near = blurred(coverage, float(rng.uniform(3, 14)))
    near *= np.float32(1 / max(float(near.max()), 1e-3))
    uneven = noise_2d(rng, (coverage.shape[0], coverage.shape[1]), 40.0) * np.float32(0.5) + np.float32(0.6)
    return np.asarray(near * at_least(uneven, 0.0) * np.float32(rng.uniform(-0.3, 0.2)), dtype=np.float32)
