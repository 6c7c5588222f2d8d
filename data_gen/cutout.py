"""Cut cracks out of images, warp them and measure their centrelines and widths."""

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.geometry import Turn
from data_gen.noise import CLASSIC_LEVEL
from data_gen.plane import Plane, clip
from data_gen.recipe import MIN_AREA_PX
from data_gen.render import Raster
from data_gen.stroke import Joined, Points, Stroke, starts
from data_gen.thinning import thin, trace

_MANY_LEVELS = 16
_LEVEL = 0.4
_NEAR_PX = 2.5
_NORMAL_PX = 3.0
_NOTHING = 0.02
_MOST_ROWS = 16_384
"""Largest number of rows for cv2.remap, which is limited to 32767."""


def binarise(image: NDArray[np.uint8], level: int | None = None) -> NDArray[np.bool_]:
    """Separate crack pixels from the background.

    Args:
        image: ``(h, w)`` uint8: a mask of 0 and 1 or of 0 and 255, a drawing, or a grey image.
        level: Threshold; None for 50, or that of Otsu for images with 16 levels or more.

    Returns:
        ``(h, w)`` bool crack mask, true above the threshold; the smaller side is the crack.

    Example:
        >>> binarise(np.array([[0, 0, 255]], np.uint8)).tolist()
        [[False, False, True]]
    """
    if image.max(initial=0) <= 1:
        return image > 0
    if level is not None:
        return _smaller_side(image > level)
    if np.count_nonzero(np.bincount(image.ravel(), minlength=256)) < _MANY_LEVELS:
        return _smaller_side(image > CLASSIC_LEVEL)
    otsu, _ = cv2.threshold(image, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return _smaller_side(image > otsu)


def _smaller_side(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask if mask.mean() <= 0.5 else ~mask


def cut(
    rng: np.random.Generator, image: NDArray[np.uint8], *, level: int | None = None, min_area_px: int = MIN_AREA_PX
) -> NDArray[np.bool_] | None:
    """Cut one connected crack out of an image, tight to its pixels.

    Args:
        rng: Source of randomness.
        image: ``(h, w)`` uint8 mask, drawing or grey image.
        level: Threshold; see `binarise`.
        min_area_px: Least area of a crack, in pixels; smaller ones are specks.

    Returns:
        ``(h2, w2)`` bool mask of the crack; None if the image holds only specks.

    Raises:
        ValueError: If the image is not ``(h, w)`` uint8.
    """
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"expected a crack pattern (h, w) uint8, got {image.shape} {image.dtype}")
    if not image.size:
        return None
    _, labels, stats, _ = cv2.connectedComponentsWithStats(binarise(image, level).view(np.uint8), connectivity=8)
    large = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= min_area_px) + 1
    if not len(large):
        return None
    label = int(rng.choice(large))
    left, top, width, height = (int(value) for value in stats[label, :4])
    return np.asarray(labels[top : top + height, left : left + width] == label)


def warp(shape: NDArray[np.bool_], turn: Turn) -> Plane:
    """Rotate, scale, flip and deform a cut-out.

    Args:
        shape: ``(h, w)`` bool mask.
        turn: Transformation.

    Returns:
        ``(h2, w2)`` float32 coverage in [0, 1], large enough for the result.
    """
    source = np.pad(shape.astype(np.float32), 2)
    scale = turn.scale
    if scale < 1:
        size = (max(round(source.shape[1] * scale), 3), max(round(source.shape[0] * scale), 3))
        source, scale = np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), np.float32), 1.0
    source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.5), np.float32)
    height, width = source.shape
    margin = 0 if turn.field is None else int(np.abs(turn.field.rows_px).max() + np.abs(turn.field.cols_px).max()) + 1
    side = int(math.hypot(height, width) * scale * (1 + abs(turn.shear))) + 4 + 2 * margin
    middle = ((height - 1) / 2, (width - 1) / 2)
    move = ((side - 1) / 2 - middle[0], (side - 1) / 2 - middle[1])
    matrix = replace(turn, scale=scale).matrix(middle, move)
    back = np.linalg.inv(matrix[:, :2])
    rows, cols = (grid.astype(np.float32) for grid in np.indices((side, side)))
    if turn.field is not None:
        rows -= cv2.resize(turn.field.rows_px, (side, side), interpolation=cv2.INTER_LINEAR)
        cols -= cv2.resize(turn.field.cols_px, (side, side), interpolation=cv2.INTER_LINEAR)
    rows -= np.float32(matrix[0, 2])
    cols -= np.float32(matrix[1, 2])
    map_rows = np.float32(back[0, 0]) * rows + np.float32(back[0, 1]) * cols
    map_cols = np.float32(back[1, 0]) * rows + np.float32(back[1, 1]) * cols
    value = cv2.remap(source, map_cols, map_rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return clip(
        (np.asarray(value, np.float32) - np.float32(_LEVEL)) * np.float32(max(scale, 0.5 / _LEVEL)) + np.float32(0.5)
    )


def make_raster(coverage: Plane) -> Raster:
    """Add the depth to a coverage.

    Args:
        coverage: ``(h, w)`` float32, in [0, 1]; a pixel of 0.5 or more belongs to the mask.
    """
    inside = (coverage >= 0.5).view(np.uint8)
    deep = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5)
    far = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_5) if inside.any() else np.float32(1e3)
    depth = np.where(inside > 0, deep - np.float32(0.5), np.float32(0.5) - far)
    return Raster(coverage, np.asarray(depth, dtype=np.float32))


def measure_strokes(raster: Raster, origin: tuple[int, int]) -> tuple[Stroke, ...]:
    """Measure centrelines and widths of a drawn crack with sub-pixel accuracy.

    Thinning gives the approximate lines. The sum of the coverage along the normal of a point, on each side, is the
    distance to that edge. The point is moved to the middle between both edges.

    Args:
        raster: The drawn crack.
        origin: (row, col) of its first pixel in the image.

    Returns:
        Strokes in image coordinates, one per branch; free ends reach to the tip.
    """
    lines = trace(thin(raster.mask))
    if not lines:
        return ()
    ends = np.concatenate([line[[0, -1]] for line in lines])
    lengthened = []
    for number, line in enumerate(lines):
        away = np.hypot(*(ends[:, None] - line[[0, -1]]).transpose(2, 0, 1))
        away[2 * number : 2 * number + 2] = np.inf
        free = away.min(axis=0) > _NEAR_PX
        lengthened.append(_to_tips(raster, line, (bool(free[0]), bool(free[1]))))
    whole = _measure(raster, lengthened)
    return replace(whole, points=whole.points + np.asarray(origin, np.float64)).split()


def _at(plane: Plane, rows: NDArray[np.float64], cols: NDArray[np.float64]) -> NDArray[np.float32]:
    """Interpolate a ``(h, w)`` plane linearly at ``(n, k)`` points; 0 outside."""
    value = np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), _MOST_ROWS):
        part = slice(start, start + _MOST_ROWS)
        where = cols[part].astype(np.float32), rows[part].astype(np.float32)
        value[part] = cv2.remap(plane, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return value


def _to_tips(raster: Raster, line: Points, free: tuple[bool, bool]) -> Points:
    """Extend a ``(n, 2)`` line to the tips of the crack.

    Thinning ends before the tip.
    """
    for last in (False, True):
        line = line[::-1]
        if not free[1 if last else 0]:
            continue
        tail = line[-min(len(line), 6) :]
        way = (tail[-1] - tail[0]) / max(float(np.hypot(*(tail[-1] - tail[0]))), 1e-9)
        half = float(raster.depth_px[tuple(np.rint(line[-1]).astype(np.int64))])
        steps = np.arange(0.5, max(half, 0.0) + 2.5, 0.5)[:, None] * way + line[-1]
        inside = np.cumprod(_at(raster.coverage, steps[None, :, 0], steps[None, :, 1])[0] >= 0.5).astype(np.bool_)
        line = np.concatenate([line, steps[inside][1::2]])
    return line


def _measure(raster: Raster, lines: Sequence[Points]) -> Joined:
    """Centre ``(n, 2)`` lines in their cracks and measure both sides."""
    points, first = np.concatenate(lines), starts([len(line) for line in lines])
    spots = np.maximum(np.rint(points).astype(np.int64), 0)
    depth = raster.depth_px[spots[:, 0], spots[:, 1]].astype(np.float64)
    reach = 1.25 * np.maximum(depth, 0.0) + 2.0
    count = 2 * int(np.ceil(4 * reach.max())) + 1
    share, middle = np.linspace(-1, 1, count), count // 2
    left = right = np.zeros(len(points))
    for _ in range(3):
        smooth = Joined(_smooth(points, first, _NORMAL_PX), left, right, first)
        normal = smooth.tangents[:, ::-1] * (1.0, -1.0)
        offset = share * reach[:, None]
        profile = _at(raster.coverage, points[:, :1] + normal[:, :1] * offset, points[:, 1:] + normal[:, 1:] * offset)
        right, left = (_reach(side) * reach / middle for side in (profile[:, middle:], profile[:, middle::-1]))
        points = points + normal * ((right - left) / 2)[:, None]
    half = _smooth(((left + right) / 2)[:, None], first, 1.0)[:, 0]
    return Joined(_smooth(points, first, 1.5), half, half, first)


def _reach(profile: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum ``(n, k)`` rows up to their first empty step."""
    on = np.logical_and.accumulate(profile > _NOTHING, axis=1)
    return np.asarray((profile * on).sum(axis=1, dtype=np.float64) - profile[:, 0] / 2)


def _smooth(values: NDArray[np.float64], first: NDArray[np.int64], sigma: float) -> NDArray[np.float64]:
    """Smooth the points of each line by a Gaussian; ends are kept.

    Args:
        values: ``(n, k)`` float64 columns of all lines.
        first: ``(m + 1,)`` int64 index of the first row of each line, and ``n``.
        sigma: Standard deviation of the Gaussian, in rows.

    Returns:
        ``(n, k)`` float64. Beyond its ends, a line is continued by point reflection.
    """
    counts = np.diff(first)
    begin, last, most = (np.repeat(each, counts) for each in (first[:-1], first[1:] - 1, counts - 1))
    total, sum_ = np.zeros_like(values), np.zeros(len(values))
    here = np.arange(len(values))
    for step in range(-math.ceil(3 * sigma), math.ceil(3 * sigma) + 1):
        weight = (abs(step) <= most) * np.exp(-0.5 * (step / sigma) ** 2)
        end = begin if step < 0 else last
        there = here + step
        beyond = (there < begin) if step < 0 else (there > last)
        mirrored = np.where(beyond, 2 * end - there, there)
        shifted = values[np.clip(mirrored, begin, last)]
        shifted[beyond] = 2 * values[end[beyond]] - shifted[beyond]
        total += weight[:, None] * shifted
        sum_ += weight
    return np.asarray(total / sum_[:, None])
