"""Confounders: things that look like cracks and are not, on generated pictures and on real photographs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.blotch import insect, marking, patch_edge, shadow, stain, tyre_mark
from data_gen.chance import draw_integer, happens, pick
from data_gen.ink import Canvas, Ink, lay
from data_gen.line_art import cable, formwork, hair, joint, moulding, pencil, scratch, tar_seam, tile_gap, wire_shadow
from data_gen.plane import Plane, from_picture, to_picture
from data_gen.recipe import ConfounderRecipe

Artist = Callable[[np.random.Generator, Canvas], tuple[Ink, ...]]

ARTISTS: Mapping[str, Artist] = MappingProxyType(
    {
        "joint": joint,
        "formwork": formwork,
        "moulding": moulding,
        "cable": cable,
        "scratch": scratch,
        "tar_seam": tar_seam,
        "pencil": pencil,
        "wire_shadow": wire_shadow,
        "stain": stain,
        "tyre_mark": tyre_mark,
        "tile_gap": tile_gap,
        "marking": marking,
        "insect": insect,
        "hair": hair,
        "shadow": shadow,
        "patch_edge": patch_edge,
    }
)

_AREAS = frozenset({"stain", "shadow", "patch_edge", "formwork", "moulding", "tyre_mark"})
"""Kinds whose areas would show the outline of a crack if they were cut beside it."""


_COVERS = frozenset({"cable", "hair", "insect", "marking", "patch_edge", "tar_seam"})
"""Kinds that can lie over a crack and hide it."""

_HIDDEN_SHARE = 0.35
"""A crack is hidden where less than this share of the light from below comes through."""


@dataclass(frozen=True)
class Confounder:
    """Something that is not a crack.

    Attributes:
        kind: A name of ``ConfounderMix``.
        box: Half-open ``(row0, col0, row1, col1)`` of the pixels it changes visibly.
        over: True if it lies over the cracks; what it hides of them is no crack any more.
    """

    kind: str
    box: tuple[int, int, int, int]
    over: bool = False


@dataclass(frozen=True)
class Layer:
    """A confounder and the inks it is drawn with."""

    confounder: Confounder
    inks: tuple[Ink, ...]

    def cover(self) -> NDArray[np.bool_]:
        """Return the pixels ``(H, W)`` bool of which it hides what lies below."""
        through = np.ones(self.inks[0].alpha.shape, np.float32)
        for ink in self.inks:
            through *= 1 + ink.alpha * np.float32(ink.gain - 1)
        return np.asarray(through < np.float32(_HIDDEN_SHARE))


def draw_layers(
    rng: np.random.Generator, brightness: float, mask: NDArray[np.bool_], recipe: ConfounderRecipe, light_rad: float
) -> tuple[Layer, ...]:
    """Draw confounders under and over cracks that are still to be painted.

    Args:
        rng: Source of randomness.
        brightness: Mean brightness of the surface, in [0, 1].
        mask: ``(H, W)`` bool, pixels that are going to be cracks.
        recipe: Which, how many, how strong.
        light_rad: Direction the light comes from.

    Returns:
        What can be seen, from the lowest up, those that lie over the cracks last.
    """
    under: list[Layer] = []
    over: list[Layer] = []
    if not happens(rng, recipe.probability):
        return ()
    for _ in range(draw_integer(rng, recipe.count)):
        kind = pick(rng, recipe.mix)
        covers = happens(rng, recipe.over_probability) and kind in _COVERS
        inks = ARTISTS[kind](rng, replace(_canvas(rng, brightness, mask, recipe, light_rad), opaque=covers))
        seen = _visible(inks)
        if seen.any():
            (over if covers else under).append(Layer(Confounder(kind, _box(seen), covers), inks))
    return (*under, *over)


def _canvas(
    rng: np.random.Generator, brightness: float, mask: NDArray[np.bool_], recipe: ConfounderRecipe, light_rad: float
) -> Canvas:
    """Return what an artist needs to know; now and then two points of a crack to run along, beside or across."""
    follow = happens(rng, recipe.follow_probability)
    return Canvas(
        shape=(mask.shape[0], mask.shape[1]),
        brightness=brightness,
        light_rad=light_rad,
        width_px=recipe.width_px,
        contrast=recipe.contrast,
        follow=_two_pixels(rng, mask) if follow and bool(mask.any()) else None,
    )


def paint_beside(
    rng: np.random.Generator,
    planes: NDArray[np.float32],
    mask: NDArray[np.bool_],
    recipe: ConfounderRecipe,
    light_rad: float,
) -> tuple[Confounder, ...]:
    """Paint confounders onto a picture that has cracks already, and leave everything near the cracks alone.

    Lines are cut within ``clearance_px`` of crack pixels, and areas that would meet a crack are left out.

    Args:
        rng: Source of randomness.
        planes: ``(3, H, W)`` float32 in about [0, 1]; changed in place.
        mask: ``(H, W)`` bool, crack pixels.
        recipe: Which, how many, how strong.
        light_rad: Direction the light comes from.

    Returns:
        What was painted and can be seen.
    """
    if not happens(rng, recipe.probability):
        return ()
    free = _free(mask, recipe.clearance_px) if mask.any() else None
    drawn: list[Confounder] = []
    wanted, tries = draw_integer(rng, recipe.count), 0
    brightness = mean_brightness(planes)
    while len(drawn) < wanted and tries < 3 * wanted:
        tries += 1
        kind = pick(rng, recipe.mix)
        inks = ARTISTS[kind](rng, _canvas(rng, brightness, mask, recipe, light_rad))
        seen = _visible(inks)
        if free is not None:
            if kind in _AREAS and bool((seen & (free == 0)).any()):
                continue
            seen &= free > 0
        lay(planes, inks, free)
        if seen.any():
            drawn.append(Confounder(kind, _box(seen)))
    return tuple(drawn)


def mean_brightness(planes: NDArray[np.float32]) -> float:
    """Return the mean of the green of ``(3, H, W)`` planes, from some of their pixels."""
    return float(planes[1, ::8, ::8].mean())


def _free(mask: NDArray[np.bool_], clearance_px: int) -> Plane:
    """Return 0 within ``clearance_px`` of crack pixels and 1 elsewhere."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * clearance_px + 1, 2 * clearance_px + 1))
    return np.asarray(1 - cv2.dilate(mask.view(np.uint8), disc), dtype=np.float32)


def _two_pixels(rng: np.random.Generator, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Pick two crack pixels ``(2, 2)`` (row, col), not too far apart if there is a choice."""
    found = np.flatnonzero(mask)
    picks = np.column_stack(np.unravel_index(found[rng.integers(0, len(found), 12)], mask.shape)).astype(np.float64)
    away = np.hypot(*(picks[1:] - picks[0]).T)
    nearest = int(np.argmin(np.where(away > 15, away, np.inf)))
    return np.stack([picks[0], picks[1 + nearest] + (0.0, 1e-3)])


def _visible(inks: tuple[Ink, ...]) -> NDArray[np.bool_]:
    """Return the pixels ``(H, W)`` that the layers change visibly."""
    seen = np.zeros(inks[0].alpha.shape, np.bool_)
    for ink in inks:
        effect = max(abs(ink.gain - 1), *ink.colour)
        if effect > 0:
            seen |= np.abs(ink.alpha) > np.float32(0.02 / effect)
    return seen


def _box(seen: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, cols = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1


def draw_confounders(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    config: ConfounderRecipe | None = None,
) -> NDArray[np.uint8]:
    """Draw things that are not cracks onto a photograph, as hard negatives for training.

    Args:
        image: ``(H, W, 3)`` uint8; not changed.
        mask: ``(H, W)`` bool, crack pixels; these and their surroundings within ``clearance_px`` keep their values.
        rng: Source of randomness.
        config: Which confounders, how many, how often at all; the defaults if None.

    Returns:
        ``(H, W, 3)`` uint8, a new array.

    Raises:
        ValueError: If the shapes or types of ``image`` and ``mask`` do not fit.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected an image (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if mask.shape != image.shape[:2] or mask.dtype != np.bool_:
        raise ValueError(f"expected a mask {image.shape[:2]} bool, got {mask.shape} {mask.dtype}")
    recipe = ConfounderRecipe() if config is None else config
    planes = from_picture(image)
    paint_beside(rng, planes, mask, recipe, float(rng.uniform(0, 2 * math.pi)))
    return to_picture(planes)
