"""Paint cracks onto a surface: depth, lips, spalled edges, dust and stains."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_gen.chance import draw_log_uniform, draw_uniform, happens
from data_gen.crack import PlacedCrack
from data_gen.field import fractal_2d, noise_2d
from data_gen.plane import Plane, Planes, at_least, blur, clip
from data_gen.profile import darkness
from data_gen.recipe import AppearanceRecipe
from data_gen.relief import draw_cells, shade_relief

_AROUND_PX = 40
_TILE_PX = 256
"""Side of the noise and crumbs inside cracks, in pixels; mirrored for longer cracks."""

Values = NDArray[np.float32]
"""``(n,)`` float32, one value per pixel of a crack."""


@dataclass(frozen=True)
class _Scene:
    """Properties shared by all cracks of an image.

    Attributes:
        recipe: Appearance of the cracks.
        light_rad: Direction of the light source, in radians.
        grain: ``(H, W)`` float32, brightness of the surface relative to its surroundings, minus 1.
        busyness: Standard deviation of the grain at the scale of a crack.
        spread: Standard deviation of the grain.
        faint: True if all cracks are hard to see.
        light: True if all cracks are lighter than the surface.
        profile: False if all cracks have one flat tone.
    """

    recipe: AppearanceRecipe
    light_rad: float
    grain: Plane
    busyness: float
    spread: float
    faint: bool
    light: bool
    profile: bool


class _Site:
    """Pixels of a crack and of its surroundings, where stains and chips fade out.

    Attributes:
        region: Rows and columns of the surroundings in the image.
        coverage: ``(h, w)`` float32 coverage over the region, in [0, 1].
        width_px: Mean width of the crack, in pixels.
        rows: ``(n,)`` int64, image rows of the pixels it touches.
        cols: ``(n,)`` int64, their columns.
        share: ``(n,)`` float32, their coverage, in [0, 1].
        depth_px: ``(n,)`` float32, their depth, in pixels.
        grain: ``(n,)`` float32, grain of the surface at these pixels.
    """

    def __init__(self, crack: PlacedCrack, grain: Plane) -> None:
        """Find the pixels of a crack in an image.

        Args:
            crack: The crack.
            grain: ``(H, W)`` float32 grain of the surface.
        """
        rows, cols = crack.region
        low = max(rows.start - _AROUND_PX, 0), max(cols.start - _AROUND_PX, 0)
        high = min(rows.stop + _AROUND_PX, grain.shape[0]), min(cols.stop + _AROUND_PX, grain.shape[1])
        self.region = slice(low[0], high[0]), slice(low[1], high[1])
        self._inner = (rows.start - low[0], cols.start - low[1]), crack.raster.coverage
        at = np.flatnonzero(crack.raster.coverage)
        places = np.unravel_index(at, crack.raster.coverage.shape)
        self.rows, self.cols = places[0] + crack.origin[0], places[1] + crack.origin[1]
        self.share = crack.raster.coverage.ravel()[at]
        self.depth_px = crack.raster.depth_px.ravel()[at]
        self.grain = grain[self.rows, self.cols]
        self.width_px = crack.exact.width_mean_px

    @cached_property
    def coverage(self) -> Plane:
        """``(h, w)`` float32 coverage over the region, in [0, 1]."""
        rows, cols = self.region
        whole = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.float32)
        (row, col), inner = self._inner
        whole[row : row + inner.shape[0], col : col + inner.shape[1]] = inner
        return whole

    def sample(self, tile: NDArray[Any]) -> NDArray[Any]:
        """Return the ``(n,)`` values of a mirrored ``(s, s)`` tile."""
        side = len(tile)
        rows, cols = self.rows % (2 * side), self.cols % (2 * side)
        rows, cols = np.minimum(rows, 2 * side - 1 - rows), np.minimum(cols, 2 * side - 1 - cols)
        return np.asarray(tile[rows, cols])

    def noise(self, rng: np.random.Generator, period_px: float) -> Values:
        """Draw ``(n,)`` smooth noise at the pixels of the crack."""
        return self.sample(noise_2d(rng, (_TILE_PX, _TILE_PX), period_px))


def paint_cracks(
    rng: np.random.Generator,
    planes: Planes,
    cracks: tuple[PlacedCrack, ...],
    recipe: AppearanceRecipe,
    light_rad: float,
) -> Planes:
    """Paint cracks onto a surface.

    Args:
        rng: Source of randomness.
        planes: ``(3, H, W)`` float32 surface in about [0, 1]; changed in place.
        cracks: Cracks to paint.
        recipe: Appearance of the cracks.
        light_rad: Direction of the light source, in radians.

    Returns:
        ``planes``, ``(3, H, W)`` float32.
    """
    if not cracks:
        return planes
    grain = planes[1] / at_least(blur(planes[1], 5.0), 0.02) - 1
    subsampled = np.ascontiguousarray(grain[::2, ::2])
    faint, light = happens(rng, recipe.faint_probability), happens(rng, recipe.light_probability)
    profile = happens(rng, recipe.profile_probability)
    scene = _Scene(
        recipe, light_rad, grain, float(blur(subsampled, 0.6).std()), float(subsampled.std()), faint, light, profile
    )
    dust = np.float32(rng.uniform(0, 0.22)) * np.array([-1.0, 0.0, 0.8], np.float32) * np.float32(rng.random())
    for crack in cracks:
        site = _Site(crack, grain)
        around = _draw_surroundings(rng, site, scene)
        alpha, change = _alpha(rng, site, scene)
        for band in range(3):
            plane = planes[band]
            if around is not None:
                plane[site.region] *= around
            plane[site.rows, site.cols] *= at_least(1 + change - alpha * (1 + dust[band]), 0.02)
    return planes


def _alpha(rng: np.random.Generator, site: _Site, scene: _Scene) -> tuple[Values, Values]:
    """Return the ``(n,)`` darkening and other change at a crack's pixels."""
    recipe, width = scene.recipe, site.width_px
    if not scene.profile:
        return site.share * _draw_contrast(rng, scene, width, 1.0), np.zeros_like(site.share)
    open_ = darkness(site.depth_px, draw_uniform(rng, recipe.softness_px) * max(1.0, width / 5))
    open_ *= _draw_crumble(rng, site, scene, draw_uniform(rng, recipe.crumble))
    if width > 6 and happens(rng, recipe.rubble_probability):
        open_ *= _draw_rubble(rng, site)
    if happens(rng, recipe.dust_probability):
        open_ *= _draw_dust(rng, site)
    alpha = site.share * open_
    alpha *= _draw_contrast(rng, scene, width, float((alpha * site.share).sum() / max(float(site.share.sum()), 1e-6)))
    change = site.share * site.grain * np.float32(-rng.uniform(0.0, 0.9))
    if width > 2.5:
        change += site.share * site.noise(rng, float(rng.uniform(1.5, 5.0))) * np.float32(rng.uniform(0.0, 0.2))
    return alpha, change


def _draw_surroundings(rng: np.random.Generator, site: _Site, scene: _Scene) -> Plane | None:
    """Return the ``(h, w)`` brightness factor around a crack, or None."""
    recipe = scene.recipe
    lip, spall, fringe = (
        scene.profile and happens(rng, probability)
        for probability in (recipe.lip_probability, recipe.spall_probability, recipe.halo_probability)
    )
    factor: Plane | None = None
    if lip:
        soft = blur(site.coverage, float(rng.uniform(0.6, 1.6)))
        strength = draw_uniform(rng, recipe.lip_strength) * rng.uniform(0.5, 2.5)
        edge = shade_relief(soft, scene.light_rad, -strength)
        edge *= 1 + 2 * at_least(scene.grain[site.region], -0.4)
        factor = edge + np.float32(1)
    if spall and site.width_px > 1.5:
        factor = _plus(factor, _draw_spall(rng, site.coverage, site.width_px, scene.light_rad))
    if fringe:
        factor = _plus(factor, _draw_fringe(rng, site.coverage))
    return None if factor is None else at_least(factor, 0.05)


def _plus(factor: Plane | None, change: Plane) -> Plane:
    return change + np.float32(1) if factor is None else factor + change


def _draw_contrast(rng: np.random.Generator, scene: _Scene, width_px: float, openness: float) -> np.float32:
    """Draw the share of light that an open crack removes.

    It is negative for light cracks. The mean over the crack is at least about the busyness of the surface, because an
    invisible crack is no sample.
    """
    recipe = scene.recipe
    contrast = draw_uniform(rng, recipe.faint_contrast if scene.faint else recipe.contrast)
    if width_px < 1.0:
        contrast = max(contrast, float(rng.uniform(0.3, 0.9)))
    contrast = max(contrast, min(0.06 * width_px, 0.3) * float(rng.uniform(0.7, 1.2)))
    contrast += float(rng.uniform(0.2, 0.8)) * scene.busyness
    visible = (0.02 + float(rng.uniform(0.6, 1.4)) * scene.busyness) * float(np.clip(1.6 / width_px, 1.0, 2.5))
    contrast = min(max(contrast, visible / max(openness, 0.05)), 0.97)
    return np.float32(-contrast * float(rng.uniform(0.3, 0.9)) if scene.light else contrast)


def _draw_crumble(rng: np.random.Generator, site: _Site, scene: _Scene, crumble: float) -> Values:
    """Return the ``(n,)`` openness of a crack with grains at its edges."""
    bridged = min(1.0, 0.35 + site.width_px / 10)
    rough = site.noise(rng, float(rng.uniform(1.5, 5.0)))
    rough -= np.float32(0.7) * np.clip(site.grain * np.float32(1 / max(scene.spread, 0.02)), -2.0, 2.5)
    rough *= np.float32(1.3 * crumble * bridged)
    return clip(site.depth_px + np.float32(0.95) + rough, 1 - 0.9 * crumble * bridged, 1.0)


def _draw_rubble(rng: np.random.Generator, site: _Site) -> Values:
    """Return the ``(n,)`` darkness of a crack filled with loose stones."""
    size = draw_log_uniform(rng, (2.0, min(max(site.width_px / 3, 2.5), 12.0)))
    cells = draw_cells(rng, (_TILE_PX, _TILE_PX), size)
    shade = rng.beta(rng.uniform(0.8, 4.0), rng.uniform(0.8, 3.0), cells.count).astype(np.float32)
    gaps = clip(1 - cells.inset_px * np.float32(rng.uniform(0.4, 1.0)))
    grains = site.sample(cells.spread(shade) + gaps * np.float32(0.6))
    if happens(rng, 0.6):
        winding = site.noise(rng, 12.0) * np.float32(0.2 * site.width_px)
        deep = site.depth_px + winding - np.float32(site.width_px * rng.uniform(0.15, 0.5))
        grains = np.maximum(grains, clip(deep * np.float32(0.5) + np.float32(0.5)))
    share = np.float32(rng.uniform(0.3, 1.0))
    return np.asarray(1 - share * (1 - clip(grains)), dtype=np.float32)


def _draw_dust(rng: np.random.Generator, site: _Site) -> Values:
    """Return the ``(n,)`` openness of a crack partly filled with dust."""
    level = np.float32(0.6) * site.noise(rng, float(rng.uniform(20, 70)))
    level += np.float32(0.25) * site.noise(rng, float(rng.uniform(5, 14))) + np.float32(rng.uniform(0.5, 1.2))
    return clip(level, float(rng.uniform(0.15, 0.6)) if site.width_px < 5 else 0.6, 1.0)


def _draw_spall(rng: np.random.Generator, coverage: Plane, width_px: float, light_rad: float) -> Plane:
    """Return the ``(h, w)`` brightness change of chips along the edges."""
    near = blur(coverage, min(1.2 * width_px + 1.5, _AROUND_PX / 2.5))
    near *= np.float32(1 / max(float(near.max()), 1e-3))
    rough = fractal_2d(rng, (coverage.shape[0], coverage.shape[1]), (4.0, 40.0), 0.7)
    chip = clip((near * 2 + rough * np.float32(0.6) - np.float32(rng.uniform(1.3, 2.3))) * 3)
    chip *= clip(near * 6)
    shade = shade_relief(chip, light_rad, -float(rng.uniform(0.1, 0.6)))
    return np.asarray(chip * np.float32(rng.uniform(-0.3, 0.25)) + shade, dtype=np.float32)


def _draw_fringe(rng: np.random.Generator, coverage: Plane) -> Plane:
    """Return the ``(h, w)`` brightness change of a soft stain along a crack."""
    near = blur(coverage, float(rng.uniform(3, _AROUND_PX / 3)))
    near *= np.float32(1 / max(float(near.max()), 1e-3))
    uneven = noise_2d(rng, (coverage.shape[0], coverage.shape[1]), 40.0) * np.float32(0.5) + np.float32(0.6)
    return np.asarray(near * at_least(uneven, 0.0) * np.float32(rng.uniform(-0.3, 0.2)), dtype=np.float32)
