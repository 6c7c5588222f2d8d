"""Layers of paint, shade and dirt, and how they are laid on a picture."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.plane import Plane

_STRIP_ROWS = 16
"""Layers are laid in strips of this many rows, which stay in the processor's cache; empty ones are passed over."""


@dataclass(frozen=True)
class Ink:
    """One layer: ``picture * gain + colour`` where ``alpha`` is 1.

    Attributes:
        alpha: ``(H, W)`` float32, how much of the layer shows; negative values do the opposite.
        gain: Factor on the picture below: 1 keeps it, 0 hides it.
        colour: Red, green, blue added, in [0, 1].
    """

    alpha: Plane
    gain: float = 1.0
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Canvas:
    """What a confounder needs to know of the picture it is drawn on.

    Attributes:
        shape: ``(H, W)`` in pixels.
        brightness: Mean brightness in [0, 1].
        light_rad: Direction the light comes from.
        width_px: Range of the width of lines, in pixels.
        contrast: Range of contrast, in [0, 1].
        follow: Points ``(2, 2)`` float64 (row, col) on a crack to run beside, along or across; None for anywhere.
        opaque: True for something that lies on top and hides what is below.
    """

    shape: tuple[int, int]
    brightness: float
    light_rad: float
    width_px: tuple[float, float]
    contrast: tuple[float, float]
    follow: NDArray[np.float64] | None = None
    opaque: bool = False


def lay(planes: NDArray[np.float32], inks: tuple[Ink, ...], open_share: Plane | None) -> None:
    """Blend layers into a picture.

    Args:
        planes: ``(3, H, W)`` float32 in about [0, 1]; changed in place.
        inks: Layers, from the lowest up.
        open_share: ``(H, W)`` float32, 0 where nothing may be drawn; None if everything may be.
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
