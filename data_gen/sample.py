"""One synthetic sample from a recipe, a seed and an index, and nothing else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.annotator import annotated
from data_gen.camera import photograph
from data_gen.chance import draw_integer, happens, pick
from data_gen.compose import paint_cracks
from data_gen.confounder import Confounder, draw_layers, mean_brightness
from data_gen.crack import PlacedCrack, SyntheticCrack, hidden
from data_gen.ink import lay
from data_gen.noise import CLASSIC_LEVEL, NoisePatch, draw_noise, merge, paint_noise
from data_gen.pattern import CutoutPattern, Pattern, ProceduralPattern
from data_gen.recipe import Recipe
from data_gen.surface import draw_ground

_TRIES = 12


class _Stream(IntEnum):
    """Independent sources of randomness, so that turning one stage off leaves the others as they were."""

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
    """Pictures read by the caller. Sequences may be lazy: only their length and single members are asked for.

    Attributes:
        backgrounds: Crack-free photographs ``(h, w, 3)`` uint8.
        patterns: Masks or drawings of cracks ``(h, w)`` uint8, cracks bright.
        noise_small: Grey patches ``(h, w)`` uint8 for specks.
        noise_big: Grey patches ``(h, w)`` uint8 for squares, tall and flat noise.
    """

    backgrounds: Sequence[NDArray[np.uint8]] = ()
    patterns: Sequence[NDArray[np.uint8]] = ()
    noise_small: Sequence[NDArray[np.uint8]] = ()
    noise_big: Sequence[NDArray[np.uint8]] = ()


@dataclass(frozen=True)
class SyntheticSample:
    """An image with exact truth. The centre of a pixel is at its whole (row, col).

    Attributes:
        index: Number of the sample.
        seed: Seed of the run.
        image: ``(H, W, 3)`` uint8, red, green, blue.
        mask: ``(H, W)`` bool, exact: the union of the masks of all cracks.
        noisy_mask: ``(H, W)`` bool as a tired annotator would draw it, or None if not asked for.
        placed: Every crack with its pixels.
        noise: Patches of noise in the image.
        confounders: What else is in the image and is not a crack.
        surface: Name of the surface; ``black`` in binary mode.
        left_out: Cracks that the recipe asked for and that found no place.
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
        """Truth of every crack."""
        return tuple(crack.truth for crack in self.placed)

    @property
    def coverage(self) -> NDArray[np.float32]:
        """``(H, W)`` float32 in [0, 1], share of each pixel that is crack."""
        coverage = np.zeros(self.mask.shape, np.float32)
        for crack in self.placed:
            np.maximum(coverage[crack.window], crack.raster.coverage, out=coverage[crack.window])
        return coverage


def generate_sample(recipe: Recipe, *, seed: int, index: int, assets: Assets | None = None) -> SyntheticSample:
    """Generate one sample.

    Args:
        recipe: What to generate.
        seed: Seed of the run, >= 0.
        index: Number of the sample, >= 0. The result depends on ``recipe``, ``seed``, ``index`` and ``assets`` alone.
        assets: Pictures to use; none if None.

    Returns:
        The sample.

    Raises:
        ValueError: If ``seed`` or ``index`` is negative, if a picture has the wrong shape or type, or if the recipe
            wants nothing but pictures that were not given.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"expected seed >= 0 and index >= 0, got {seed} and {index}")
    given = Assets() if assets is None else assets
    cracks, left_out = _draw_cracks(_rng(seed, index, _Stream.CRACKS), recipe, given)
    mask = _union(cracks, (recipe.size, recipe.size))
    rng = _rng(seed, index, _Stream.NOISE)
    patches: tuple[NoisePatch, ...] = ()
    seen = cracks
    if happens(rng, recipe.noise.probability):
        patches = draw_noise(rng, recipe.noise, mask, given.noise_small, given.noise_big)
        if recipe.noise.changes_truth:
            seen = _without(cracks, _merged(patches, mask) > CLASSIC_LEVEL)
    if recipe.mode == "binary":
        picture = _binary(_Scene(seen, mask, patches))
    else:
        picture = _photo(recipe, given, _Scene(seen, mask, patches), (seed, index))
    if picture.cracks is not cracks:
        mask = _union(picture.cracks, (recipe.size, recipe.size))
    noisy = None
    if recipe.annotator.enabled:
        noisy = annotated(_rng(seed, index, _Stream.ANNOTATOR), picture.cracks, mask.shape, recipe.annotator)
    return SyntheticSample(
        index=index,
        seed=seed,
        image=picture.image,
        mask=mask,
        noisy_mask=noisy,
        placed=picture.cracks,
        noise=patches,
        confounders=picture.confounders,
        surface=picture.surface,
        left_out=left_out,
    )


def _rng(seed: int, index: int, stream: _Stream) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(index, int(stream)))))


def _draw_cracks(rng: np.random.Generator, recipe: Recipe, assets: Assets) -> tuple[tuple[PlacedCrack, ...], int]:
    """Draw the cracks of one image, and count those that found no place and are left out."""
    cracks, size = recipe.cracks, recipe.size
    taken = np.zeros((size, size), np.bool_)
    placed: list[PlacedCrack] = []
    left_out = 0
    count = 0 if happens(rng, cracks.empty_probability) else draw_integer(rng, cracks.count)
    for _ in range(count):
        for _ in range(_TRIES):
            kind = pick(rng, cracks.mix, without=() if len(assets.patterns) else ("cutout",))
            pattern: Pattern = (
                CutoutPattern(cracks, assets.patterns) if kind == "cutout" else ProceduralPattern(cracks, kind)
            )
            found = pattern.draw(rng, size, inside=recipe.mode == "binary")
            free = cracks.overlap or not any(taken[_window(c.truth)][c.truth.mask].any() for c in found)
            if found and free:
                break
        else:
            left_out += 1
            continue
        placed += found
        for crack in found if not cracks.overlap else ():
            taken[_window(crack.truth)] |= crack.truth.mask
    return tuple(placed), left_out


def _window(truth: SyntheticCrack) -> tuple[slice, slice]:
    row0, col0, row1, col1 = truth.box
    return slice(row0, row1), slice(col0, col1)


def _union(cracks: tuple[PlacedCrack, ...], shape: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.bool_)
    for crack in cracks:
        mask[_window(crack.truth)] |= crack.truth.mask
    return mask


def _without(cracks: tuple[PlacedCrack, ...], cover: NDArray[np.bool_]) -> tuple[PlacedCrack, ...]:
    """Take the pixels ``(H, W)`` that something else covers out of the cracks."""
    parts: list[PlacedCrack] = []
    for crack in cracks:
        parts += hidden(crack, cover) if (crack.truth.mask & cover[_window(crack.truth)]).any() else (crack,)
    return tuple(parts)


def _merged(patches: tuple[NoisePatch, ...], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return patches merged onto black ``(H, W)`` uint8, of the size of ``mask``."""
    canvas = np.zeros(mask.shape, np.uint8)
    for patch in patches:
        merge(canvas, patch.window, patch.grey)
    return canvas


@dataclass(frozen=True)
class _Scene:
    """What lies on the surface; ``mask`` ``(H, W)`` bool are all cracks, whether they can be seen or not."""

    cracks: tuple[PlacedCrack, ...]
    mask: NDArray[np.bool_]
    patches: tuple[NoisePatch, ...]


@dataclass(frozen=True)
class _Picture:
    """An image, the cracks that can be seen in it, and what else is in it."""

    image: NDArray[np.uint8]
    cracks: tuple[PlacedCrack, ...]
    confounders: tuple[Confounder, ...]
    surface: str


def _binary(scene: _Scene) -> _Picture:
    """Merge noise and cracks onto black, each where it exceeds 50, then make everything 0 or 255."""
    canvas = _merged(scene.patches, scene.mask)
    for crack in scene.cracks:
        merge(canvas, _window(crack.truth), crack.truth.mask.view(np.uint8) * np.uint8(255))
    _, plane = cv2.threshold(canvas, CLASSIC_LEVEL, 255, cv2.THRESH_BINARY)
    return _Picture(np.asarray(cv2.merge([plane, plane, plane]), dtype=np.uint8), scene.cracks, (), "black")


def _photo(recipe: Recipe, assets: Assets, scene: _Scene, key: tuple[int, int]) -> _Picture:
    """Build the photograph: surface, what lies under the cracks, noise patches, cracks, what lies over them, camera."""
    rng = _rng(*key, _Stream.SURFACE)
    light_rad = float(rng.uniform(0, 2 * math.pi))
    ground = draw_ground(rng, recipe.surface, recipe.size, light_rad, assets.backgrounds)
    planes, cracks = ground.planes, scene.cracks
    rng = _rng(*key, _Stream.CONFOUNDERS)
    layers = draw_layers(rng, mean_brightness(planes), scene.mask, recipe.confounders, light_rad)
    for layer in layers:
        if layer.confounder.over:
            cracks = _without(cracks, layer.cover())
        else:
            lay(planes, layer.inks, None)
    dirt, strength = _rng(*key, _Stream.DIRT), recipe.noise.strength
    if not recipe.noise.changes_truth:
        paint_noise(dirt, planes, scene.patches, strength)
    planes = paint_cracks(_rng(*key, _Stream.APPEARANCE), planes, cracks, recipe.appearance, light_rad)
    if recipe.noise.changes_truth:
        paint_noise(dirt, planes, scene.patches, strength)
    for layer in layers:
        if layer.confounder.over:
            lay(planes, layer.inks, None)
    image = photograph(_rng(*key, _Stream.CAMERA), planes, recipe.camera)
    return _Picture(image, cracks, tuple(layer.confounder for layer in layers), ground.kind)
