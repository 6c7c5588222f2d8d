"""The pictures that tell a verdict and its reasons at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.imaging.drawing import BOX_COLOUR, draw_overlay
from crackseg.inspection.records import Verdict
from crackseg.measurement.crack import CrackMeasurement

VERDICT_COLOURS: dict[Verdict, tuple[int, int, int]] = {
    "OK": (22, 128, 60),
    "WARN": (168, 98, 0),
    "NG": (190, 18, 40),
    "CANNOT JUDGE": (90, 60, 160),
}
"""RGB behind white writing; each stands at least 4.5 : 1 against it, so that the words can be read."""

THUMBNAIL_SIDE_PX = 192
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def widest_place(cracks: Sequence[CrackMeasurement]) -> tuple[int, int, float] | None:
    """Return row and column where the widest crack is widest, and its width in pixels; None without a crack."""
    if not cracks:
        return None
    widest = max(cracks, key=lambda crack: crack.width_max_px or 0.0)
    row, col = widest.width.max_at
    return round(row), round(col), float(widest.width_max_px or 0.0)


def draw_result(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], place: tuple[int, int, float] | None
) -> NDArray[np.uint8]:
    """Draw the cracks into an image and a ring around the widest place.

    Args:
        image: ``(H, W, 3)`` RGB pixels.
        mask: ``(H, W)`` crack pixels.
        place: Row, column and width of the widest place, in pixels.

    Returns:
        ``(H, W, 3)`` RGB pixels, a new array.
    """
    drawn = draw_overlay(image, mask)
    if place is not None:
        row, col, width_px = place
        radius = round(max(width_px, max(image.shape[:2]) / 60, 4))
        cv2.circle(drawn, (col, row), radius, BOX_COLOUR, max(1, round(max(image.shape[:2]) / 400)), cv2.LINE_AA)
    return drawn


def add_caption(picture: NDArray[np.uint8], verdict: Verdict, reasons: Sequence[str]) -> NDArray[np.uint8]:
    """Put verdict and reasons below a picture, without hiding any of it.

    Args:
        picture: ``(H, W, 3)`` RGB pixels.
        verdict: The verdict.
        reasons: A line each.

    Returns:
        ``(H + h, W, 3)`` RGB pixels.
    """
    width = picture.shape[1]
    size = float(np.clip(width / 1000, 0.3, 2.0))
    height = round(30 * size) + 2
    per_line = max(8, round(width / (18.5 * size)))
    lines = [part for text in (verdict, *reasons[:6]) for part in _wrapped(_plain(text), per_line)][:12]
    strip = np.empty((height * len(lines) + 4, width, 3), dtype=np.uint8)
    strip[:] = VERDICT_COLOURS[verdict]
    for number, line in enumerate(lines, start=1):
        place = (round(6 * size) + 1, round(height * (number - 0.25)))
        cv2.putText(strip, line, place, _FONT, size, (255, 255, 255), max(1, round(size * 1.5)), cv2.LINE_AA)
    return np.concatenate([picture, strip])


def encode_thumbnail(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture as a small WebP file of at most `THUMBNAIL_SIDE_PX` at the longer side."""
    factor = THUMBNAIL_SIDE_PX / max(picture.shape[:2])
    if factor < 1:
        size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    done, data = cv2.imencode(".webp", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 55])
    return data.tobytes() if done else b""


def _plain(text: str) -> str:
    """Replace what the font cannot draw."""
    return text.encode("ascii", "replace").decode("ascii")


def _wrapped(text: str, length: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, length) or [""]
