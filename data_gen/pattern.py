"""Crack patterns: sources of cracks for an image."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data_gen.chance import draw_log_uniform, draw_uniform, happens
from data_gen.crack import PlacedCrack, place, place_raster
from data_gen.cutout import cut, raster_of, strokes_of, turned
from data_gen.geometry import Displacement, Turn, displaced, draw_displacement, transformed
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
            inside: True to keep the pattern wholly inside the image, shrunk if it is too large.

        Returns:
            The connected pieces of the pattern; none if nothing of it lies in the image.
        """
        ...


class ProceduralPattern:
    """Cracks made of random walks, moved by rotation, scaling, shear, flips and elastic deformation."""

    def __init__(self, recipe: CracksRecipe, kind: str) -> None:
        """Keep the settings and the kind to draw: a name of ``PatternMix`` other than ``cutout``."""
        self._recipe = recipe
        self._kind = kind

    def draw(self, rng: np.random.Generator, size_px: int, *, inside: bool) -> tuple[PlacedCrack, ...]:
        """Draw one pattern into an image; see ``Pattern``."""
        strokes = draw_shape(rng, self._recipe, self._kind, size_px)
        turn = _draw_turn(rng, self._recipe, size_px)
        if turn.field is not None:
            strokes = displaced(strokes, turn.field)
        centre = ((size_px - 1) / 2, (size_px - 1) / 2)
        strokes = transformed(strokes, turn.matrix(centre))
        if inside:
            strokes = _moved_inside(rng, strokes, size_px)
        return place(strokes, self._kind, (size_px, size_px))


class CutoutPattern:
    """Cracks cut out of given pictures."""

    def __init__(self, recipe: CracksRecipe, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """Keep the settings and the pictures ``(h, w)`` uint8."""
        self._recipe = recipe
        self._pictures = pictures

    def draw(self, rng: np.random.Generator, size_px: int, *, inside: bool) -> tuple[PlacedCrack, ...]:
        """Draw one pattern into an image; see ``Pattern``. None if the picture drawn holds nothing but specks."""
        shape = cut(rng, self._pictures[int(rng.integers(0, len(self._pictures)))])
        turn = _draw_turn(rng, self._recipe, size_px)
        if shape is None:
            return ()
        room = size_px - 2 * _RIM_PX - 4
        reach = float(np.hypot(*shape.shape)) * (1 + abs(turn.shear))
        if inside and reach * turn.scale > room:
            turn = replace(turn, scale=room / reach, field=None)
        whole = turned(shape, turn)
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
        return _pasted(tight, (row, col), size_px)


def _pasted(coverage: NDArray[np.float32], corner: tuple[int, int], size_px: int) -> tuple[PlacedCrack, ...]:
    """Cut a coverage at the image border, measure it and describe its pieces."""
    low = np.maximum(corner, 0)
    high = np.minimum(np.add(corner, coverage.shape), size_px)
    if (high <= low).any():
        return ()
    first, last = low - corner, high - corner
    raster = raster_of(np.ascontiguousarray(coverage[first[0] : last[0], first[1] : last[1]]))
    origin = (int(low[0]), int(low[1]))
    return place_raster(raster, strokes_of(raster, origin), "cutout", origin)


def _draw_turn(rng: np.random.Generator, recipe: CracksRecipe, size_px: int) -> Turn:
    """Draw rotation, scale, flip, shear and elastic deformation."""
    field: Displacement | None = None
    if happens(rng, recipe.elastic_probability):
        alpha, sigma = draw_uniform(rng, recipe.elastic_alpha_px), draw_log_uniform(rng, recipe.elastic_sigma_px)
        field = draw_displacement(rng, (size_px, size_px), min(alpha, sigma / 4), sigma)
    angle, scale = float(rng.uniform(0, 360)), draw_log_uniform(rng, recipe.scale)
    shear = draw_uniform(rng, recipe.shear) * float(rng.choice([-1, 1]))
    return Turn(angle, scale, happens(rng, 0.5), shear, field)


def _moved_inside(rng: np.random.Generator, strokes: tuple[Stroke, ...], size_px: int) -> tuple[Stroke, ...]:
    """Move a pattern to a random place wholly inside the image, shrunk if it is too large."""
    row0, col0, row1, col1 = bounds(strokes)
    scale = min(1.0, (size_px - 2 * _RIM_PX - 1.0) / max(row1 - row0, col1 - col0))
    middle = ((row0 + row1) / 2, (col0 + col1) / 2)
    half = scale * np.array([row1 - row0, col1 - col0]) / 2
    goal = rng.uniform(_RIM_PX + half, size_px - 1 - _RIM_PX - half + 1e-9)
    matrix = Turn(scale=scale).matrix(middle, (float(goal[0] - middle[0]), float(goal[1] - middle[1])))
    return transformed(strokes, matrix)
