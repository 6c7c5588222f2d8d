"""Draw relief, grains and spots, the fine structure of surfaces."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.plane import Plane


def shade_relief(height: Plane, light_rad: float, strength: float) -> Plane:
    """Shade a height map by a low light.

    Args:
        height: ``(h, w)`` float32 height, in pixels.
        light_rad: Direction of the light source, in radians; 0 is right, pi/2 is below.
        strength: Change of brightness per unit of slope.

    Returns:
        ``(h, w)`` float32 relative change of brightness, about 0 where flat.
    """
    across, down = math.cos(light_rad), math.sin(light_rad)
    rows = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32) / 8
    kernel = -strength * (across * rows.T + down * rows)
    return np.asarray(cv2.filter2D(height, cv2.CV_32F, kernel.astype(np.float32)), dtype=np.float32)


_HALF_FROM_PX, _QUARTER_FROM_PX = 10.0, 24.0
"""Cell sizes from which cells are drawn at half and quarter resolution, in pixels."""


@dataclass(frozen=True)
class Cells:
    """A plane divided into random angular cells.

    Attributes:
        labels: ``(h2, w2)`` int32 cell number of each pixel, from 0 to ``count - 1``; for large cells at half or
            quarter resolution.
        inset_px: ``(h, w)`` float32 distance to the border of the cell, in pixels.
        count: Number of cells.
    """

    labels: NDArray[np.int32]
    inset_px: Plane
    count: int

    def spread(self, values: Plane) -> Plane:
        """Return the value of the cell of each pixel.

        Args:
            values: ``(count,)`` float32, one value per cell.

        Returns:
            ``(h, w)`` float32; the borders of large cells are soft.
        """
        return _enlarge(np.take(values, self.labels, mode="clip"), (self.inset_px.shape[0], self.inset_px.shape[1]))


def draw_cells(rng: np.random.Generator, shape: tuple[int, int], size_px: float) -> Cells:
    """Divide a plane into the Voronoi cells of random points.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(h, w)``, in pixels.
        size_px: Typical size of a cell, in pixels; at least 2.
    """
    factor = 1 + (size_px >= _HALF_FROM_PX) + 2 * (size_px >= _QUARTER_FROM_PX)
    small = -(-shape[0] // factor), -(-shape[1] // factor)
    count = max(4, round(shape[0] * shape[1] / size_px**2))
    empty = np.full(small, 255, np.uint8)
    empty.ravel()[rng.integers(0, small[0] * small[1], count)] = 0
    _, labels = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    same = np.ones(small, np.uint8)
    same[:, 1:] &= (labels[:, 1:] == labels[:, :-1]).view(np.uint8)
    same[1:] &= (labels[1:] == labels[:-1]).view(np.uint8)
    inset = cv2.distanceTransform(same, cv2.DIST_L2, cv2.DIST_MASK_3)
    numbers = np.asarray(labels, dtype=np.int32) - 1
    return Cells(numbers, _enlarge(np.asarray(inset * np.float32(factor), np.float32), shape), int(numbers.max()) + 1)


def _enlarge(plane: Plane, shape: tuple[int, int]) -> Plane:
    """Enlarge a plane by a whole factor and crop it."""
    factor = max(-(-shape[0] // plane.shape[0]), -(-shape[1] // plane.shape[1]))
    if factor == 1:
        return plane
    large = cv2.resize(plane, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    return np.asarray(large[: shape[0], : shape[1]], dtype=np.float32)


def draw_spots(rng: np.random.Generator, shape: tuple[int, int], count: int, radius_px: tuple[float, float]) -> Plane:
    """Draw soft round spots such as pores and pits.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(h, w)``, in pixels.
        count: Number of spots.
        radius_px: Smallest and largest radius, in pixels; small spots are more frequent.

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
