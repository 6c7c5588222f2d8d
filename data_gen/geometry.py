"""Moving strokes: rotation, scaling, flips, elastic deformation and clipping. Truth moves along."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.stroke import Joined, Points, Stroke, join


@dataclass(frozen=True)
class Displacement:
    """A smooth displacement field on a grid.

    Attributes:
        rows_px: ``(h, w)`` float32, how far each grid point moves down, in pixels.
        cols_px: ``(h, w)`` float32, how far it moves right, in pixels.
        step_px: Distance between grid points, in pixels; the first one is at (0, 0).
    """

    rows_px: NDArray[np.float32]
    cols_px: NDArray[np.float32]
    step_px: float = 1.0

    def at(self, points: Points) -> Points:
        """Return the displacement ``(n, 2)`` at sub-pixel points, linear in between, that of the border outside."""
        where = np.ascontiguousarray(points[:, None, ::-1] / self.step_px, dtype=np.float64)
        limits = (self.rows_px.shape[1] - 1, self.rows_px.shape[0] - 1)
        where = np.clip(where, 0, np.array(limits, np.float64))
        low = np.minimum(where.astype(np.int64), np.array(limits) - 1)
        share = where - low
        row, col = low[:, 0, 1], low[:, 0, 0]
        down, right = share[:, 0, 1], share[:, 0, 0]
        moved = []
        for grid in (self.rows_px, self.cols_px):
            upper = grid[row, col] * (1 - right) + grid[row, col + 1] * right
            lower = grid[row + 1, col] * (1 - right) + grid[row + 1, col + 1] * right
            moved.append(upper * (1 - down) + lower * down)
        return np.column_stack(moved).astype(np.float64)


def draw_displacement(
    rng: np.random.Generator, shape: tuple[int, int], alpha_px: float, sigma_px: float
) -> Displacement:
    """Draw a random displacement field smoothed by a Gaussian.

    Args:
        rng: Source of randomness.
        shape: ``(H, W)`` in pixels.
        alpha_px: Standard deviation of the displacement, in pixels.
        sigma_px: Standard deviation of the Gaussian, in pixels.

    Returns:
        The field.

    Source:
        Simard, Steinkraus, Platt, "Best Practices for Convolutional Neural Networks Applied to Visual Document
        Analysis", ICDAR 2003, section 2.
    """
    step = max(1.0, sigma_px / 3)
    grid = (math.ceil(shape[0] / step) + 2, math.ceil(shape[1] / step) + 2)
    sigma = sigma_px / step
    gain = np.float32(alpha_px * 2 * math.sqrt(math.pi) * sigma)
    rows, cols = (
        cv2.GaussianBlur(rng.standard_normal(grid, np.float32), (0, 0), sigma, borderType=cv2.BORDER_REFLECT) * gain
        for _ in range(2)
    )
    return Displacement(np.asarray(rows, np.float32), np.asarray(cols, np.float32), step)


def displaced(strokes: Sequence[Stroke], field: Displacement) -> tuple[Stroke, ...]:
    """Move strokes through a displacement field; widths follow the stretch across each stroke."""
    whole = join(strokes)
    normal = whole.tangents[:, ::-1] * (1.0, -1.0)
    count = len(normal)
    asked = np.concatenate([whole.points + normal, whole.points - normal, whole.points])
    moved = asked + field.at(asked)
    bent = replace(whole, points=moved[2 * count :])
    direction, span = bent.tangents, (moved[:count] - moved[count : 2 * count]) / 2
    stretch = np.clip(np.abs(span[:, 0] * direction[:, 1] - span[:, 1] * direction[:, 0]), 0.5, 2.0)
    return replace(bent, left_px=whole.left_px * stretch, right_px=whole.right_px * stretch).parted()


def transformed(strokes: Sequence[Stroke], matrix: NDArray[np.float64]) -> tuple[Stroke, ...]:
    """Apply a rotation, scaling, shear or flip.

    Args:
        strokes: What to move.
        matrix: ``(2, 3)`` float64 acting on (row, col, 1). Areas grow by its determinant and lengths by its stretch
            along the stroke, so widths grow by the one over the other.

    Returns:
        The moved strokes; a reflection swaps left and right.
    """
    whole, linear = join(strokes), matrix[:, :2]
    determinant = float(np.linalg.det(linear))
    along = whole.tangents @ linear.T
    wider = abs(determinant) / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    sides = whole.left_px * wider, whole.right_px * wider
    left, right = sides if determinant > 0 else sides[::-1]
    return Joined(whole.points @ linear.T + matrix[:, 2], left, right, whole.first).parted()


@dataclass(frozen=True)
class Turn:
    """How a pattern is turned and bent before it is put in its place.

    Attributes:
        angle_deg: Rotation, in degrees, from rows towards columns.
        scale: Factor of size, > 0.
        flip: True to mirror the columns first.
        shear: Columns by which each row is pushed against the one above, as a factor.
        field: Elastic deformation, or None.
    """

    angle_deg: float = 0.0
    scale: float = 1.0
    flip: bool = False
    shear: float = 0.0
    field: Displacement | None = None

    def matrix(self, centre: tuple[float, float], move: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
        """Return the ``(2, 3)`` float64 matrix, acting on (row, col, 1), that keeps ``centre`` and then moves."""
        turn = math.radians(self.angle_deg)
        linear = self.scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        linear = linear @ np.array([[1.0, 0.0], [self.shear, 1.0]])
        if self.flip:
            linear = linear @ np.diag([1.0, -1.0])
        offset = np.asarray(centre) - linear @ np.asarray(centre) + np.asarray(move)
        return np.column_stack([linear, offset])


def clipped(strokes: Sequence[Stroke], shape: tuple[int, int]) -> tuple[Stroke, ...]:
    """Cut strokes at the border of an image ``(H, W)``, half a pixel outside the outermost pixel centres.

    Returns:
        The parts inside, in order; ends on the border are interpolated to it.
    """
    low, high = np.array([-0.5, -0.5]), np.array(shape) - 0.5
    whole = join(strokes)
    inside = np.asarray(((whole.points >= low) & (whole.points <= high)).all(axis=1))
    counts = np.add.reduceat(inside, whole.first[:-1], dtype=np.int64)
    parts: list[Stroke] = []
    for stroke, count, first in zip(strokes, counts.tolist(), whole.first.tolist(), strict=False):
        if count == len(stroke.points):
            parts.append(stroke)
        elif count:
            parts += _parts_inside(stroke, inside[first : first + len(stroke.points)], low, high)
    return tuple(parts)


def _parts_inside(
    stroke: Stroke, inside: NDArray[np.bool_], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[Stroke, ...]:
    """Return the parts of a stroke between ``low`` and ``high``; ``inside`` ``(n,)`` tells which points are."""
    table = np.column_stack([stroke.points, stroke.left_px, stroke.right_px])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
    parts = []
    for first, stop in edges.reshape(-1, 2):
        rows = [table[first:stop]]
        if first > 0:
            rows.insert(0, _crossing(table[first], table[first - 1], low, high))
        if stop < len(table):
            rows.append(_crossing(table[stop - 1], table[stop], low, high))
        part = np.concatenate(rows)
        if len(part) >= 2:
            parts.append(Stroke(part[:, :2], part[:, 2], part[:, 3]))
    return tuple(parts)


def _crossing(
    inner: NDArray[np.float64], outer: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the row ``(1, 4)`` where the way from an inner to an outer point meets the border."""
    way = outer[:2] - inner[:2]
    limit = np.where(way > 0, high, low)
    safe = np.where(way == 0, 1.0, way)
    shares = np.where(way == 0, np.inf, (limit - inner[:2]) / safe)
    share = float(np.clip(shares.min(), 0.0, 1.0))
    row = inner + share * (outer - inner)
    row[:2] = np.clip(row[:2], low, high)
    return np.asarray(row)[None]
