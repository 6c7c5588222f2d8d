"""Crack-free surfaces: procedural materials, or photographs given by the caller."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_gen.chance import draw_log_uniform, draw_uniform, happens, pick
from data_gen.field import fractal_2d, noise_2d
from data_gen.masonry import brick, tile
from data_gen.material import TEXTURES, Look
from data_gen.plane import Planes, clip, from_picture
from data_gen.recipe import SurfaceRecipe


@dataclass(frozen=True)
class Ground:
    """A surface ready to be cracked.

    Attributes:
        planes: ``(3, H, W)`` float32, red, green, blue in [0, 1] (may stray a little outside).
        kind: Name of the material.
    """

    planes: Planes
    kind: str


def draw_ground(
    rng: np.random.Generator,
    recipe: SurfaceRecipe,
    size_px: int,
    light_rad: float,
    backgrounds: Sequence[NDArray[np.uint8]] = (),
) -> Ground:
    """Draw a surface.

    Args:
        rng: Source of randomness.
        recipe: Which materials, how bright, how rough.
        size_px: Side of the image, in pixels.
        light_rad: Direction the light comes from.
        backgrounds: Crack-free photographs ``(h, w, 3)`` uint8, extended to size.

    Returns:
        The surface.
    """
    kind = pick(rng, recipe.mix, without=() if len(backgrounds) else ("background",))
    if kind == "background":
        picture = backgrounds[int(rng.integers(0, len(backgrounds)))]
        return Ground(fitted(rng, picture, size_px, tiled=recipe.extend == "tile"), kind)
    shape = (size_px, size_px)
    look = Look(
        brightness=draw_uniform(rng, recipe.brightness),
        texture=draw_uniform(rng, recipe.texture),
        grain_px=draw_log_uniform(rng, recipe.grain_px),
        light_rad=light_rad,
    )
    if kind in ("brick", "tile"):
        planes = brick(rng, shape, look) if kind == "brick" else tile(rng, shape, look)
    else:
        plane = TEXTURES[kind](rng, shape, look)
        planes = _coloured(rng, plane, draw_uniform(rng, recipe.colourfulness) * rng.random())
    if happens(rng, recipe.stain_probability):
        planes *= _dirt(rng, shape)
    return Ground(planes, kind)


def _coloured(rng: np.random.Generator, plane: NDArray[np.float32], colourfulness: float) -> Planes:
    """Give a grey plane one tint, a little different from place to place."""
    tint = _tint(rng, colourfulness)
    shape = (plane.shape[0], plane.shape[1])
    drift = noise_2d(rng, shape, 90.0) * np.float32(0.008 + 0.05 * colourfulness)
    drift += noise_2d(rng, shape, 2.5) * np.float32(0.012 + 0.04 * colourfulness)
    drift *= plane
    planes = np.empty((3, *shape), np.float32)
    np.multiply(plane + drift, tint[0], out=planes[0])
    np.multiply(plane, tint[1], out=planes[1])
    np.multiply(plane - drift, tint[2], out=planes[2])
    return planes


def _tint(rng: np.random.Generator, colourfulness: float) -> NDArray[np.float32]:
    """Draw a colour of mean 1: mostly warm or bluish, now and then anything."""
    if rng.random() < 0.88:
        side = rng.choice([-1.0, 1.0], p=[0.4, 0.6])
        raw = np.array([side, 0.2 * side + 0.3 * rng.standard_normal(), -side])
    else:
        raw = rng.standard_normal(3)
    raw = raw - raw.mean()
    return np.asarray(1 + colourfulness * raw, dtype=np.float32)


def _dirt(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Draw a factor of brightness for dirt: soft blotches or streaks that run down."""
    streaks = rng.random() < 0.35
    period = (260.0, 22.0) if streaks else (150.0, 150.0)
    if rng.random() < 0.3:
        period = (period[1], period[0])
    coarse = noise_2d(rng, shape, period) + 0.4 * fractal_2d(rng, shape, (6.0, 48.0), 0.8)
    share = clip(coarse * np.float32(rng.uniform(0.4, 1.5)) - np.float32(rng.uniform(-0.3, 0.8)))
    return np.asarray(1 - np.float32(rng.uniform(-0.12, 0.3)) * share, dtype=np.float32)


def fitted(rng: np.random.Generator, picture: NDArray[np.uint8], size_px: int, *, tiled: bool = False) -> Planes:
    """Cut a square out of a photograph, mirrored or tiled where the photograph is too small.

    Args:
        rng: Source of randomness.
        picture: ``(h, w, 3)`` uint8.
        size_px: Side of the square, in pixels.
        tiled: True to repeat the photograph, False to mirror it.

    Returns:
        ``(3, size_px, size_px)`` float32 in [0, 1], flipped and turned at random.

    Raises:
        ValueError: If the photograph is not ``(h, w, 3)`` uint8 with at least one pixel.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise ValueError(f"expected a background (h, w, 3) uint8, got {picture.shape} {picture.dtype}")
    height, width = picture.shape[:2]
    grow = max(0, size_px - height), max(0, size_px - width)
    row = int(rng.integers(0, max(height - size_px, 0), endpoint=True))
    col = int(rng.integers(0, max(width - size_px, 0), endpoint=True))
    first = row - int(rng.integers(0, grow[0], endpoint=True)), col - int(rng.integers(0, grow[1], endpoint=True))
    where = [np.arange(start, start + size_px) for start in first]
    rows, cols = (
        along % length if tiled else _mirrored(along, length)
        for along, length in zip(where, (height, width), strict=True)
    )
    square = np.rot90(picture[np.ix_(rows, cols)], int(rng.integers(0, 4)))
    if rng.random() < 0.5:
        square = square[:, ::-1]
    return from_picture(square)


def _mirrored(where: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Fold positions back at both ends of ``length``."""
    period = max(2 * length - 2, 1)
    where = np.abs(where) % period
    return np.asarray(np.where(where < length, where, period - where), dtype=np.int64)
