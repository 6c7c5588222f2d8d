"""Check that an image shows every object that its file holds."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.labels.annotation import LabelledImage, draw_objects
from crackseg.labels.runs import count_pixels
from crackseg.labels.shapes import LINES

_PARTIAL = "--allow-partial to write the image without them"


def draw_complete(image: LabelledImage, *, allow_partial: bool = False) -> NDArray[np.bool_]:
    """Draw the objects of an image, unless some would be lost.

    Args:
        image: The image.
        allow_partial: True to accept an image of which objects cannot be drawn.

    Returns:
        ``(H, W)`` bool mask of the pixels of any object.

    Raises:
        LabelError: If the file holds objects that cannot be drawn, or the objects cover no pixel at all.

    Example:
        >>> draw_complete(LabelledImage("wall.png", (2, 3))).any()
        np.False_
    """
    if image.left_out and not allow_partial:
        raise LabelError(describe_loss(image), where=image.name, hint=_hint(image))
    if 0 in image.shape:
        raise LabelError("the size of the image is unknown", where=image.name, hint="add --shape HxW or --images DIR")
    count_pixels(image.shape, image.name)
    mask = draw_objects(image.objects, image.shape, name=image.name)
    if image.objects and not allow_partial and not mask.any():
        count = len(image.objects)
        raise LabelError(
            f"its {count} objects cover no pixel" if count > 1 else "its object covers no pixel",
            where=image.name,
            hint="check the size of the image, or add --allow-partial to write it without cracks",
        )
    return mask


def describe_loss(image: LabelledImage) -> str:
    """Return a clause that names the objects that cannot be drawn."""
    kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(Counter(image.left_out).items()))
    return f"not written, because it would lose {kinds}"


def drawn_share(image: LabelledImage) -> float:
    """Return the share of drawn objects, in [0, 1]; 1 without objects."""
    total = len(image.objects) + len(image.left_out)
    return len(image.objects) / total if total else 1.0


def _hint(image: LabelledImage) -> str:
    lines = any(kind in LINES for kind in image.left_out)
    return f"add --line-width PX to draw lines, or {_PARTIAL}" if lines else f"correct the labels, or add {_PARTIAL}"
