"""YOLO segmentation labels: one text file per image, a class number and a normalised polygon per line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.labels.polygon import Ring, trace_rings

_DIGITS = 6
_FEWEST_POINTS = 3


@dataclass(frozen=True, slots=True)
class YoloObject:
    """One line of a label file.

    Attributes:
        ring: ``(N, 2)`` points ``(row, col)``, in pixels, to be filled by the rule ``touch``.
        number: Number of its class, from 0.
    """

    ring: Ring
    number: int = 0


def outline_mask(mask: NDArray[np.bool_], *, number: int = 0, simplify_px: float = 0.0) -> list[YoloObject]:
    """Return one object for each 8-connected part of a mask, its holes joined in.

    YOLO's trainers cut points to whole pixels and fill them with ``cv2.fillPoly``. The points are the centres of the
    outermost pixels, so that rounding moves none of them, and the mask comes back to the pixel.

    Args:
        mask: ``(H, W)`` mask.
        number: Number of the class, from 0.
        simplify_px: How far an outline may stray to save points, in pixels.
    """
    return [YoloObject(ring, number) for ring in trace_rings(mask, "touch", simplify_px=simplify_px)]


def encode_yolo(objects: Sequence[YoloObject], shape: tuple[int, int]) -> bytes:
    """Return a label file: ``class x y x y ...``, x and y as shares of width and height; no object, no line.

    Readers take lines of fewer than three points for boxes, or drop them; points are repeated to make three.

    Args:
        objects: The lines.
        shape: Height and width ``(H, W)`` of the image, in pixels.
    """
    lines = []
    for item in objects:
        missing = max(0, _FEWEST_POINTS - len(item.ring))
        ring = np.concatenate((item.ring, np.repeat(item.ring[-1:], missing, axis=0)))
        shares = np.clip(ring / np.array(shape), 0, 1)[:, ::-1].ravel()
        lines.append(f"{item.number} {' '.join(f'{share:.{_DIGITS}f}' for share in shares.tolist())}\n")
    return "".join(lines).encode("ascii")
