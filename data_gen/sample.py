"""One synthetic sample from a recipe, a seed and an index, and nothing else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen import chance
from data_gen.annotator import annotated
from data_gen.camera import photograph
from data_gen.compose import paint_cracks
from data_gen.confounder import Confounder, paint_confounders
from data_gen.crack import PlacedCrack, SyntheticCrack, place
from data_gen.geometry import displaced, draw_displacement, similarity, transformed
from data_gen.noise import draw_noise, paint_noise
from data_gen.pattern import ProceduralPattern
from data_gen.recipe import Recipe
from data_gen.stroke import Stroke, bounds
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
        coverage: ``(H, W)`` float32 in [0, 1], share of each pixel that is crack.
        cracks: Truth of every crack.
        confounders: What is in the image and is not a crack.
        surface: Name of the surface; ``black`` in binary mode.
    """

    index: int
    seed: int
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    noisy_mask: NDArray[np.bool_] | None
    coverage: NDArray[np.float32]
    cracks: tuple[SyntheticCrack, ...]
    confounders: tuple[Confounder, ...]
    surface: str


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
        ValueError: If ``seed`` or ``index`` is negative.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"expected seed >= 0 and index >= 0, got {seed} and {index}")
    given = Assets() if assets is None else assets
    cracks = _draw_cracks(_rng(seed, index, _Stream.CRACKS), recipe)
    shape = (recipe.size, recipe.size)
    mask = np.zeros(shape, np.bool_)
    coverage = np.zeros(shape, np.float32)
    for crack in cracks:
        row0, col0, row1, col1 = crack.truth.box
        mask[row0:row1, col0:col1] |= crack.truth.mask
        np.maximum(coverage[crack.window], crack.raster.coverage, out=coverage[crack.window])
    if recipe.mode == "binary":
        image, surface = _binary(recipe, given, mask, _rng(seed, index, _Stream.NOISE)), "black"
        confounders: tuple[Confounder, ...] = ()
    else:
        image, confounders, surface = _photo(recipe, given, cracks, mask, (seed, index))
    noisy = None
    if recipe.annotator.enabled:
        noisy = annotated(_rng(seed, index, _Stream.ANNOTATOR), cracks, shape, recipe.annotator)
    return SyntheticSample(
        index=index,
        seed=seed,
        image=image,
        mask=mask,
        noisy_mask=noisy,
        coverage=coverage,
        cracks=tuple(crack.truth for crack in cracks),
        confounders=confounders,
        surface=surface,
    )


def _rng(seed: int, index: int, stream: _Stream) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(index, int(stream)))))


def _draw_cracks(rng: np.random.Generator, recipe: Recipe) -> tuple[PlacedCrack, ...]:
    """Draw the cracks of one image; a crack that may not overlap and finds no free place is left out."""
    size = recipe.size
    taken = np.zeros((size, size), np.bool_)
    placed: list[PlacedCrack] = []
    count = 0 if chance.happens(rng, recipe.cracks.empty_probability) else chance.integer(rng, recipe.cracks.count)
    for _ in range(count):
        for _ in range(_TRIES):
            strokes, kind = _draw_pattern(rng, recipe)
            found = place(strokes, kind, (size, size))
            free = recipe.cracks.overlap or not any(taken[_window(c.truth)][c.truth.mask].any() for c in found)
            if found and free:
                break
        else:
            continue
        placed += found
        for crack in found:
            taken[_window(crack.truth)] |= crack.truth.mask
    return tuple(placed)


def _window(truth: SyntheticCrack) -> tuple[slice, slice]:
    row0, col0, row1, col1 = truth.box
    return slice(row0, row1), slice(col0, col1)


def _draw_pattern(rng: np.random.Generator, recipe: Recipe) -> tuple[tuple[Stroke, ...], str]:
    """Draw one pattern and move it: elastic deformation, rotation, scale, flip; in binary mode wholly inside."""
    cracks, size = recipe.cracks, recipe.size
    kind = chance.pick(rng, cracks.mix, without=("cutout",))
    strokes = ProceduralPattern(cracks, kind).draw(rng, size)
    if chance.happens(rng, cracks.elastic_probability):
        alpha, sigma = chance.uniform(rng, cracks.elastic_alpha_px), chance.log_uniform(rng, cracks.elastic_sigma_px)
        field = draw_displacement(rng, (size, size), alpha, sigma)
        strokes = tuple(displaced(stroke, field) for stroke in strokes)
    turn, flip = float(rng.uniform(0, 360)), chance.happens(rng, 0.5)
    scale = chance.log_uniform(rng, cracks.scale)
    centre = ((size - 1) / 2, (size - 1) / 2)
    strokes = tuple(transformed(s, similarity(turn, scale, centre, (0.0, 0.0), flip=flip)) for s in strokes)
    if recipe.mode == "binary":
        strokes = _inside(rng, strokes, size)
    return strokes, kind


def _inside(rng: np.random.Generator, strokes: tuple[Stroke, ...], size: int) -> tuple[Stroke, ...]:
    """Move a pattern to a random place wholly inside the image, shrunk if it is too large."""
    row0, col0, row1, col1 = bounds(strokes)
    room = size - 5.0
    scale = min(1.0, room / max(row1 - row0, col1 - col0))
    middle = ((row0 + row1) / 2, (col0 + col1) / 2)
    half = scale * np.array([row1 - row0, col1 - col0]) / 2
    goal = rng.uniform(2.0 + half, size - 3.0 - half + 1e-9)
    matrix = similarity(0.0, scale, middle, (float(goal[0] - middle[0]), float(goal[1] - middle[1])))
    return tuple(transformed(stroke, matrix) for stroke in strokes)


def _binary(recipe: Recipe, assets: Assets, mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Merge cracks and noise onto black: brighter wins where noise exceeds 50, then everything is 0 or 255."""
    plane = mask.astype(np.uint8) * np.uint8(255)
    if chance.happens(rng, recipe.noise.probability):
        for patch in draw_noise(rng, recipe.noise, mask, assets.noise_small, assets.noise_big):
            value = cv2.convertScaleAbs(patch.alpha, alpha=255.0)
            plane[patch.window] |= np.where(value > 50, np.uint8(255), np.uint8(0))
    return np.repeat(plane[:, :, None], 3, axis=2)


def _photo(
    recipe: Recipe, assets: Assets, cracks: tuple[PlacedCrack, ...], mask: NDArray[np.bool_], key: tuple[int, int]
) -> tuple[NDArray[np.uint8], tuple[Confounder, ...], str]:
    """Build the photograph: surface, confounders, noise patches, cracks, camera."""
    rng = _rng(*key, _Stream.SURFACE)
    light_rad = float(rng.uniform(0, 2 * math.pi))
    ground = draw_ground(rng, recipe.surface, recipe.size, light_rad, assets.backgrounds)
    planes = ground.planes
    confounders = paint_confounders(
        _rng(*key, _Stream.CONFOUNDERS), planes, mask, recipe.confounders, light_rad, spare_cracks=False
    )
    rng = _rng(*key, _Stream.NOISE)
    if chance.happens(rng, recipe.noise.probability):
        patches = draw_noise(rng, recipe.noise, mask, assets.noise_small, assets.noise_big)
        paint_noise(rng, planes, patches, recipe.noise.strength)
    planes = paint_cracks(_rng(*key, _Stream.APPEARANCE), planes, cracks, recipe.appearance, light_rad)
    return photograph(_rng(*key, _Stream.CAMERA), planes, recipe.camera), confounders, ground.kind
