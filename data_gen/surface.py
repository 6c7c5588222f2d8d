"""Draw crack-free surfaces from procedural materials or background images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_gen.chance import draw_log_uniform, draw_uniform, happens, pick
from data_gen.field import fractal_2d, noise_2d
from data_gen.masonry import draw_brick, draw_tile
from data_gen.material import TEXTURES, Look
from data_gen.plane import Planes, clip, to_planes
from data_gen.recipe import SurfaceRecipe


@dataclass(frozen=True)
class Ground:
    """A crack-free surface.

    Attributes:
        planes: ``(3, H, W)`` float32, red, green, blue in about [0, 1].
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
        recipe: Materials, brightness and texture.
        size_px: Side of the image, in pixels.
        light_rad: Direction of the light source, in radians.
        backgrounds: ``(h, w, 3)`` uint8 crack-free RGB images, in [0, 255]; small ones are extended.
    """
    kind = pick(rng, recipe.mix, without=() if len(backgrounds) else ("background",))
    if kind == "background":
        image = backgrounds[int(rng.integers(0, len(backgrounds)))]
        return Ground(fit_background(rng, image, size_px, tiled=recipe.extend == "tile"), kind)
    shape = (size_px, size_px)
    look = Look(
        brightness=draw_uniform(rng, recipe.brightness),
        texture=draw_uniform(rng, recipe.texture),
        grain_px=draw_log_uniform(rng, recipe.grain_px),
        light_rad=light_rad,
    )
    if kind in ("brick", "tile"):
        planes = draw_brick(rng, shape, look) if kind == "brick" else draw_tile(rng, shape, look)
    else:
        plane = TEXTURES[kind](rng, shape, look)
        planes = _colour(rng, plane, draw_uniform(rng, recipe.colourfulness) * rng.random())
    if happens(rng, recipe.stain_probability):
        planes *= _draw_dirt(rng, shape)
    return Ground(planes, kind)


def _colour(rng: np.random.Generator, plane: NDArray[np.float32], colourfulness: float) -> Planes:
    """Give a ``(h, w)`` plane a slightly varying tint."""
    tint = _draw_tint(rng, colourfulness)
    shape = (plane.shape[0], plane.shape[1])
    drift = noise_2d(rng, shape, 90.0) * np.float32(0.008 + 0.05 * colourfulness)
    drift += noise_2d(rng, shape, 2.5) * np.float32(0.012 + 0.04 * colourfulness)
    drift *= plane
    planes = np.empty((3, *shape), np.float32)
    np.multiply(plane + drift, tint[0], out=planes[0])
    np.multiply(plane, tint[1], out=planes[1])
    np.multiply(plane - drift, tint[2], out=planes[2])
    return planes


def _draw_tint(rng: np.random.Generator, colourfulness: float) -> NDArray[np.float32]:
    """Draw a ``(3,)`` colour of mean 1, mostly warm or bluish."""
    if rng.random() < 0.88:
        side = rng.choice([-1.0, 1.0], p=[0.4, 0.6])
        raw = np.array([side, 0.2 * side + 0.3 * rng.standard_normal(), -side])
    else:
        raw = rng.standard_normal(3)
    raw = raw - raw.mean()
    return np.asarray(1 + colourfulness * raw, dtype=np.float32)


def _draw_dirt(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Draw the ``(h, w)`` brightness factor of dirt in blotches or streaks."""
    streaks = rng.random() < 0.35
    period = (260.0, 22.0) if streaks else (150.0, 150.0)
    if rng.random() < 0.3:
        period = (period[1], period[0])
    coarse = noise_2d(rng, shape, period) + 0.4 * fractal_2d(rng, shape, (6.0, 48.0), 0.8)
    share = clip(coarse * np.float32(rng.uniform(0.4, 1.5)) - np.float32(rng.uniform(-0.3, 0.8)))
    return np.asarray(1 - np.float32(rng.uniform(-0.12, 0.3)) * share, dtype=np.float32)


def fit_background(rng: np.random.Generator, image: NDArray[np.uint8], size_px: int, *, tiled: bool = False) -> Planes:
    """Cut a random square out of an image, extended if necessary.

    Args:
        rng: Source of randomness.
        image: ``(h, w, 3)`` uint8 RGB image, in [0, 255].
        size_px: Side of the square, in pixels.
        tiled: True to repeat the image, False to mirror it.

    Returns:
        ``(3, size_px, size_px)`` float32 in [0, 1], flipped and rotated at random.

    Raises:
        ValueError: If the image is not ``(h, w, 3)`` uint8 with at least one pixel.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"expected a background (h, w, 3) uint8, got {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    grow = max(0, size_px - height), max(0, size_px - width)
    row = int(rng.integers(0, max(height - size_px, 0), endpoint=True))
    col = int(rng.integers(0, max(width - size_px, 0), endpoint=True))
    first = row - int(rng.integers(0, grow[0], endpoint=True)), col - int(rng.integers(0, grow[1], endpoint=True))
    where = [np.arange(start, start + size_px) for start in first]
    rows, cols = (
        along % length if tiled else _mirror(along, length)
        for along, length in zip(where, (height, width), strict=True)
    )
    square = np.rot90(image[np.ix_(rows, cols)], int(rng.integers(0, 4)))
    if rng.random() < 0.5:
        square = square[:, ::-1]
    return to_planes(square)


def _mirror(where: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Mirror ``(n,)`` int64 positions at both ends of ``length``."""
    period = max(2 * length - 2, 1)
    where = np.abs(where) % period
    return np.asarray(np.where(where < length, where, period - where), dtype=np.int64)
