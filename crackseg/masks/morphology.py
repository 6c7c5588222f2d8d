"""Apply morphological operations to masks, and fill holes."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Element = Literal["rectangle", "ellipse", "cross"]
Operation = Literal["erode", "dilate", "open", "close", "tophat", "blackhat"]

Plane = NDArray[np.uint8]
"""``(H, W)`` uint8 mask of 0 and 1."""


def apply_morphology(
    pixels: NDArray[np.uint8], operation: Operation, *, size_px: int, element: Element = "rectangle"
) -> NDArray[np.uint8]:
    """Apply a morphological operation to a mask or to grey pixels.

    The border has no effect: erosion does not shrink components that touch it.

    Args:
        pixels: ``(H, W)`` uint8 mask of 0 and 1 or 255, or grey values 0 to 255.
        operation: Operation; the hats are differences between the image and its opening or closing.
        size_px: Odd side of the structuring element, in pixels.
        element: Shape of the structuring element.

    Returns:
        ``(H, W)`` uint8 pixels.

    Example:
        >>> import numpy as np
        >>> line = np.zeros((5, 9), np.uint8)
        >>> line[2] = 255
        >>> int(apply_morphology(line, "dilate", size_px=3)[:, 0].astype(bool).sum())
        3
    """
    kinds = {
        "erode": cv2.MORPH_ERODE, "dilate": cv2.MORPH_DILATE, "open": cv2.MORPH_OPEN, "close": cv2.MORPH_CLOSE,
        "tophat": cv2.MORPH_TOPHAT, "blackhat": cv2.MORPH_BLACKHAT,
    }  # fmt: skip
    shapes = {"rectangle": cv2.MORPH_RECT, "ellipse": cv2.MORPH_ELLIPSE, "cross": cv2.MORPH_CROSS}
    kernel = cv2.getStructuringElement(shapes[element], (size_px, size_px))
    return np.asarray(cv2.morphologyEx(pixels, kinds[operation], kernel), dtype=np.uint8)


def fill_holes(mask: NDArray[np.bool_], *, max_hole_px: int | None = None) -> NDArray[np.bool_]:
    """Fill the holes of a mask.

    A hole is 4-connected background that does not touch the border of the image.

    Args:
        mask: ``(H, W)`` bool mask.
        max_hole_px: Largest area of a hole to fill, in pixels, to keep the cells of a crack network; None fills all.

    Returns:
        ``(H, W)`` bool mask.

    Example:
        >>> import numpy as np
        >>> mask = np.ones((5, 5), dtype=bool)
        >>> mask[2, 2] = False
        >>> bool(fill_holes(mask).all())
        True
    """
    return fill_plane(np.ascontiguousarray(mask).view(np.uint8), max_hole_px).view(np.bool_)


def fill_plane(plane: Plane, max_hole_px: int | None) -> Plane:
    """Fill the holes of an ``(H, W)`` uint8 mask, as `fill_holes` does."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - plane, connectivity=4)
    left, top, width, height, area = np.asarray(stats).T
    rows, cols = plane.shape
    filled = (left > 0) & (top > 0) & (left + width < cols) & (top + height < rows)
    if max_hole_px is not None:
        filled &= area <= max_hole_px
    filled[0] = True
    return np.take(filled.view(np.uint8), np.asarray(labels))
