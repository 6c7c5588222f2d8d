"""Draw masks and boxes onto images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.imaging.contours import find_outlines

CRACK_COLOUR = (255, 32, 96)
"""RGB of a crack in an overlay: a red-magenta that concrete, asphalt, brick and shadow do not have."""
BOX_COLOUR = (40, 120, 255)
"""RGB of a box. Both colours have a luminance contrast of at least 3 : 1 to black and to white."""


def draw_overlay(image: NDArray[np.uint8], mask: NDArray[np.bool_], *, opacity: float = 0.45) -> NDArray[np.uint8]:
    """Tint the crack pixels of an image and outline them.

    The outline runs just outside the crack, so that the crack stays visible.

    Args:
        image: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.
        mask: ``(H, W)`` bool crack mask.
        opacity: Opacity of the tint, 0 to 1.

    Returns:
        ``(H, W, 3)`` uint8 RGB pixels, 0 to 255; a new array.

    >>> draw_overlay(np.zeros((1, 1, 3), dtype=np.uint8), np.array([[True]]), opacity=1.0)
    array([[[255,  32,  96]]], dtype=uint8)
    """
    drawn = image.copy()
    colour = np.array(CRACK_COLOUR, dtype=np.float32)
    # Flat indices touch only the few pixels that change.
    pixels, inside = drawn.reshape(-1, 3), np.flatnonzero(mask)
    pixels[inside] = np.rint(pixels[inside] * (1 - opacity) + colour * opacity).astype(np.uint8)
    thickness = max(1, round(max(image.shape[:2]) / 1500))
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thickness + 1, 2 * thickness + 1))
    grown = np.asarray(cv2.dilate(mask.astype(np.uint8), element)).view(np.bool_)
    pixels[np.flatnonzero(grown & ~mask)] = CRACK_COLOUR
    return drawn


def draw_boxes(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], boxes: Sequence[tuple[int, int, int, int]]
) -> NDArray[np.uint8]:
    """Draw the outline of a mask and boxes onto an image.

    Args:
        image: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.
        mask: ``(H, W)`` bool crack mask.
        boxes: Boxes ``(row0, col0, row1, col1)``, half-open, in pixels.

    Returns:
        ``(H, W, 3)`` uint8 RGB pixels, 0 to 255; a new array.

    >>> image, mask = np.zeros((9, 9, 3), dtype=np.uint8), np.zeros((9, 9), dtype=np.bool_)
    >>> draw_boxes(image, mask, [(2, 2, 7, 7)])[2, 2]
    array([ 40, 120, 255], dtype=uint8)
    """
    drawn = draw_overlay(image, mask, opacity=0.0)
    thickness = _box_thickness(image)
    for row0, col0, row1, col1 in boxes:
        cv2.rectangle(drawn, (col0, row0), (col1 - 1, row1 - 1), BOX_COLOUR, thickness)
    return drawn


def draw_components(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    *,
    boxes: Literal["tight", "rotated"] = "tight",
    min_area_px: int = 1,
) -> NDArray[np.uint8]:
    """Draw the outline of a mask and a box around each component.

    Args:
        image: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.
        mask: ``(H, W)`` bool crack mask.
        boxes: ``tight`` for boxes along rows and columns, ``rotated`` for the smallest ones at any angle.
        min_area_px: Least number of pixels of a component with a box.

    Returns:
        ``(H, W, 3)`` uint8 RGB pixels, 0 to 255; a new array.

    >>> image, mask = np.zeros((9, 9, 3), dtype=np.uint8), np.eye(9, dtype=np.bool_)
    >>> draw_components(image, mask)[0, 8]
    array([ 40, 120, 255], dtype=uint8)
    """
    outlines = [outline for outline in find_outlines(mask) if outline.area_px >= min_area_px]
    if boxes == "tight":
        return draw_boxes(image, mask, [outline.box for outline in outlines])
    drawn = draw_overlay(image, mask, opacity=0.0)
    # Boxes run along the edges of pixels, drawn lines through their centres.
    corners = [np.rint(outline.rotated.corners[:, ::-1] - 0.5).astype(np.int32) for outline in outlines]
    cv2.polylines(drawn, corners, isClosed=True, color=BOX_COLOUR, thickness=_box_thickness(image))
    return drawn


def _box_thickness(image: NDArray[np.uint8]) -> int:
    """Return a line width in pixels, visible in the whole image."""
    height, width = image.shape[:2]
    return max(1, round(int(max(height, width)) / 400))


def contact_sheet(images: Sequence[NDArray[np.uint8]], *, columns: int = 4, side: int = 320) -> NDArray[np.uint8]:
    """Lay out images on a white sheet, in square cells.

    Args:
        images: At least one image of ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.
        columns: Cells per row.
        side: Side of a cell, in pixels.

    Returns:
        ``(rows * side, columns * side, 3)`` uint8 RGB pixels, 0 to 255.

    >>> contact_sheet([np.zeros((4, 6, 3), dtype=np.uint8)] * 3, columns=2, side=10).shape
    (20, 20, 3)
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * side, columns * side, 3), 255, dtype=np.uint8)
    for index, image in enumerate(images):
        factor = (side - 4) / max(image.shape[:2])
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        cell = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        row, col = divmod(index, columns)
        sheet[row * side : row * side + size[1], col * side : col * side + size[0]] = cell
    return sheet
