"""Draw crack patterns, procedural or cut out of images."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data_gen.chance import draw_log_uniform, draw_uniform, happens
from data_gen.crack import PlacedCrack, place, place_raster
from data_gen.cutout import cut, make_raster, measure_strokes, warp
from data_gen.geometry import Displacement, Turn, displace, draw_displacement, transform
from data_gen.recipe import CracksRecipe
from data_gen.shape import draw_shape
from data_gen.stroke import Stroke, bounds

_RIM_PX = 2


class Pattern(Protocol):
    """A source of cracks."""

    def draw(self, rng: np.random.Generator, size_px: int, *, inside: bool) -> tuple[PlacedCrack, ...]:
        """Draw one pattern into an image.

        Args:
            rng: Source of randomness.
            size_px: Side of the image, in pixels.
            inside: True to keep the pattern completely inside the image, shrunk if it is too large.

        Returns:
            Connected components of the pattern; none if it lies outside the image.
        """
        ...


class ProceduralPattern:
    """Random walks, transformed by rotation, scaling, shear, flips and elastic deformation.

    Args:
        recipe: Shape of the cracks.
        kind: Name of a field of ``PatternMix`` other than ``cutout``.
    """

    def __init__(self, recipe: CracksRecipe, kind: str) -> None:
        self._recipe = recipe
        self._kind = kind

    def draw(self, rng: np.random.Generator, size_px: int, *, inside: bool) -> tuple[PlacedCrack, ...]:
        """Draw one pattern into an image; see ``Pattern``."""
        strokes = draw_shape(rng, self._recipe, self._kind, size_px)
        turn = _draw_turn(rng, self._recipe, size_px)
        if turn.field is not None:
            strokes = displace(strokes, turn.field)
        centre = ((size_px - 1) / 2, (size_px - 1) / 2)
        strokes = transform(strokes, turn.matrix(centre))
        if inside:
            strokes = _move_inside(rng, strokes, size_px)
        return place(strokes, self._kind, (size_px, size_px))


class CutoutPattern:
    """Cracks cut out of images.

    Args:
        recipe: Transformation of the cut-outs.
        images: ``(h, w)`` uint8 masks, drawings or grey images of cracks.
        level: Threshold of the images; see `binarise`.
    """

    def __init__(self, recipe: CracksRecipe, images: Sequence[NDArray[np.uint8]], *, level: int | None = None) -> None:
        self._recipe = recipe
        self._level = level
        self._images = images

    def draw(self, rng: np.random.Generator, size_px: int, *, inside: bool) -> tuple[PlacedCrack, ...]:
        """Draw one pattern into an image; see ``Pattern``. An image of specks gives none."""
        least = self._recipe.min_cutout_px
        image = self._images[int(rng.integers(0, len(self._images)))]
        shape = cut(rng, image, level=self._level, min_area_px=least)
        turn = _draw_turn(rng, self._recipe, size_px)
        if shape is None:
            return ()
        room = size_px - 2 * _RIM_PX - 4
        reach = float(np.hypot(*shape.shape)) * (1 + abs(turn.shear))
        if inside and reach * turn.scale > room:
            turn = replace(turn, scale=room / reach, field=None)
        whole = warp(shape, turn)
        rows, cols = np.flatnonzero((whole > 0).any(axis=1)), np.flatnonzero((whole > 0).any(axis=0))
        if not len(rows):
            return ()
        tight = whole[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        extent = np.array(tight.shape)
        if inside:
            if (extent > size_px - 2 * _RIM_PX).any():
                return ()
            row, col = (int(v) for v in rng.integers(_RIM_PX, size_px - _RIM_PX - extent, endpoint=True))
        else:
            row, col = (int(v) for v in rng.integers(-extent // 2, size_px - extent // 2))
        parts = _paste(tight, (row, col), size_px)
        return tuple(part for part in parts if np.count_nonzero(part.exact.mask) >= least)


def _paste(coverage: NDArray[np.float32], corner: tuple[int, int], size_px: int) -> tuple[PlacedCrack, ...]:
    """Clip a ``(h, w)`` coverage to the image and describe its components."""
    low = np.maximum(corner, 0)
    high = np.minimum(np.add(corner, coverage.shape), size_px)
    if (high <= low).any():
        return ()
    first, last = low - corner, high - corner
    raster = make_raster(np.ascontiguousarray(coverage[first[0] : last[0], first[1] : last[1]]))
    origin = (int(low[0]), int(low[1]))
    return place_raster(raster, measure_strokes(raster, origin), "cutout", origin)


def _draw_turn(rng: np.random.Generator, recipe: CracksRecipe, size_px: int) -> Turn:
    """Draw rotation, scale, flip, shear and elastic deformation."""
    field: Displacement | None = None
    if happens(rng, recipe.elastic_probability):
        alpha, sigma = draw_uniform(rng, recipe.elastic_alpha_px), draw_log_uniform(rng, recipe.elastic_sigma_px)
        field = draw_displacement(rng, (size_px, size_px), min(alpha, sigma / 4), sigma)
    angle, scale = float(rng.uniform(0, 360)), draw_log_uniform(rng, recipe.scale)
    shear = draw_uniform(rng, recipe.shear) * float(rng.choice([-1, 1]))
    return Turn(angle, scale, happens(rng, 0.5), shear, field)


def _move_inside(rng: np.random.Generator, strokes: tuple[Stroke, ...], size_px: int) -> tuple[Stroke, ...]:
    """Move a pattern into the image, shrunk if necessary."""
    row0, col0, row1, col1 = bounds(strokes)
    scale = min(1.0, (size_px - 2 * _RIM_PX - 1.0) / max(row1 - row0, col1 - col0))
    middle = ((row0 + row1) / 2, (col0 + col1) / 2)
    half = scale * np.array([row1 - row0, col1 - col0]) / 2
    goal = rng.uniform(_RIM_PX + half, size_px - 1 - _RIM_PX - half + 1e-9)
    matrix = Turn(scale=scale).matrix(middle, (float(goal[0] - middle[0]), float(goal[1] - middle[1])))
    return transform(strokes, matrix)
