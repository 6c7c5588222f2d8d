"""Simulate annotation errors in masks, for studies of label noise."""

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.chance import draw_integer, draw_uniform, happens
from data_gen.crack import PlacedCrack
from data_gen.recipe import AnnotatorRecipe
from data_gen.render import render
from data_gen.stroke import Stroke


def annotate(
    rng: np.random.Generator, cracks: tuple[PlacedCrack, ...], shape: tuple[int, int], recipe: AnnotatorRecipe
) -> NDArray[np.bool_]:
    """Draw the mask of an inaccurate annotator.

    Args:
        rng: Source of randomness.
        cracks: Exact cracks.
        shape: Height and width ``(H, W)`` of the image, in pixels.
        recipe: Probabilities and sizes of the errors.

    Returns:
        ``(H, W)`` bool mask without missed branches and ends, eroded or dilated, and shifted.
    """
    mask = np.zeros(shape, np.uint8)
    for crack in cracks:
        exact = crack.exact
        strokes = tuple(
            Stroke(line, width / 2, width / 2) for line, width in zip(exact.centrelines, exact.widths_px, strict=True)
        )
        noticed = [_noticed_part(rng, stroke, recipe) for stroke in strokes]
        kept = tuple(stroke for stroke in noticed if stroke is not None)
        row0, col0, row1, col1 = exact.box
        if all(part is whole for part, whole in zip(noticed, strokes, strict=True)):
            part = exact.mask
        else:
            part = exact.mask & render(kept, (row1 - row0, col1 - col0), (row0, col0)).mask
        mask[row0:row1, col0:col1] |= part.view(np.uint8)
    grow = draw_integer(rng, recipe.dilate_px) - draw_integer(rng, recipe.erode_px)
    if grow != 0:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(grow) + 1, 2 * abs(grow) + 1))
        mask = np.asarray((cv2.dilate if grow > 0 else cv2.erode)(mask, disc), dtype=np.uint8)
    distance, turn = draw_uniform(rng, recipe.shift_px), rng.uniform(0, 2 * np.pi)
    move = np.array([[1, 0, round(distance * np.cos(turn))], [0, 1, round(distance * np.sin(turn))]], np.float64)
    moved = cv2.warpAffine(mask, move, (shape[1], shape[0]), flags=cv2.INTER_NEAREST)
    return np.asarray(moved > 0)


def _noticed_part(rng: np.random.Generator, stroke: Stroke, recipe: AnnotatorRecipe) -> Stroke | None:
    """Return the whole branch, its thicker part, or None."""
    if happens(rng, recipe.miss_probability):
        return None
    if not happens(rng, recipe.shorten_probability):
        return stroke
    width = stroke.width_px
    keep = max(2, int(rng.uniform(0.2, 0.8) * len(width)))
    part = slice(0, keep) if width[0] >= width[-1] else slice(len(width) - keep, None)
    return Stroke(stroke.points[part], stroke.left_px[part], stroke.right_px[part])
