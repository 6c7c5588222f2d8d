"""A tired hand: masks that are a little wrong, for studies of label noise."""

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen import chance
from data_gen.crack import PlacedCrack
from data_gen.recipe import AnnotatorRecipe
from data_gen.render import render
from data_gen.stroke import Stroke


def annotated(
    rng: np.random.Generator, cracks: tuple[PlacedCrack, ...], shape: tuple[int, int], recipe: AnnotatorRecipe
) -> NDArray[np.bool_]:
    """Draw the mask that a tired annotator would.

    Args:
        rng: Source of randomness.
        cracks: The exact cracks.
        shape: ``(H, W)`` in pixels.
        recipe: How tired.

    Returns:
        ``(H, W)`` bool, missed branches left out, then eroded or dilated, and shifted.
    """
    mask = np.zeros(shape, np.uint8)
    for crack in cracks:
        truth = crack.truth
        strokes = tuple(
            Stroke(line, width / 2, width / 2) for line, width in zip(truth.centrelines, truth.widths_px, strict=True)
        )
        drawn = tuple(stroke for stroke in strokes if not chance.happens(rng, recipe.miss_probability))
        row0, col0, row1, col1 = truth.box
        if len(drawn) == len(strokes):
            part = truth.mask
        else:
            part = truth.mask & render(drawn, (row1 - row0, col1 - col0), (row0, col0)).mask
        mask[row0:row1, col0:col1] |= part.view(np.uint8)
    grow = chance.integer(rng, recipe.dilate_px) - chance.integer(rng, recipe.erode_px)
    if grow != 0:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(grow) + 1, 2 * abs(grow) + 1))
        mask = np.asarray((cv2.dilate if grow > 0 else cv2.erode)(mask, disc), dtype=np.uint8)
    distance, turn = chance.uniform(rng, recipe.shift_px), rng.uniform(0, 2 * np.pi)
    move = np.array([[1, 0, round(distance * np.cos(turn))], [0, 1, round(distance * np.sin(turn))]], np.float64)
    moved = cv2.warpAffine(mask, move, (shape[1], shape[0]), flags=cv2.INTER_NEAREST)
    return np.asarray(moved > 0)
