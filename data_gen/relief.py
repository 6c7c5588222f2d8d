"""Relief and grains: the small-scale make-up of surfaces."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.plane import Plane


def lit(height: Plane, light_rad: float, strength: float) -> Plane:
    """Shade a height map by a low light.

    Args:
        height: ``(h, w)`` float32, height in pixels.
        light_rad: Direction the light comes from; 0 is from the right, pi/2 from below.
        strength: Change of brightness per unit of slope.

    Returns:
        ``(h, w)`` float32, relative change of brightness, about 0 where flat.
    """
    across, down = math.cos(light_rad), math.sin(light_rad)
    rows = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32) / 8
    kernel = -strength * (across * rows.T + down * rows)
    return np.asarray(cv2.filter2D(height, cv2.CV_32F, kernel.astype(np.float32)), dtype=np.float32)


_LARGE_CELL_PX = 5.0


@dataclass(frozen=True)
class Cells:
    """A plane cut into random angular cells.

    Attributes:
        labels: ``(h, w)`` int32, number of the cell of every pixel, from 0 to ``count - 1``.
        inset_px: ``(h, w)`` float32, distance to the border of the cell, in pixels.
        count: Number of cells.
    """

    labels: NDArray[np.int32]
    inset_px: Plane
    count: int


def draw_cells(rng: np.random.Generator, shape: tuple[int, int], size_px: float) -> Cells:
    """Cut a plane into the Voronoi cells of random points.

    Args:
        rng: Source of randomness.
        shape: ``(h, w)`` in pixels.
        size_px: Typical size of a cell, in pixels; at least 2. Large cells are drawn at half the resolution.

    Returns:
        The cells.
    """
    if size_px >= _LARGE_CELL_PX:
        half = draw_cells(rng, ((shape[0] + 1) // 2, (shape[1] + 1) // 2), size_px / 2)
        numbers = half.labels.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]]
        inset = cv2.resize(half.inset_px, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        return Cells(numbers, np.asarray(inset[: shape[0], : shape[1]] * 2, dtype=np.float32), half.count)
    count = max(4, round(shape[0] * shape[1] / size_px**2))
    empty = np.full(shape, 255, np.uint8)
    empty.ravel()[rng.integers(0, shape[0] * shape[1], count)] = 0
    _, labels = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    same = np.ones(shape, np.uint8)
    same[:, 1:] &= (labels[:, 1:] == labels[:, :-1]).view(np.uint8)
    same[1:] &= (labels[1:] == labels[:-1]).view(np.uint8)
    inset = cv2.distanceTransform(same, cv2.DIST_L2, cv2.DIST_MASK_3)
    numbers = np.asarray(labels, dtype=np.int32) - 1
    return Cells(numbers, np.asarray(inset, dtype=np.float32), int(numbers.max()) + 1)


def spots(rng: np.random.Generator, shape: tuple[int, int], count: int, radius_px: tuple[float, float]) -> Plane:
    """Draw soft round spots, as pores and pits have.

    Args:
        rng: Source of randomness.
        shape: ``(h, w)`` in pixels.
        count: Number of spots.
        radius_px: Smallest and largest radius; small ones are more frequent.

    Returns:
        ``(h, w)`` float32 in [0, 1], 1 inside a spot.
    """
    canvas = np.zeros(shape, np.uint8)
    rows, cols = rng.uniform(0, shape[0], count), rng.uniform(0, shape[1], count)
    radii = radius_px[0] * (radius_px[1] / radius_px[0]) ** (rng.random(count) ** 2.5)
    squeeze, angle = rng.uniform(0.5, 1.0, count), rng.uniform(0, 180, count)
    for row, col, radius, flat, turn in zip(rows, cols, radii, squeeze, angle, strict=True):
        oval = ((float(col), float(row)), (float(2 * radius), float(2 * radius * flat)), float(turn))
        cv2.ellipse(canvas, oval, 255, cv2.FILLED, cv2.LINE_AA)
    return np.asarray(canvas, dtype=np.float32) * np.float32(1 / 255)
