"""Draw textures without a pattern: concrete, asphalt, plaster, metal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from data_gen.field import fractal_2d, noise_2d
from data_gen.plane import Plane, at_least, blur, clip
from data_gen.relief import draw_cells, draw_spots, shade_relief


@dataclass(frozen=True)
class Look:
    """Appearance of a material.

    Attributes:
        brightness: Mean brightness, in [0, 1].
        texture: Strength of the texture; 1 is usual.
        grain_px: Size of the grains, in pixels.
        light_rad: Direction of the light source, in radians.
    """

    brightness: float
    texture: float
    grain_px: float
    light_rad: float


def draw_concrete(rng: np.random.Generator, shape: tuple[int, int], look: Look) -> Plane:
    """Draw cast or worn concrete.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(h, w)``, in pixels.
        look: Brightness, texture and light.

    Returns:
        ``(h, w)`` float32 brightness, about [0, 1].
    """
    strength = np.float32(look.texture)
    change = noise_2d(rng, shape, 170.0) * np.float32(rng.uniform(0.01, 0.07))
    change += fractal_2d(rng, shape, (8.0, 64.0), 0.75) * np.float32(rng.uniform(0.01, 0.06))
    grain = min(look.grain_px, 4.0)
    change += noise_2d(rng, shape, grain) * (strength * np.float32(rng.uniform(0.01, 0.08)))
    change += noise_2d(rng, shape, 1.0) * (strength * np.float32(rng.uniform(0.005, 0.04)))
    if rng.random() < 0.5:
        height = fractal_2d(rng, shape, (3.0, 18.0), 0.8)
        change += shade_relief(height, look.light_rad, float(strength) * rng.uniform(0.05, 0.4))
    if rng.random() < 0.35:
        stripes = noise_2d(rng, shape, (rng.uniform(80, 300), rng.uniform(2, 9)))
        change += (stripes if rng.random() < 0.5 else stripes.T) * np.float32(rng.uniform(0.01, 0.05))
    if rng.random() < 0.6:
        count = int(shape[0] * shape[1] * 10 ** rng.uniform(-4.6, -2.9))
        holes = draw_spots(rng, shape, count, (0.7, float(rng.uniform(1.5, 7.0))))
        change -= holes * np.float32(rng.uniform(0.1, 0.6))
        change += shade_relief(blur(holes, 1.0), look.light_rad, -rng.uniform(0.1, 0.7))
    return np.asarray(np.float32(look.brightness) * (1 + change), dtype=np.float32)


def draw_asphalt(rng: np.random.Generator, shape: tuple[int, int], look: Look) -> Plane:
    """Draw asphalt: stones in a dark binder, or a fine grain.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(h, w)``, in pixels.
        look: Brightness, texture and light.

    Returns:
        ``(h, w)`` float32 brightness, about [0, 1].
    """
    strength = np.float32(look.texture)
    change = noise_2d(rng, shape, 200.0) * np.float32(rng.uniform(0.01, 0.06))
    change += fractal_2d(rng, shape, (12.0, 48.0), 0.9) * np.float32(rng.uniform(0.0, 0.05))
    fine = noise_2d(rng, shape, min(look.grain_px, float(rng.uniform(1.0, 3.0))))
    if look.grain_px >= 2.5:
        change += _draw_stones(rng, shape, look) * strength
        change += fine * (strength * np.float32(rng.uniform(0.03, 0.14)))
        change += shade_relief(noise_2d(rng, shape, 2.5), look.light_rad, float(strength) * rng.uniform(0.0, 0.25))
    else:
        change += fine * (strength * np.float32(rng.uniform(0.06, 0.24)))
        change += shade_relief(
            noise_2d(rng, shape, rng.uniform(1.8, 3.5)), look.light_rad, float(strength) * rng.uniform(0.0, 0.45)
        )
    if rng.random() < 0.6:
        bright = noise_2d(rng, shape, float(rng.uniform(1.3, 3.0)))
        level = np.float32(rng.uniform(1.9, 2.8))
        change += at_least(bright - level, 0.0) * np.float32(rng.uniform(0.2, 1.2))
    change += noise_2d(rng, shape, 1.0) * (strength * np.float32(rng.uniform(0.01, 0.06)))
    return np.asarray(np.float32(0.92 * look.brightness) * at_least(1 + change, 0.08), dtype=np.float32)


def _draw_stones(rng: np.random.Generator, shape: tuple[int, int], look: Look) -> Plane:
    """Return the ``(h, w)`` relative brightness of angular stones in binder."""
    packed = look.grain_px < 5 or rng.random() < 0.65
    change = _draw_gravel(rng, shape, look, 1.0 if packed else float(rng.uniform(0.2, 0.8)))
    if packed and rng.random() < 0.6:
        coarse = replace(look, grain_px=look.grain_px * float(rng.uniform(1.7, 3.0)))
        scattered = _draw_gravel(rng, shape, coarse, float(rng.uniform(0.05, 0.4)))
        change = np.where(scattered > -_BINDER, scattered, change)
    return change


_BINDER = np.float32(0.12)
"""Darkness of the binder between stones, relative to the mean brightness."""


def _draw_gravel(rng: np.random.Generator, shape: tuple[int, int], look: Look, share: float) -> Plane:
    """Return the ``(h, w)`` relative brightness of stones of one size.

    A fraction ``share`` of the stones is present; the binder has the value ``-_BINDER``.
    """
    cells = draw_cells(rng, shape, look.grain_px)
    shine = rng.standard_normal(cells.count).astype(np.float32) * np.float32(rng.uniform(0.08, 0.3))
    shine += np.float32(rng.uniform(0.1, 0.5)) * (rng.random(cells.count) < rng.uniform(0.0, 0.15))
    shine += np.float32(rng.uniform(0.05, 0.4)) + _BINDER
    gap = rng.gamma(1.5, rng.uniform(0.1, 0.6), cells.count).astype(np.float32) * np.float32(0.12 * look.grain_px)
    if share < 1:
        gap[rng.random(cells.count) > share] = 1e3
        gap += np.float32(0.03 * look.grain_px)
    rise = cells.inset_px - cells.spread(gap)
    if look.grain_px > 5:
        rise += noise_2d(rng, shape, 3.0) * np.float32(0.5)
    inside = clip(rise * np.float32(0.7) + np.float32(0.3))
    change = inside * cells.spread(shine) - _BINDER
    dome = clip(rise, 0.0, float(min(0.3 * look.grain_px, 3.0)))
    return np.asarray(change + shade_relief(dome, look.light_rad, rng.uniform(0.0, 0.45)), dtype=np.float32)


def draw_plaster(rng: np.random.Generator, shape: tuple[int, int], look: Look) -> Plane:
    """Draw plaster or paint: a bright relief under a low light.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(h, w)``, in pixels.
        look: Brightness, texture and light.

    Returns:
        ``(h, w)`` float32 brightness, about [0, 1].
    """
    small = float(rng.uniform(1.5, 5.0))
    height = fractal_2d(rng, shape, (small, small * rng.uniform(2, 10)), float(rng.uniform(0.5, 1.0)))
    if rng.random() < 0.3:
        height = at_least(height, float(rng.uniform(-0.5, 0.8)))
    change = shade_relief(height, look.light_rad, look.texture * 10 ** rng.uniform(-1.7, -0.3))
    change += noise_2d(rng, shape, 220.0) * np.float32(rng.uniform(0.005, 0.04))
    change += noise_2d(rng, shape, 1.5) * np.float32(look.texture * rng.uniform(0.002, 0.03))
    return np.asarray(np.float32(min(1.1 * look.brightness + 0.12, 0.9)) * (1 + change), dtype=np.float32)


def draw_metal(rng: np.random.Generator, shape: tuple[int, int], look: Look) -> Plane:
    """Draw brushed or cast metal.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(h, w)``, in pixels.
        look: Brightness, texture and light.

    Returns:
        ``(h, w)`` float32 brightness, about [0, 1].
    """
    change = noise_2d(rng, shape, 240.0) * np.float32(rng.uniform(0.02, 0.12))
    if rng.random() < 0.6:
        lines = noise_2d(rng, shape, (1.0, rng.uniform(40, 300)))
        lines += 0.6 * noise_2d(rng, shape, (2.5, rng.uniform(60, 400)))
        change += (lines if rng.random() < 0.5 else lines.T) * np.float32(look.texture * rng.uniform(0.015, 0.08))
    else:
        height = fractal_2d(rng, shape, (2.0, 12.0), 0.9)
        change += shade_relief(height, look.light_rad, look.texture * rng.uniform(0.1, 0.5))
        change += noise_2d(rng, shape, 1.5) * np.float32(rng.uniform(0.01, 0.05))
    return np.asarray(np.float32(look.brightness) * (1 + change), dtype=np.float32)


Texture = Callable[[np.random.Generator, tuple[int, int], Look], Plane]

TEXTURES: Mapping[str, Texture] = MappingProxyType(
    {"concrete": draw_concrete, "asphalt": draw_asphalt, "plaster": draw_plaster, "metal": draw_metal}
)
