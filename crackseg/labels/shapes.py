"""Draw ellipses, lines and points of label tools as objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crackseg.labels.annotation import Cutout, FloatBox, LabelledObject, mask_object, ring_object
from crackseg.labels.polygon import Ring
from crackseg.labels.runs import Shape, count_pixels

if TYPE_CHECKING:
    from PIL import ImageDraw

LINES = frozenset({"line", "linestrip", "polyline", "vector"})
"""Kinds of lines, which have no area unless a width is known."""

CORNERS_SORTED = "box with swapped corners read as the box between them"
BOX_OUTSIDE = "box outside the image"
BOX_FLAT = "box without width or height"
FEW_POINTS = "polygon of fewer than three points"
_ELLIPSE_EMPTY = "ellipse without a pixel in the image"
_JOINT_POINTS = 24


def sort_box(corners: Sequence[float], shape: Shape) -> tuple[FloatBox | str, bool]:
    """Sort the corners of a box and clip it to the image.

    Args:
        corners: ``(row0, col0, row1, col1)``, in pixels, in any order.
        shape: Height and width ``(H, W)`` of the image, in pixels.

    Returns:
        Box, half-open, in pixels, or the reason why there is none; and whether corners were swapped.

    Example:
        >>> sort_box((3, 9, 1, 2), (4, 6))
        ((1, 2, 3, 6.0), True)
    """
    row0, col0, row1, col1 = corners
    swapped = row0 > row1 or col0 > col1
    top, bottom = sorted((row0, row1))
    left, right = sorted((col0, col1))
    if top == bottom or left == right:
        return BOX_FLAT, swapped
    box = max(top, 0.0), max(left, 0.0), min(bottom, float(shape[0])), min(right, float(shape[1]))
    return (box if box[0] < box[2] and box[1] < box[3] else BOX_OUTSIDE), swapped


def rotate_points(points: Ring, centre: tuple[float, float], angle_deg: float) -> Ring:
    """Turn points clockwise about a centre.

    Args:
        points: ``(N, 2)`` float64 points ``(row, col)``, in pixels.
        centre: ``(row, col)``, in pixels.
        angle_deg: Angle in degrees.

    Returns:
        ``(N, 2)`` float64 points, in pixels.
    """
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return np.asarray((points - centre) @ np.array([[cosine, -sine], [sine, cosine]]) + centre)


def ellipse_object(
    centre: tuple[float, float], radii: tuple[float, float], angle_deg: float, shape: Shape, category: str
) -> LabelledObject | str:
    """Return the pixels of an ellipse, those whose centres lie inside.

    Args:
        centre: ``(row, col)``, in pixels.
        radii: Vertical and horizontal radius before the rotation, in pixels.
        angle_deg: Clockwise rotation, in degrees.
        shape: Height and width ``(H, W)`` of the image, in pixels.
        category: Name of the class.

    Returns:
        Object with a cutout, or the reason why there is none.

    Example:
        >>> ellipse_object((2, 3), (1, 2), 0, (4, 6), "pit").box
        (1.0, 1.0, 3.0, 5.0)
    """
    count_pixels(shape, "ellipse")
    down, across = radii
    if down <= 0 or across <= 0:
        return _ELLIPSE_EMPTY
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    half = math.hypot(across * sine, down * cosine), math.hypot(across * cosine, down * sine)
    low = [max(0, min(side, math.floor(c - h))) for c, h, side in zip(centre, half, shape, strict=True)]
    high = [max(0, min(side, math.ceil(c + h) + 1)) for c, h, side in zip(centre, half, shape, strict=True)]
    rows = np.arange(low[0], high[0])[:, None] + 0.5 - centre[0]
    cols = np.arange(low[1], high[1])[None] + 0.5 - centre[1]
    pixels = ((cols * cosine + rows * sine) / across) ** 2 + ((rows * cosine - cols * sine) / down) ** 2 <= 1
    item = mask_object(pixels, category) if pixels.size else None
    return _ELLIPSE_EMPTY if item is None else move_object(item, low[0], low[1])


def move_object(item: LabelledObject, rows: int, cols: int) -> LabelledObject:
    """Return an object with a cutout moved by whole pixels."""
    outline = item.outline
    row0, col0, row1, col1 = item.box
    if isinstance(outline, Cutout):
        outline = Cutout(outline.row0 + rows, outline.col0 + cols, outline.pixels)
    return replace(item, box=(row0 + rows, col0 + cols, row1 + rows, col1 + cols), outline=outline)


def line_object(points: Ring, width_px: float | None, category: str, *, kind: str = "line") -> LabelledObject | str:
    """Return a line of a width as polygons of the rule ``centre``.

    Each piece of the line is a rectangle, and discs fill the corners between them.

    Args:
        points: ``(N, 2)`` float64 points ``(row, col)``, in pixels.
        width_px: Width of the line, in pixels; None if unknown.
        category: Name of the class.
        kind: Name of the shape in the format.

    Returns:
        Object with polygons, or the kind of the shape if the line has no width or no length.

    Example:
        >>> line = np.array([[2.0, 1.0], [2.0, 5.0]])
        >>> line_object(line, 2, "crack").box
        (1.0, 1.0, 3.0, 5.0)
    """
    steps = np.diff(points, axis=0)
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    if width_px is None or not (lengths > 0).any():
        return kind
    rings: list[Ring] = []
    for at in np.flatnonzero(lengths > 0):
        side = np.array([-steps[at, 1], steps[at, 0]]) / lengths[at] * width_px / 2
        start, end = points[at], points[at + 1]
        rings.append(np.array([start + side, end + side, end - side, start - side]))
    turns = np.linspace(0, 2 * math.pi, _JOINT_POINTS, endpoint=False)
    disc = np.stack((np.sin(turns), np.cos(turns)), axis=1) * width_px / 2
    rings += [disc + joint for joint in points[1:-1]]
    return ring_object(rings, "centre", category)


def pillow_object(draw: Callable[[ImageDraw.ImageDraw], None], shape: Shape, category: str) -> LabelledObject | None:
    """Draw an object with Pillow; return None without a pixel.

    Args:
        draw: Function that draws with the value 1.
        shape: Height and width ``(H, W)`` of the image, in pixels.
        category: Name of the class.
    """
    from PIL import Image, ImageDraw

    count_pixels(shape, "shape")
    image = Image.new("L", (shape[1], shape[0]))
    draw(ImageDraw.Draw(image))
    return mask_object(np.asarray(image) > 0, category)


def holds_area(ring: Ring) -> bool:
    """Return whether the points of a ring enclose an area.

    Args:
        ring: ``(N, 2)`` float64 points ``(row, col)``, in pixels.
    """
    if len(ring) < 3:
        return False
    moved: NDArray[np.float64] = ring - ring[0]
    far = moved[int(np.argmax((moved**2).sum(axis=1)))]
    return bool((np.abs(moved[:, 0] * far[1] - moved[:, 1] * far[0]) > 1e-9 * max(1.0, float((far**2).sum()))).any())
