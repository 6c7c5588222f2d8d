"""Layers of paint, shade and dirt, and their blending into an image."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.plane import Plane

_STRIP_ROWS = 16
"""Rows per strip; a strip fits into the processor's cache, and empty strips are skipped."""


@dataclass(frozen=True)
class Ink:
    """One layer: ``image * gain + colour`` where ``alpha`` is 1.

    Attributes:
        alpha: ``(H, W)`` float32 opacity of the layer, about [0, 1]; negative values invert its effect.
        gain: Factor on the image below; 1 keeps it, 0 hides it.
        colour: Red, green and blue to add, in [0, 1].
    """

    alpha: Plane
    gain: float = 1.0
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Canvas:
    """Properties of the image that a confounder is drawn on.

    Attributes:
        shape: Height and width ``(H, W)``, in pixels.
        brightness: Mean brightness, in [0, 1].
        light_rad: Direction of the light source, in radians.
        width_px: Range of the width of lines, in pixels.
        contrast: Range of the contrast, in [0, 1].
        follow: ``(2, 2)`` float64 points (row, col) on a crack to run along or across, in pixels; None for anywhere.
        opaque: True for an object that hides the surface below.
    """

    shape: tuple[int, int]
    brightness: float
    light_rad: float
    width_px: tuple[float, float]
    contrast: tuple[float, float]
    follow: NDArray[np.float64] | None = None
    opaque: bool = False


def lay(planes: NDArray[np.float32], inks: tuple[Ink, ...], open_share: Plane | None) -> None:
    """Blend layers into an image.

    Args:
        planes: ``(3, H, W)`` float32 image in about [0, 1]; changed in place.
        inks: Layers from bottom to top.
        open_share: ``(H, W)`` float32 factor on the opacity, in [0, 1]; None for 1 everywhere.
    """
    for ink in inks:
        whole = ink.alpha if open_share is None else cv2.multiply(ink.alpha, open_share)
        colour = np.array(ink.colour, np.float32)[:, None, None]
        for row in range(0, len(whole), _STRIP_ROWS):
            alpha, strip = whole[row : row + _STRIP_ROWS], planes[:, row : row + _STRIP_ROWS]
            if not alpha.any():
                continue
            strip *= 1 + alpha * np.float32(ink.gain - 1)
            if colour.any():
                strip += alpha * colour
