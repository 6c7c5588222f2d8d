"""Results drawn onto the photograph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.imaging.contours import find_outlines

CRACK_COLOUR = (255, 32, 96)
"""RGB of a crack in an overlay: a red-magenta that neither concrete, asphalt, brick nor shadow has."""
BOX_COLOUR = (40, 120, 255)
"""RGB of a box. Both colours stand at least 3 : 1 in luminance against black and against white."""


def draw_overlay(image: NDArray[np.uint8], mask: NDArray[np.bool_], *, opacity: float = 0.45) -> NDArray[np.uint8]:
    """Tint the crack pixels and draw their outline just outside them, so that the crack itself stays visible.

    Args:
        image: ``(H, W, 3)`` RGB pixels.
        mask: ``(H, W)`` crack pixels.
        opacity: Of the tint, 0 to 1.

    Returns:
        ``(H, W, 3)`` RGB pixels, a new array.
    """
    drawn = image.copy()
    colour = np.array(CRACK_COLOUR, dtype=np.float32)
    # Only the few pixels that change are touched, by their flat index.
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
        image: ``(H, W, 3)`` RGB pixels.
        mask: ``(H, W)`` crack pixels.
        boxes: ``(row0, col0, row1, col1)`` each, half-open, in pixels.

    Returns:
        ``(H, W, 3)`` RGB pixels, a new array.
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
    """Draw the outline of a mask and a box around each of its components onto an image.

    Args:
        image: ``(H, W, 3)`` RGB pixels.
        mask: ``(H, W)`` crack pixels.
        boxes: ``tight`` ones along rows and columns, or the smallest at any angle.
        min_area_px: Components of fewer pixels get no box.

    Returns:
        ``(H, W, 3)`` RGB pixels, a new array.
    """
    outlines = [found for found in find_outlines(mask) if found.area_px >= min_area_px]
    if boxes == "tight":
        return draw_boxes(image, mask, [found.box for found in outlines])
    drawn = draw_overlay(image, mask, opacity=0.0)
    # Boxes run along the edges of pixels; a line is drawn through their centres.
    corners = [np.rint(found.rotated.corners[:, ::-1] - 0.5).astype(np.int32) for found in outlines]
    cv2.polylines(drawn, corners, isClosed=True, color=BOX_COLOUR, thickness=_box_thickness(image))
    return drawn


def _box_thickness(image: NDArray[np.uint8]) -> int:
    """Return how wide the line of a box is, in pixels: it can be seen when the whole image is."""
    height, width = image.shape[:2]
    return max(1, round(int(max(height, width)) / 400))


def contact_sheet(images: Sequence[NDArray[np.uint8]], *, columns: int = 4, side: int = 320) -> NDArray[np.uint8]:
    """Lay images out on one white sheet, each shrunk or enlarged to fit a square cell.

    Args:
        images: At least one ``(H, W, 3)`` RGB image.
        columns: Cells per row.
        side: Side of a cell, in pixels.

    Returns:
        ``(rows * side, columns * side, 3)`` RGB pixels.
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
