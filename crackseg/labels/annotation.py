"""What all label formats say in the end: images, and objects drawn on them. Formats meet here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError, display_text
from crackseg.labels.polygon import Ring, Rule, fill_rings, trace_rings
from crackseg.labels.rle import Shape, tight_box

FloatBox = tuple[float, float, float, float]
"""``(row0, col0, row1, col1)``, half-open, in pixels."""

ShapeLookup = Callable[[str], Shape]
"""Finds height and width of the image of a name, where the annotations do not say."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """The pixels of an object, in the tight box around them.

    Attributes:
        row0: Row of the box's first pixel in the image.
        col0: Its column.
        pixels: ``(h, w)`` pixels of the object.
    """

    row0: int
    col0: int
    pixels: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Polygons:
    """An object as rings; what lies in any of them belongs to it.

    Attributes:
        rings: Each ``(N, 2)`` points ``(row, col)``, in pixels.
        rule: By which its format fills them.
    """

    rings: tuple[Ring, ...]
    rule: Rule


@dataclass(frozen=True, slots=True, eq=False)
class LabelledObject:
    """One object of an image.

    Attributes:
        category: Name of its class.
        box: Around it, in pixels.
        outline: How it is drawn; None where no more than the box is known.
        score: How sure of it whoever drew it is, in [0, 1]; None where nobody says.
    """

    category: str
    box: FloatBox
    outline: Cutout | Polygons | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """An image and its objects.

    Attributes:
        name: Its file, as the annotations name it.
        shape: Height and width ``(H, W)``, in pixels.
        objects: What is drawn on it.
        left_out: Kinds of things its annotations hold and that are no region, such as ``polyline``, one for each.
        path: Where the image lies, if known: labels that lie elsewhere lead there, where the format can say so.
    """

    name: str
    shape: Shape
    objects: tuple[LabelledObject, ...] = ()
    left_out: tuple[str, ...] = ()
    path: str | None = None

    @property
    def file_name(self) -> str:
        """The name without folders, whichever kind of slash divides them."""
        return re.split(r"[\\/]", self.name)[-1]

    @property
    def stem(self) -> str:
        """The name without folders and suffix, fit to name a file.

        Raises:
            LabelError: If nothing is left.
        """
        stem = re.sub(r"(?<=.)\.[^.]*$", "", self.file_name)
        if not stem.strip(". ") or "\0" in stem:
            raise LabelError("the annotations name an image that no file can be named after", where=self.name)
        return stem


def mask_object(mask: NDArray[np.bool_], category: str) -> LabelledObject | None:
    """Return the object that a ``(H, W)`` mask shows; None if it is empty."""
    box = tight_box(mask)
    if box is None:
        return None
    row0, col0, row1, col1 = box
    cutout = Cutout(row0, col0, mask[row0:row1, col0:col1].copy())
    return LabelledObject(category, (float(row0), float(col0), float(row1), float(col1)), cutout)


def mask_objects(mask: NDArray[np.bool_], category: str) -> tuple[LabelledObject, ...]:
    """Return one object for each 8-connected part of a ``(H, W)`` mask, by their topmost rows."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    found = []
    for number in range(1, count):
        col, row, width, height = (int(value) for value in boxes[number, :4])
        pixels = labels[row : row + height, col : col + width] == number
        box = float(row), float(col), float(row + height), float(col + width)
        found.append(LabelledObject(category, box, Cutout(row, col, pixels)))
    return tuple(sorted(found, key=lambda item: item.box[:2]))


def ring_object(rings: Sequence[Ring], rule: Rule, category: str) -> LabelledObject:
    """Return the object that rings enclose.

    Args:
        rings: At least one, each of at least one point.
        rule: By which its format fills them.
        category: Name of its class.
    """
    points = np.concatenate([np.floor(ring) if rule == "touch" else ring for ring in rings])
    low, high = points.min(axis=0), points.max(axis=0) + (1 if rule == "touch" else 0)
    box = float(low[0]), float(low[1]), float(high[0]), float(high[1])
    return LabelledObject(category, box, Polygons(tuple(rings), rule))


def draw_object(item: LabelledObject, shape: Shape, *, name: str = "object") -> NDArray[np.bool_]:
    """Return the ``(H, W)`` pixels of an object; of one that is only a box, the pixels whose centre lies in it.

    Raises:
        LabelError: If it does not lie in an image of that shape.
    """
    match item.outline:
        case Polygons(rings, rule):
            return fill_rings(rings, shape, rule, name=name)
        case Cutout(row0, col0, pixels):
            row1, col1 = row0 + pixels.shape[0], col0 + pixels.shape[1]
        case None:
            row0, col0, row1, col1 = (math.ceil(side - 0.5) for side in item.box)
            pixels = np.ones((row1 - row0, col1 - col0), np.bool_)
    if row0 < 0 or col0 < 0 or row1 > shape[0] or col1 > shape[1]:
        raise LabelError(f"reaches beyond the image of {shape[0]}x{shape[1]} pixels", where=name)
    mask = np.zeros(shape, np.bool_)
    mask[row0:row1, col0:col1] = pixels
    return mask


def draw_objects(items: Iterable[LabelledObject], shape: Shape, *, name: str = "image") -> NDArray[np.bool_]:
    """Return the ``(H, W)`` pixels that belong to any of some objects."""
    mask = np.zeros(shape, np.bool_)
    for number, item in enumerate(items, start=1):
        if isinstance(item.outline, Cutout) and _lies_in(item.outline, shape):
            row, col, pixels = item.outline.row0, item.outline.col0, item.outline.pixels
            mask[row : row + pixels.shape[0], col : col + pixels.shape[1]] |= pixels
        else:
            mask |= draw_object(item, shape, name=f"{display_text(name)}: object {number}")
    return mask


def _lies_in(cutout: Cutout, shape: Shape) -> bool:
    height, width = cutout.pixels.shape
    inside = cutout.row0 + height <= shape[0] and cutout.col0 + width <= shape[1]
    return inside and cutout.row0 >= 0 and cutout.col0 >= 0


def as_cutout(item: LabelledObject, shape: Shape, *, name: str = "object") -> LabelledObject | None:
    """Return an object drawn as pixels; None if its outline holds no pixel."""
    if isinstance(item.outline, Cutout):
        return item
    return mask_object(draw_object(item, shape, name=name), item.category)


def as_polygons(
    item: LabelledObject, shape: Shape, rule: Rule, *, simplify_px: float = 0.0, name: str = "object"
) -> LabelledObject | None:
    """Return an object drawn as rings to be filled by a rule; None if its outline holds no pixel.

    Rings that follow the rule stay as they are. Others are drawn and traced, so that the pixels stay as they are.

    Args:
        item: The object.
        shape: Height and width ``(H, W)`` of the image, in pixels.
        rule: By which the target fills rings.
        simplify_px: How far a traced ring may stray to save points, in pixels.
        name: What to call it in an error.
    """
    if isinstance(item.outline, Polygons) and item.outline.rule == rule:
        return item
    drawn = as_cutout(item, shape, name=name)
    if drawn is None or not isinstance(drawn.outline, Cutout):
        return None
    cutout = drawn.outline
    rings = trace_rings(cutout.pixels, rule, simplify_px=simplify_px)
    origin = np.array([cutout.row0, cutout.col0])
    outline = Polygons(tuple(ring + origin for ring in rings), rule)
    return replace(drawn, outline=outline)


def mask_iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two ``(H, W)`` masks; 1 if both are empty."""
    union = int(np.count_nonzero(first | second))
    return 1.0 if union == 0 else int(np.count_nonzero(first & second)) / union
