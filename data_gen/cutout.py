"""Cracks cut out of pictures: binarised, split into connected parts, turned, scaled, deformed."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.geometry import Displacement, similarity
from data_gen.plane import Plane, clip
from data_gen.render import Raster
from data_gen.stroke import Stroke
from data_gen.thinning import thinned, traced

_LEVELS_OF_A_PHOTOGRAPH = 16
_SPECK_AREA_PX = 30
_CLASSIC_LEVEL = 50
_LEVEL = 0.4


@dataclass(frozen=True)
class Turn:
    """How a cut-out is placed.

    Attributes:
        angle_deg: Rotation, in degrees.
        scale: Factor of size.
        flip: True to mirror it.
        field: Elastic deformation, or None.
    """

    angle_deg: float
    scale: float
    flip: bool
    field: Displacement | None = None


def binarised(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell crack from background.

    Args:
        picture: ``(h, w)`` uint8: a mask of 0 and 1 or 0 and 255, a drawing, or a photograph.

    Returns:
        ``(h, w)`` bool. Masks and drawings: brighter than 50. Pictures with 16 levels and more: the smaller side of
        Otsu's threshold.
    """
    if picture.max(initial=0) <= 1:
        return picture > 0
    if np.count_nonzero(np.bincount(picture.ravel(), minlength=256)) < _LEVELS_OF_A_PHOTOGRAPH:
        return picture > _CLASSIC_LEVEL
    level, _ = cv2.threshold(picture, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    bright = picture > level
    return bright if bright.mean() <= 0.5 else ~bright


def cut(rng: np.random.Generator, picture: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Cut one connected crack out of a picture, tight to its pixels.

    Args:
        rng: Source of randomness.
        picture: ``(h, w)`` uint8.

    Returns:
        ``(h, w)`` bool, or None if the picture holds nothing but specks.

    Raises:
        ValueError: If the picture is not ``(h, w)`` uint8.
    """
    if picture.ndim != 2 or picture.dtype != np.uint8:
        raise ValueError(f"expected a crack pattern (h, w) uint8, got {picture.shape} {picture.dtype}")
    if not picture.size:
        return None
    _, labels, stats, _ = cv2.connectedComponentsWithStats(binarised(picture).view(np.uint8), connectivity=8)
    large = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= _SPECK_AREA_PX) + 1
    if not len(large):
        return None
    label = int(rng.choice(large))
    left, top, width, height = (int(value) for value in stats[label, :4])
    return np.asarray(labels[top : top + height, left : left + width] == label)


def turned(shape: NDArray[np.bool_], turn: Turn) -> Plane:
    """Turn, scale, flip and deform a cut-out.

    Args:
        shape: ``(h, w)`` bool.
        turn: How.

    Returns:
        ``(h2, w2)`` float32 coverage in [0, 1], large enough for all of it.
    """
    source = np.pad(shape.astype(np.float32), 2)
    scale = turn.scale
    if scale < 1:
        size = (max(round(source.shape[1] * scale), 3), max(round(source.shape[0] * scale), 3))
        source, scale = np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), np.float32), 1.0
    source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.5), np.float32)
    height, width = source.shape
    margin = 0 if turn.field is None else int(np.abs(turn.field.rows_px).max() + np.abs(turn.field.cols_px).max()) + 1
    side = int(math.hypot(height, width) * scale) + 4 + 2 * margin
    middle = ((height - 1) / 2, (width - 1) / 2)
    move = ((side - 1) / 2 - middle[0], (side - 1) / 2 - middle[1])
    matrix = similarity(turn.angle_deg, scale, middle, move, flip=turn.flip)
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


def raster_of(coverage: Plane) -> Raster:
    """Add depth to a coverage ``(h, w)``; the mask is coverage of a half and more."""
    inside = (coverage >= 0.5).view(np.uint8)
    deep = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5)
    far = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_5) if inside.any() else np.float32(1e3)
    depth = np.where(inside > 0, deep - np.float32(0.5), np.float32(0.5) - far)
    return Raster(coverage, np.asarray(depth, dtype=np.float32))


def strokes_of(raster: Raster, origin: tuple[int, int]) -> tuple[Stroke, ...]:
    """Measure centrelines and widths of a drawn crack, to about a pixel.

    Args:
        raster: The drawn crack.
        origin: (row, col) of its first pixel in the image.

    Returns:
        Strokes in image coordinates. Their widths are scaled together so that width times length is the area.
    """
    lines = traced(thinned(raster.mask))
    raw = []
    for line in lines:
        spots = np.rint(line).astype(np.int64)
        half = np.maximum(raster.depth_px[spots[:, 0], spots[:, 1]].astype(np.float64), 0.5)
        raw.append(Stroke(line + origin, half, half))
    swept = sum(float((stroke.width_px.mean()) * stroke.length_px) for stroke in raw)
    gain = float(np.clip(raster.coverage.sum(dtype=np.float64) / max(swept, 1e-9), 0.7, 1.5))
    return tuple(Stroke(stroke.points, stroke.left_px * gain, stroke.right_px * gain) for stroke in raw)
