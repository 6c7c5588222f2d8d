"""Find and compare the boundaries of masks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.metrics.tolerance import ToleranceCounts


def find_boundary(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask with a 4-connected neighbour outside it.

    The border of the image is not a boundary, since nothing is known beyond it.

    Args:
        mask: ``(H, W)`` bool mask.

    Returns:
        ``(H, W)`` bool mask of the boundary.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((5, 5), dtype=bool)
        >>> mask[1:4, 1:4] = True
        >>> int(find_boundary(mask).sum())
        8
    """
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    pixels = mask.astype(np.uint8)
    inner = cv2.erode(pixels, cross, borderType=cv2.BORDER_CONSTANT, borderValue=(1,))
    return np.asarray(pixels > inner)


def count_boundary(predicted: NDArray[np.bool_], true: NDArray[np.bool_], *, tolerance_px: float) -> ToleranceCounts:
    """Count the boundary pixels of one image that match the other boundary.

    The F1 of the summed counts is the boundary F1, or BF score.

    Args:
        predicted: ``(H, W)`` bool predicted mask.
        true: ``(H, W)`` bool true mask.
        tolerance_px: Largest distance between two boundary pixels that match, in pixels.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((5, 5), dtype=bool)
        >>> mask[1:4, 1:4] = True
        >>> count_boundary(np.roll(mask, 1), mask, tolerance_px=1).f1
        1.0

    Source:
        Csurka, Larlus, Perronnin, "What is a good evaluation measure for semantic segmentation?", BMVC 2013;
        there the tolerance is 0.75 % of the image's diagonal, and the score a mean over images.
    """
    return ToleranceCounts.of(find_boundary(predicted), find_boundary(true), tolerance_px=tolerance_px)
