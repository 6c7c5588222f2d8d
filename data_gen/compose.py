"""Cracks onto a surface: darkness by depth, lips, spalled edges, dust and water stains."""

from dataclasses import dataclass

import numpy as np

from data_gen import chance
from data_gen.crack import PlacedCrack
from data_gen.field import fractal_2d, noise_2d
from data_gen.plane import Plane, Planes, at_least, blurred, clip
from data_gen.profile import darkness
from data_gen.recipe import AppearanceRecipe
from data_gen.relief import draw_cells, lit

_AROUND_PX = 40


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
    dust = np.float32(rng.uniform(0, 0.22)) * np.array([-1.0, 0.0, 0.8], np.float32) * np.float32(rng.random())
    for crack in cracks:
        site = _Site(crack, (grain.shape[0], grain.shape[1]))
        alpha, change = _alpha(rng, site, scene)
        rows, cols = site.window
        for band in range(3):
            planes[band, rows, cols] *= at_least(1 + change - alpha * (1 + dust[band]), 0.02)
    return planes


class _Site:
    """A crack with some of its surroundings, so that halos and chips fade out before they end.

    Attributes:
        window: Slices of the image.
        coverage: ``(h, w)`` float32 coverage over the window.
        depth_px: ``(h, w)`` float32 depth over the window, in pixels.
        width_px: Mean width of the crack, in pixels.
    """

    def __init__(self, crack: PlacedCrack, shape: tuple[int, int]) -> None:
        """Grow the window of ``crack`` within an image ``shape`` ``(H, W)``."""
        rows, cols = crack.window
        first = max(rows.start - _AROUND_PX, 0), max(cols.start - _AROUND_PX, 0)
        last = min(rows.stop + _AROUND_PX, shape[0]), min(cols.stop + _AROUND_PX, shape[1])
        self.window = slice(first[0], last[0]), slice(first[1], last[1])
        inner = slice(rows.start - first[0], rows.stop - first[0]), slice(cols.start - first[1], cols.stop - first[1])
        self.coverage = np.zeros((last[0] - first[0], last[1] - first[1]), np.float32)
        self.coverage[inner] = crack.raster.coverage
        self.depth_px = np.full_like(self.coverage, -1e3)
        self.depth_px[inner] = crack.raster.depth_px
        self.width_px = crack.truth.width_mean_px


def _alpha(rng: np.random.Generator, site: _Site, scene: _Scene) -> tuple[Plane, Plane]:
    """Return the darkening and the other change of brightness over the window of a crack."""
    recipe, coverage, width = scene.recipe, site.coverage, site.width_px
    if not recipe.profile:
        return coverage * _contrast(rng, scene, width, 1.0), np.zeros_like(coverage)
    alpha = coverage * darkness(site.depth_px, chance.uniform(rng, recipe.softness_px) * max(1.0, width / 5))
    grain = scene.grain[site.window]
    alpha *= _crumbled(rng, site, grain, chance.uniform(rng, recipe.crumble))
    if width > 6 and chance.happens(rng, recipe.rubble_probability):
        alpha *= _rubble(rng, site)
    if chance.happens(rng, recipe.dust_probability):
        alpha *= _filled(rng, (coverage.shape[0], coverage.shape[1]), width)
    alpha *= _contrast(rng, scene, width, float((alpha * coverage).sum() / max(float(coverage.sum()), 1e-6)))
    change = coverage * grain * np.float32(-rng.uniform(0.0, 0.9))
    if width > 2.5:
        debris = noise_2d(rng, (coverage.shape[0], coverage.shape[1]), float(rng.uniform(1.5, 5.0)))
        change += coverage * debris * np.float32(rng.uniform(0.0, 0.2))
    if chance.happens(rng, recipe.lip_probability):
        soft = blurred(coverage, float(rng.uniform(0.6, 1.6)))
        strength = chance.uniform(rng, recipe.lip_strength) * rng.uniform(0.5, 2.5)
        change += lit(soft, scene.light_rad, -strength) * (1 + 2 * at_least(grain, -0.4))
    if width > 1.5 and chance.happens(rng, recipe.spall_probability):
        change += _spall(rng, coverage, width, scene.light_rad)
    if chance.happens(rng, recipe.halo_probability):
        change += _halo(rng, coverage)
    return np.asarray(alpha, dtype=np.float32), np.asarray(change, dtype=np.float32)


def _contrast(rng: np.random.Generator, scene: _Scene, width_px: float, openness: float) -> np.float32:
    """Draw the share of light a crack takes away where it is wholly open; negative for light cracks.

    Averaged over the crack, it is at least about the busyness of the surface: a crack nobody can see is no sample.
    """
    recipe = scene.recipe
    contrast = chance.uniform(rng, recipe.faint_contrast if scene.faint else recipe.contrast)
    if width_px < 1.0:
        contrast = max(contrast, float(rng.uniform(0.3, 0.9)))
    contrast = max(contrast, min(0.06 * width_px, 0.3) * float(rng.uniform(0.7, 1.2)))
    contrast += float(rng.uniform(0.2, 0.8)) * scene.busyness
    visible = (0.02 + float(rng.uniform(0.6, 1.4)) * scene.busyness) * float(np.clip(1.6 / width_px, 1.0, 2.5))
    contrast = min(max(contrast, visible / max(openness, 0.05)), 0.97)
    return np.float32(-contrast * float(rng.uniform(0.3, 0.9)) if scene.light else contrast)


def _crumbled(rng: np.random.Generator, site: _Site, grain: Plane, crumble: float) -> Plane:
    """Return how open a crack is: grains stick out of its edges, and bright grains bridge it here and there."""
    depth_px, bridged = site.depth_px, min(1.0, 0.35 + site.width_px / 10)
    rough = noise_2d(rng, (depth_px.shape[0], depth_px.shape[1]), float(rng.uniform(1.5, 5.0)))
    spread = np.float32(1 / max(float(grain[::2, ::2].std()), 0.02))
    rough -= np.float32(0.7) * clip(grain * spread, -2.0, 2.5)
    rough *= np.float32(1.3 * crumble * bridged)
    return clip(depth_px + np.float32(0.95) + rough, 1 - 0.9 * crumble * bridged, 1.0)


def _rubble(rng: np.random.Generator, site: _Site) -> Plane:
    """Return how dark a crack full of crumbs and loose stones is: grains with dark gaps, and often a dark seam."""
    shape = (site.depth_px.shape[0], site.depth_px.shape[1])
    cells = draw_cells(rng, shape, chance.log_uniform(rng, (2.0, min(max(site.width_px / 3, 2.5), 12.0))))
    shade = rng.beta(rng.uniform(0.8, 4.0), rng.uniform(0.8, 3.0), cells.count).astype(np.float32)
    grains = shade[cells.labels] + clip(1 - cells.inset_px * np.float32(rng.uniform(0.4, 1.0))) * np.float32(0.6)
    if chance.happens(rng, 0.6):
        winding = noise_2d(rng, shape, 12.0) * np.float32(0.2 * site.width_px)
        deep = site.depth_px + winding - np.float32(site.width_px * rng.uniform(0.15, 0.5))
        grains = np.maximum(grains, clip(deep * np.float32(0.5) + np.float32(0.5)))
    share = np.float32(rng.uniform(0.3, 1.0))
    return np.asarray(1 - share * (1 - clip(grains)), dtype=np.float32)


def _filled(rng: np.random.Generator, shape: tuple[int, int], width_px: float) -> Plane:
    """Return how empty a crack is: dust and dirt fill parts of its length, of wide cracks less."""
    level = np.float32(0.6) * noise_2d(rng, shape, float(rng.uniform(20, 70)))
    level += np.float32(0.25) * noise_2d(rng, shape, float(rng.uniform(5, 14))) + np.float32(rng.uniform(0.5, 1.2))
    return clip(level, float(rng.uniform(0.15, 0.6)) if width_px < 5 else 0.6, 1.0)


def _spall(rng: np.random.Generator, coverage: Plane, width_px: float, light_rad: float) -> Plane:
    """Return the look of chipped edges: patches beside the crack, a little lower and of another brightness."""
    near = blurred(coverage, min(1.2 * width_px + 1.5, _AROUND_PX / 2.5))
    near *= np.float32(1 / max(float(near.max()), 1e-3))
    rough = fractal_2d(rng, (coverage.shape[0], coverage.shape[1]), (4.0, 40.0), 0.7)
    chip = clip((near * 2 + rough * np.float32(0.6) - np.float32(rng.uniform(1.3, 2.3))) * 3)
    chip *= clip(near * 6)
    shade = lit(chip, light_rad, -float(rng.uniform(0.1, 0.6)))
    return np.asarray(chip * np.float32(rng.uniform(-0.3, 0.25)) + shade, dtype=np.float32)


def _halo(rng: np.random.Generator, coverage: Plane) -> Plane:
    """Return a soft band of damp, dirt or efflorescence along the crack."""
    near = blurred(coverage, float(rng.uniform(3, _AROUND_PX / 3)))
    near *= np.float32(1 / max(float(near.max()), 1e-3))
    uneven = noise_2d(rng, (coverage.shape[0], coverage.shape[1]), 40.0) * np.float32(0.5) + np.float32(0.6)
    return np.asarray(near * at_least(uneven, 0.0) * np.float32(rng.uniform(-0.3, 0.2)), dtype=np.float32)
