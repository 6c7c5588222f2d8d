"""Find outlines, tight boxes, rotated boxes and areas of the components of a mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Contour = NDArray[np.int32]
"""``(N, 2)`` int32 pixels ``(row, col)``, each adjacent to the previous one, the last to the first."""


@dataclass(frozen=True, slots=True)
class RotatedBox:
    """Smallest rectangle, at any angle, around the pixels of a component.

    Pixels are squares: the rectangle runs along their edges.

    Attributes:
        centre: Centre ``(row, col)``, in pixels from the top left corner of the image.
        length_px: Longer side, in pixels.
        width_px: Shorter side, in pixels.
        angle_deg: Angle of the longer side: 0 along a row, counter-clockwise on the screen, in [0, 180).
    """

    centre: tuple[float, float]
    length_px: float
    width_px: float
    angle_deg: float

    @property
    def corners(self) -> NDArray[np.float64]:
        """``(4, 2)`` float64 corners ``(row, col)`` in drawing order, in pixels."""
        angle = np.radians(self.angle_deg)
        along = np.array([-np.sin(angle), np.cos(angle)]) * self.length_px / 2
        across = np.array([np.cos(angle), np.sin(angle)]) * self.width_px / 2
        offsets = np.array([along + across, along - across, -along - across, across - along], dtype=np.float64)
        return np.asarray(offsets + self.centre)


@dataclass(frozen=True, slots=True, eq=False)
class ComponentOutline:
    """Outline of one 8-connected component.

    Attributes:
        outer: ``(N, 2)`` int32 outermost pixels (row, col).
        holes: ``(M, 2)`` int32 pixels (row, col) of the component around each hole.
        box: Tight box ``(row0, col0, row1, col1)``, half-open, in pixels.
        area_px: Number of pixels, without those of the holes.
        rotated: Smallest rectangle at any angle.
    """

    outer: Contour
    holes: tuple[Contour, ...]
    box: tuple[int, int, int, int]
    area_px: int
    rotated: RotatedBox


def find_outlines(mask: NDArray[np.bool_]) -> tuple[ComponentOutline, ...]:
    """Find outline, boxes and area of every 8-connected component.

    Args:
        mask: ``(H, W)`` bool crack mask.

    Returns:
        Components, sorted by the row, then the column, of their first pixel.

    >>> (component,) = find_outlines(np.ones((2, 3), dtype=np.bool_))
    >>> component.box, component.area_px
    ((0, 0, 2, 3), 6)

    Source:
        Outlines: Suzuki, Abe, "Topological structural analysis of digitized binary images by border following",
        Computer Vision, Graphics, and Image Processing 30 (1985) 32-46, as cv2.findContours.
    """
    pixels = mask.astype(np.uint8)
    _, label_image, table, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)
    labels, stats = np.asarray(label_image, dtype=np.int32), np.asarray(table, dtype=np.int32)
    borders, tree = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outer: dict[int, Contour] = {}
    holes: dict[int, list[Contour]] = {}
    for border, (_, _, _, parent) in zip(borders, [] if tree is None else tree[0], strict=True):
        contour = np.ascontiguousarray(border[:, 0, ::-1], dtype=np.int32)
        label = int(labels[contour[0, 0], contour[0, 1]])
        if parent < 0:
            outer[label] = contour
        else:
            holes.setdefault(label, []).append(contour)
    order = sorted(outer, key=lambda label: tuple(outer[label][0].tolist()))
    return tuple(_outline(outer[label], tuple(holes.get(label, ())), stats[label]) for label in order)


def _outline(outer: Contour, holes: tuple[Contour, ...], stats: NDArray[np.int32]) -> ComponentOutline:
    left, top, width, height, area = (int(value) for value in stats)
    return ComponentOutline(outer, holes, (top, left, top + height, left + width), area, rotated_box(outer))


def find_boxes(mask: NDArray[np.bool_], *, min_area_px: int = 1) -> tuple[tuple[int, int, int, int], ...]:
    """Find the tight box of every 8-connected component.

    Args:
        mask: ``(H, W)`` bool crack mask.
        min_area_px: Least number of pixels of a component with a box.

    Returns:
        Boxes ``(row0, col0, row1, col1)``, half-open, in pixels, sorted.

    >>> find_boxes(np.array([[True, True, False, True]]))
    ((0, 0, 1, 2), (0, 3, 1, 4))
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    rows = np.asarray(stats, dtype=np.int64)[1:]
    rows = rows[rows[:, cv2.CC_STAT_AREA] >= min_area_px]
    boxes = [(int(top), int(left), int(top + high), int(left + wide)) for left, top, wide, high, _ in rows]
    return tuple(sorted(boxes))


def rotated_box(points: NDArray[np.integer]) -> RotatedBox:
    """Return the smallest rectangle, at any angle, around the squares of pixels.

    Args:
        points: ``(N, 2)`` integer pixels ``(row, col)``, at least one.

    >>> rotated_box(np.array([[0, 0], [0, 9]])).length_px
    10.0

    Source:
        Freeman, Shapira, "Determining the minimum-area encasing rectangle for an arbitrary closed curve", Commun. ACM
        18 (1975) 409-413, as cv2.minAreaRect, over the corners of the pixels.
    """
    corners = (np.asarray(points, dtype=np.int32)[:, None] + np.array([[0, 0], [0, 1], [1, 0], [1, 1]])).reshape(-1, 2)
    hull = cv2.convexHull(corners[:, ::-1].astype(np.int32))
    (x, y), (first, second), turn_deg = cv2.minAreaRect(hull)
    # OpenCV measures the angle of its first side clockwise on the screen.
    angle_deg = (-turn_deg if first >= second else 90 - turn_deg) % 180.0
    return RotatedBox((y, x), max(first, second), min(first, second), 0.0 if angle_deg > 180.0 - 1e-4 else angle_deg)
