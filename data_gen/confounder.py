"""Draw confounders, objects that look like cracks, on generated and real images."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.blotch import draw_insect, draw_marking, draw_patch_edge, draw_shadow, draw_stain, draw_tyre_mark
from data_gen.chance import draw_integer, happens, pick
from data_gen.ink import Canvas, Ink, lay
from data_gen.line_art import (
    draw_cable,
    draw_formwork,
    draw_hair,
    draw_joint,
    draw_moulding,
    draw_pencil,
    draw_scratch,
    draw_tar_seam,
    draw_tile_gap,
    draw_wire_shadow,
)
from data_gen.plane import Plane, to_image, to_planes
from data_gen.recipe import ConfounderRecipe

Artist = Callable[[np.random.Generator, Canvas], tuple[Ink, ...]]

ARTISTS: Mapping[str, Artist] = MappingProxyType(
    {
        "joint": draw_joint,
        "formwork": draw_formwork,
        "moulding": draw_moulding,
        "cable": draw_cable,
        "scratch": draw_scratch,
        "tar_seam": draw_tar_seam,
        "pencil": draw_pencil,
        "wire_shadow": draw_wire_shadow,
        "stain": draw_stain,
        "tyre_mark": draw_tyre_mark,
        "tile_gap": draw_tile_gap,
        "marking": draw_marking,
        "insect": draw_insect,
        "hair": draw_hair,
        "shadow": draw_shadow,
        "patch_edge": draw_patch_edge,
    }
)

_AREAS = frozenset({"stain", "shadow", "patch_edge", "formwork", "moulding", "tyre_mark"})
"""Kinds that would show the outline of a crack if they were cut along it."""

_COVERS = frozenset({"cable", "hair", "insect", "marking", "patch_edge", "tar_seam"})
"""Kinds that can lie over a crack and hide it."""

_HIDDEN_SHARE = 0.35
"""Share of the light from below; a crack is hidden where less comes through."""


@dataclass(frozen=True)
class Confounder:
    """An object in an image that is not a crack.

    Attributes:
        kind: Name of a field of ``ConfounderMix``.
        box: ``(row0, col0, row1, col1)`` of the visibly changed pixels, half-open, in pixels.
        over: True if it covers cracks; the covered part is removed from the mask.
    """

    kind: str
    box: tuple[int, int, int, int]
    over: bool = False


@dataclass(frozen=True)
class Layer:
    """A confounder and its inks."""

    confounder: Confounder
    inks: tuple[Ink, ...]

    def cover(self) -> NDArray[np.bool_]:
        """Return the ``(H, W)`` bool mask of the pixels that it hides."""
        through = np.ones(self.inks[0].alpha.shape, np.float32)
        for ink in self.inks:
            through *= 1 + ink.alpha * np.float32(ink.gain - 1)
        return np.asarray(through < np.float32(_HIDDEN_SHARE))


def draw_layers(
    rng: np.random.Generator, brightness: float, mask: NDArray[np.bool_], recipe: ConfounderRecipe, light_rad: float
) -> tuple[Layer, ...]:
    """Draw confounders under and over cracks that are not painted yet.

    Args:
        rng: Source of randomness.
        brightness: Mean brightness of the surface, in [0, 1].
        mask: ``(H, W)`` bool mask of the future cracks.
        recipe: Kinds, number and strength of the confounders.
        light_rad: Direction of the light source, in radians.

    Returns:
        Visible layers from bottom to top; layers over the cracks come last.
    """
    under: list[Layer] = []
    over: list[Layer] = []
    if not happens(rng, recipe.probability):
        return ()
    for _ in range(draw_integer(rng, recipe.count)):
        kind = pick(rng, recipe.mix)
        covers = happens(rng, recipe.over_probability) and kind in _COVERS
        inks = ARTISTS[kind](rng, replace(_canvas(rng, brightness, mask, recipe, light_rad), opaque=covers))
        visible = _find_visible(inks)
        if visible.any():
            (over if covers else under).append(Layer(Confounder(kind, _box(visible), covers), inks))
    return (*under, *over)


def _canvas(
    rng: np.random.Generator, brightness: float, mask: NDArray[np.bool_], recipe: ConfounderRecipe, light_rad: float
) -> Canvas:
    """Return the canvas of a confounder, sometimes with a crack to follow."""
    follow = happens(rng, recipe.follow_probability)
    return Canvas(
        shape=(mask.shape[0], mask.shape[1]),
        brightness=brightness,
        light_rad=light_rad,
        width_px=recipe.width_px,
        contrast=recipe.contrast,
        follow=_pick_two_pixels(rng, mask) if follow and bool(mask.any()) else None,
    )


def paint_around(
    rng: np.random.Generator,
    planes: NDArray[np.float32],
    mask: NDArray[np.bool_],
    recipe: ConfounderRecipe,
    light_rad: float,
) -> tuple[Confounder, ...]:
    """Paint confounders onto an image with cracks, away from the cracks.

    Lines are cut within ``clearance_px`` of crack pixels, and areas that would meet a crack are left out.

    Args:
        rng: Source of randomness.
        planes: ``(3, H, W)`` float32 image in about [0, 1]; changed in place.
        mask: ``(H, W)`` bool crack mask.
        recipe: Kinds, number and strength of the confounders.
        light_rad: Direction of the light source, in radians.

    Returns:
        Visible confounders.
    """
    if not happens(rng, recipe.probability):
        return ()
    free = _clear_of(mask, recipe.clearance_px) if mask.any() else None
    painted: list[Confounder] = []
    count, tries = draw_integer(rng, recipe.count), 0
    brightness = mean_brightness(planes)
    while len(painted) < count and tries < 3 * count:
        tries += 1
        kind = pick(rng, recipe.mix)
        inks = ARTISTS[kind](rng, _canvas(rng, brightness, mask, recipe, light_rad))
        visible = _find_visible(inks)
        if free is not None:
            if kind in _AREAS and bool((visible & (free == 0)).any()):
                continue
            visible &= free > 0
        lay(planes, inks, free)
        if visible.any():
            painted.append(Confounder(kind, _box(visible)))
    return tuple(painted)


def mean_brightness(planes: NDArray[np.float32]) -> float:
    """Return the mean of the green plane of a ``(3, H, W)`` image, subsampled."""
    return float(planes[1, ::8, ::8].mean())


def _clear_of(mask: NDArray[np.bool_], clearance_px: int) -> Plane:
    """Return ``(H, W)`` float32 0 near crack pixels and 1 elsewhere."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * clearance_px + 1, 2 * clearance_px + 1))
    return np.asarray(1 - cv2.dilate(mask.view(np.uint8), disc), dtype=np.float32)


def _pick_two_pixels(rng: np.random.Generator, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Pick two nearby crack pixels as ``(2, 2)`` float64 points (row, col)."""
    pixels = np.flatnonzero(mask)
    picks = np.column_stack(np.unravel_index(pixels[rng.integers(0, len(pixels), 12)], mask.shape)).astype(np.float64)
    away = np.hypot(*(picks[1:] - picks[0]).T)
    nearest = int(np.argmin(np.where(away > 15, away, np.inf)))
    return np.stack([picks[0], picks[1 + nearest] + (0.0, 1e-3)])


def _find_visible(inks: tuple[Ink, ...]) -> NDArray[np.bool_]:
    """Return the ``(H, W)`` bool mask of the visibly changed pixels."""
    visible = np.zeros(inks[0].alpha.shape, np.bool_)
    for ink in inks:
        effect = max(abs(ink.gain - 1), *ink.colour)
        if effect > 0:
            visible |= np.abs(ink.alpha) > np.float32(0.02 / effect)
    return visible


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1


def draw_confounders(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    config: ConfounderRecipe | None = None,
) -> NDArray[np.uint8]:
    """Draw crack-like objects onto a real image, as hard negatives for training.

    Args:
        image: ``(H, W, 3)`` uint8 RGB image, in [0, 255]; not changed.
        mask: ``(H, W)`` bool crack mask; pixels within ``clearance_px`` of it keep their values.
        rng: Source of randomness.
        config: Kinds, number and probability of the confounders; the defaults if None.

    Returns:
        ``(H, W, 3)`` uint8 RGB image, a new array.

    Raises:
        ValueError: If the shapes or types of ``image`` and ``mask`` do not fit.

    Example:
        >>> image, mask = np.full((64, 64, 3), 128, np.uint8), np.zeros((64, 64), np.bool_)
        >>> always = ConfounderRecipe(probability=1.0)
        >>> result = draw_confounders(image, mask, np.random.default_rng(0), config=always)
        >>> result.shape, bool((result != image).any())
        ((64, 64, 3), True)
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected an image (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if mask.shape != image.shape[:2] or mask.dtype != np.bool_:
        raise ValueError(f"expected a mask {image.shape[:2]} bool, got {mask.shape} {mask.dtype}")
    recipe = ConfounderRecipe() if config is None else config
    planes = to_planes(image)
    paint_around(rng, planes, mask, recipe, float(rng.uniform(0, 2 * math.pi)))
    return to_image(planes)
