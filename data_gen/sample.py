"""Generate a synthetic sample from a recipe, a seed and an index."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.annotator import annotate
from data_gen.camera import capture
from data_gen.chance import draw_integer, happens, pick
from data_gen.compose import paint_cracks
from data_gen.confounder import Confounder, draw_layers, mean_brightness
from data_gen.crack import PlacedCrack, SyntheticCrack, hide
from data_gen.ink import lay
from data_gen.noise import CLASSIC_LEVEL, NoisePatch, draw_noise, merge, paint_noise
from data_gen.pattern import CutoutPattern, Pattern, ProceduralPattern
from data_gen.recipe import Recipe
from data_gen.surface import draw_ground

_TRIES = 12


class _Stream(IntEnum):
    """Independent random streams, so that one stage does not change another."""

    CRACKS = 0
    SURFACE = 1
    NOISE = 2
    CONFOUNDERS = 3
    APPEARANCE = 4
    CAMERA = 5
    ANNOTATOR = 6
    DIRT = 7


@dataclass(frozen=True)
class Assets:
    """Images supplied by the caller.

    The sequences may be lazy: only their length and single items are used.

    Attributes:
        backgrounds: ``(h, w, 3)`` uint8 crack-free RGB images, in [0, 255].
        patterns: ``(h, w)`` uint8 masks or drawings of cracks, in [0, 255].
        noise_small: ``(h, w)`` uint8 grey patches for specks, in [0, 255].
        noise_big: ``(h, w)`` uint8 grey patches for squares, tall and flat patches, in [0, 255].
    """

    backgrounds: Sequence[NDArray[np.uint8]] = ()
    patterns: Sequence[NDArray[np.uint8]] = ()
    noise_small: Sequence[NDArray[np.uint8]] = ()
    noise_big: Sequence[NDArray[np.uint8]] = ()


@dataclass(frozen=True)
class SyntheticSample:
    """An image with its exact mask and measurements. Pixel centres are at whole (row, col).

    Attributes:
        index: Index of the sample.
        seed: Random seed of the run.
        image: ``(H, W, 3)`` uint8 RGB image, in [0, 255].
        mask: ``(H, W)`` bool exact mask, the union of the masks of all cracks.
        noisy_mask: ``(H, W)`` bool mask of a simulated annotator; None if the recipe does not enable it.
        placed: Cracks with their anti-aliased pixels.
        noise: Noise patches in the image.
        confounders: Objects in the image that look like cracks.
        surface: Name of the surface; ``black`` in binary mode.
        left_out: Number of cracks of the recipe for which there was no room.
    """

    index: int
    seed: int
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    noisy_mask: NDArray[np.bool_] | None
    placed: tuple[PlacedCrack, ...]
    noise: tuple[NoisePatch, ...]
    confounders: tuple[Confounder, ...]
    surface: str
    left_out: int

    @property
    def cracks(self) -> tuple[SyntheticCrack, ...]:
        """Exact description of each crack."""
        return tuple(crack.exact for crack in self.placed)

    @property
    def coverage(self) -> NDArray[np.float32]:
        """Share of each pixel that is crack, ``(H, W)`` float32, in [0, 1]."""
        coverage = np.zeros(self.mask.shape, np.float32)
        for crack in self.placed:
            np.maximum(coverage[crack.region], crack.raster.coverage, out=coverage[crack.region])
        return coverage


def generate_sample(recipe: Recipe, *, seed: int, index: int, assets: Assets | None = None) -> SyntheticSample:
    """Generate one sample.

    The arguments determine the sample completely.

    Args:
        recipe: Settings of the sample.
        seed: Random seed of the run, >= 0.
        index: Index of the sample, >= 0.
        assets: Images to use; None for none.

    Returns:
        Image, mask and exact cracks.

    Raises:
        ValueError: If ``seed`` or ``index`` is negative, an asset has the wrong shape or type, or the recipe needs
            assets that are missing.

    Example:
        >>> sample = generate_sample(Recipe(size=128), seed=0, index=3)
        >>> sample.image.shape, sample.mask.shape, len(sample.cracks)
        ((128, 128, 3), (128, 128), 5)
    """
    if seed < 0 or index < 0:
        raise ValueError(f"expected seed >= 0 and index >= 0, got {seed} and {index}")
    assets = Assets() if assets is None else assets
    cracks, left_out = _draw_cracks(_rng(seed, index, _Stream.CRACKS), recipe, assets)
    mask = _union(cracks, (recipe.size, recipe.size))
    rng = _rng(seed, index, _Stream.NOISE)
    patches: tuple[NoisePatch, ...] = ()
    visible = cracks
    if happens(rng, recipe.noise.probability):
        patches = draw_noise(rng, recipe.noise, mask, assets.noise_small, assets.noise_big)
        if recipe.noise.changes_mask:
            visible = _remove_covered(cracks, _merge_patches(patches, mask) > _level(recipe))
    if recipe.mode == "binary":
        view = _render_binary(_Scene(visible, mask, patches), _level(recipe))
    else:
        view = _render_photo(recipe, assets, _Scene(visible, mask, patches), (seed, index))
    if view.cracks is not cracks:
        mask = _union(view.cracks, (recipe.size, recipe.size))
    noisy = None
    if recipe.annotator.enabled:
        noisy = annotate(_rng(seed, index, _Stream.ANNOTATOR), view.cracks, mask.shape, recipe.annotator)
    return SyntheticSample(
        index=index,
        seed=seed,
        image=view.image,
        mask=mask,
        noisy_mask=noisy,
        placed=view.cracks,
        noise=patches,
        confounders=view.confounders,
        surface=view.surface,
        left_out=left_out,
    )


def _rng(seed: int, index: int, stream: _Stream) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(index, int(stream)))))


def _draw_cracks(rng: np.random.Generator, recipe: Recipe, assets: Assets) -> tuple[tuple[PlacedCrack, ...], int]:
    """Draw the cracks of an image and count those without room."""
    cracks, size = recipe.cracks, recipe.size
    taken = np.zeros((size, size), np.bool_)
    placed: list[PlacedCrack] = []
    left_out = 0
    count = 0 if happens(rng, cracks.empty_probability) else draw_integer(rng, cracks.count)
    for _ in range(count):
        for _ in range(_TRIES):
            kind = pick(rng, cracks.mix, without=() if len(assets.patterns) else ("cutout",))
            pattern: Pattern = (
                CutoutPattern(cracks, assets.patterns, level=recipe.level)
                if kind == "cutout"
                else ProceduralPattern(cracks, kind)
            )
            parts = pattern.draw(rng, size, inside=recipe.mode == "binary")
            free = cracks.overlap or not any(taken[_region(part.exact)][part.exact.mask].any() for part in parts)
            if parts and free:
                break
        else:
            left_out += 1
            continue
        placed += parts
        for crack in parts if not cracks.overlap else ():
            taken[_region(crack.exact)] |= crack.exact.mask
    return tuple(placed), left_out


def _region(crack: SyntheticCrack) -> tuple[slice, slice]:
    row0, col0, row1, col1 = crack.box
    return slice(row0, row1), slice(col0, col1)


def _union(cracks: tuple[PlacedCrack, ...], shape: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.bool_)
    for crack in cracks:
        mask[_region(crack.exact)] |= crack.exact.mask
    return mask


def _remove_covered(cracks: tuple[PlacedCrack, ...], cover: NDArray[np.bool_]) -> tuple[PlacedCrack, ...]:
    """Remove the pixels of a ``(H, W)`` bool cover from the cracks."""
    parts: list[PlacedCrack] = []
    for crack in cracks:
        parts += hide(crack, cover) if (crack.exact.mask & cover[_region(crack.exact)]).any() else (crack,)
    return tuple(parts)


def _merge_patches(patches: tuple[NoisePatch, ...], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Merge patches into a black ``(H, W)`` uint8 image of the mask's shape."""
    canvas = np.zeros(mask.shape, np.uint8)
    for patch in patches:
        merge(canvas, patch.region, patch.grey)
    return canvas


@dataclass(frozen=True)
class _Scene:
    """Contents of an image.

    Attributes:
        cracks: Cracks that are not covered by noise.
        mask: ``(H, W)`` bool mask of all cracks, covered or not.
        patches: Noise patches.
    """

    cracks: tuple[PlacedCrack, ...]
    mask: NDArray[np.bool_]
    patches: tuple[NoisePatch, ...]


@dataclass(frozen=True)
class _View:
    """A rendered image.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB image, in [0, 255].
        cracks: Visible cracks.
        confounders: Visible confounders.
        surface: Name of the surface.
    """

    image: NDArray[np.uint8]
    cracks: tuple[PlacedCrack, ...]
    confounders: tuple[Confounder, ...]
    surface: str


def _level(recipe: Recipe) -> int:
    return CLASSIC_LEVEL if recipe.level is None else recipe.level


def _render_binary(scene: _Scene, level: int) -> _View:
    """Merge noise and cracks onto black and binarise the result."""
    canvas = _merge_patches(scene.patches, scene.mask)
    for crack in scene.cracks:
        merge(canvas, _region(crack.exact), crack.exact.mask.view(np.uint8) * np.uint8(255))
    _, plane = cv2.threshold(canvas, level, 255, cv2.THRESH_BINARY)
    return _View(np.asarray(cv2.merge([plane, plane, plane]), dtype=np.uint8), scene.cracks, (), "black")


def _render_photo(recipe: Recipe, assets: Assets, scene: _Scene, key: tuple[int, int]) -> _View:
    """Render the surface, layers, noise and cracks through a camera."""
    rng = _rng(*key, _Stream.SURFACE)
    light_rad = float(rng.uniform(0, 2 * math.pi))
    ground = draw_ground(rng, recipe.surface, recipe.size, light_rad, assets.backgrounds)
    planes, cracks = ground.planes, scene.cracks
    rng = _rng(*key, _Stream.CONFOUNDERS)
    layers = draw_layers(rng, mean_brightness(planes), scene.mask, recipe.confounders, light_rad)
    for layer in layers:
        if layer.confounder.over:
            cracks = _remove_covered(cracks, layer.cover())
        else:
            lay(planes, layer.inks, None)
    dirt, strength = _rng(*key, _Stream.DIRT), recipe.noise.strength
    if not recipe.noise.changes_mask:
        paint_noise(dirt, planes, scene.patches, strength)
    planes = paint_cracks(_rng(*key, _Stream.APPEARANCE), planes, cracks, recipe.appearance, light_rad)
    if recipe.noise.changes_mask:
        paint_noise(dirt, planes, scene.patches, strength)
    for layer in layers:
        if layer.confounder.over:
            lay(planes, layer.inks, None)
    image = capture(_rng(*key, _Stream.CAMERA), planes, recipe.camera)
    return _View(image, cracks, tuple(layer.confounder for layer in layers), ground.kind)
