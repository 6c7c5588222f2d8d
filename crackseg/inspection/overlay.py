"""Draw the overlays and thumbnails that show a verdict and its reasons."""

from __future__ import annotations

import textwrap
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
"""RGB background of white text for each verdict, with a contrast of at least 4.5 : 1."""

THUMBNAIL_SIDE_PX = 192
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def find_widest_place(cracks: Sequence[CrackMeasurement]) -> tuple[int, int, float] | None:
    """Find the widest place of all cracks.

    Returns:
        Row, column and width, in pixels; None without a crack.
    """
    if not cracks:
        return None
    widest = max(cracks, key=lambda crack: crack.width_max_px or 0.0)
    row, col = widest.width.max_at
    return round(row), round(col), float(widest.width_max_px or 0.0)


def draw_result(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], place: tuple[int, int, float] | None
) -> NDArray[np.uint8]:
    """Draw cracks and a ring around the widest place.

    Args:
        image: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.
        mask: ``(H, W)`` bool crack mask.
        place: Row, column and width of the widest place, in pixels; None for no ring.

    Returns:
        ``(H, W, 3)`` uint8 RGB pixels, 0 to 255; a new array.
    """
    drawn = draw_overlay(image, mask)
    if place is not None:
        row, col, width_px = place
        radius = round(max(width_px, max(image.shape[:2]) / 60, 4))
        cv2.circle(drawn, (col, row), radius, BOX_COLOUR, max(1, round(max(image.shape[:2]) / 400)), cv2.LINE_AA)
    return drawn


def add_caption(image: NDArray[np.uint8], verdict: Verdict, reasons: Sequence[str]) -> NDArray[np.uint8]:
    """Add verdict and reasons below an image.

    Args:
        image: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.
        verdict: Verdict.
        reasons: Reasons, a line each; the first six are shown.

    Returns:
        ``(H + h, W, 3)`` uint8 RGB pixels, 0 to 255: the image above a strip of ``h`` rows.
    """
    width = image.shape[1]
    size = float(np.clip(width / 1000, 0.3, 2.0))
    height = round(30 * size) + 2
    per_line = max(8, round(width / (18.5 * size)))
    lines = [part for text in (verdict, *reasons[:6]) for part in textwrap.wrap(_replace_undrawable(text), per_line)][
        :12
    ]
    strip = np.empty((height * len(lines) + 4, width, 3), dtype=np.uint8)
    strip[:] = VERDICT_COLOURS[verdict]
    for number, line in enumerate(lines, start=1):
        place = (round(6 * size) + 1, round(height * (number - 0.25)))
        cv2.putText(strip, line, place, _FONT, size, (255, 255, 255), max(1, round(size * 1.5)), cv2.LINE_AA)
    return np.concatenate([image, strip])


def encode_thumbnail(image: NDArray[np.uint8]) -> bytes:
    """Encode an image as a small WebP file.

    Its longer side is at most `THUMBNAIL_SIDE_PX`.

    Args:
        image: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.

    Returns:
        Bytes of the file; empty if the encoder fails.
    """
    factor = THUMBNAIL_SIDE_PX / max(image.shape[:2])
    if factor < 1:
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    encoded, data = cv2.imencode(".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 55])
    return data.tobytes() if encoded else b""


def _replace_undrawable(text: str) -> str:
    """Replace characters that the font cannot draw."""
    return text.encode("ascii", "replace").decode("ascii")
