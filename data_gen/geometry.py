"""Rotate, scale, flip, deform and clip strokes together with their widths."""

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
        rows_px: ``(h, w)`` float32 displacement of the grid points along rows, downwards, in pixels.
        cols_px: ``(h, w)`` float32 displacement along columns, to the right, in pixels.
        step_px: Distance between grid points, in pixels; the first one is at (0, 0).
    """

    rows_px: NDArray[np.float32]
    cols_px: NDArray[np.float32]
    step_px: float = 1.0

    def at(self, points: Points) -> Points:
        """Interpolate the displacement linearly; outside the grid, use its border.

        Args:
            points: ``(n, 2)`` float64 points (row, col), in pixels.

        Returns:
            ``(n, 2)`` float64 displacements (row, col), in pixels.
        """
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
        shape: Height and width ``(H, W)`` of the image, in pixels.
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


def displace(strokes: Sequence[Stroke], field: Displacement) -> tuple[Stroke, ...]:
    """Move strokes by a displacement field and stretch their widths."""
    whole = join(strokes)
    normal = whole.tangents[:, ::-1] * (1.0, -1.0)
    count = len(normal)
    points = np.concatenate([whole.points + normal, whole.points - normal, whole.points])
    moved = points + field.at(points)
    bent = replace(whole, points=moved[2 * count :])
    direction, span = bent.tangents, (moved[:count] - moved[count : 2 * count]) / 2
    stretch = np.clip(np.abs(span[:, 0] * direction[:, 1] - span[:, 1] * direction[:, 0]), 0.5, 2.0)
    return replace(bent, left_px=whole.left_px * stretch, right_px=whole.right_px * stretch).split()


def transform(strokes: Sequence[Stroke], matrix: NDArray[np.float64]) -> tuple[Stroke, ...]:
    """Apply a rotation, scaling, shear or flip.

    Args:
        strokes: Strokes to move.
        matrix: ``(2, 3)`` float64 matrix for (row, col, 1). Widths grow by its determinant over its stretch along the
            stroke.

    Returns:
        Moved strokes; a reflection swaps left and right.
    """
    whole, linear = join(strokes), matrix[:, :2]
    determinant = float(np.linalg.det(linear))
    along = whole.tangents @ linear.T
    wider = abs(determinant) / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    sides = whole.left_px * wider, whole.right_px * wider
    left, right = sides if determinant > 0 else sides[::-1]
    return Joined(whole.points @ linear.T + matrix[:, 2], left, right, whole.first).split()


@dataclass(frozen=True)
class Turn:
    """Transformation of a pattern before it is placed.

    Attributes:
        angle_deg: Rotation from rows towards columns, in degrees.
        scale: Scale factor, > 0.
        flip: True to mirror the columns first.
        shear: Shift of each row against the previous one, in columns.
        field: Elastic deformation; None for none.
    """

    angle_deg: float = 0.0
    scale: float = 1.0
    flip: bool = False
    shear: float = 0.0
    field: Displacement | None = None

    def matrix(self, centre: tuple[float, float], move: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
        """Return the matrix that transforms about a centre and then moves.

        Args:
            centre: Fixed point (row, col), in pixels.
            move: Translation (row, col), in pixels.

        Returns:
            ``(2, 3)`` float64 matrix for (row, col, 1).

        Example:
            >>> Turn(scale=2.0).matrix((1.0, 1.0)).tolist()
            [[2.0, 0.0, -1.0], [0.0, 2.0, -1.0]]
        """
        turn = math.radians(self.angle_deg)
        linear = self.scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        linear = linear @ np.array([[1.0, 0.0], [self.shear, 1.0]])
        if self.flip:
            linear = linear @ np.diag([1.0, -1.0])
        offset = np.asarray(centre) - linear @ np.asarray(centre) + np.asarray(move)
        return np.column_stack([linear, offset])


def clip_strokes(strokes: Sequence[Stroke], shape: tuple[int, int]) -> tuple[Stroke, ...]:
    """Clip strokes half a pixel outside the outermost pixel centres.

    Args:
        strokes: Strokes to clip.
        shape: Height and width ``(H, W)`` of the image, in pixels.

    Returns:
        Parts inside, in order; their ends are interpolated to the border.
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
    """Return the parts of a stroke whose ``(n,)`` points are inside."""
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
    """Return the ``(1, 4)`` row where a stroke crosses the border."""
    way = outer[:2] - inner[:2]
    limit = np.where(way > 0, high, low)
    safe = np.where(way == 0, 1.0, way)
    shares = np.where(way == 0, np.inf, (limit - inner[:2]) / safe)
    share = float(np.clip(shares.min(), 0.0, 1.0))
    row = inner + share * (outer - inner)
    row[:2] = np.clip(row[:2], low, high)
    return np.asarray(row)[None]
