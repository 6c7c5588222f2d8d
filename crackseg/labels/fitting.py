"""What a format can hold: objects turned into that, and every change counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from crackseg.errors import display_text
from crackseg.labels.annotation import (
    LabelledImage,
    LabelledObject,
    Polygons,
    as_cutout,
    as_polygons,
    draw_objects,
    mask_object,
)
from crackseg.labels.polygon import Rule

BOXES_FILLED = "box filled, for no outline of it is known"
BOXES_GROWN = "box grown to whole pixels"
OBJECTS_JOINED = "object joined with one it touches"
OBJECTS_DIVIDED = "object divided into its parts"
CLASSES_DROPPED = "class dropped"
OUTLINES_EMPTY = "outline without a pixel dropped"
OBJECTS_UNTOLD = "image whose objects are told apart by class alone"


@dataclass(slots=True)
class Fitter:
    """Turns objects into what a format can hold.

    Attributes:
        rule: By which the format fills polygons; None if it has none.
        pixels: It holds masks.
        boxes: It holds mere boxes.
        parts: It holds objects of several rings.
        simplify_px: How far a traced outline may stray, in pixels.
        changes: What was changed, counted.
    """

    rule: Rule | None
    pixels: bool = True
    boxes: bool = True
    parts: bool = False
    simplify_px: float = 0.0
    changes: Counter[str] = field(default_factory=Counter)

    def fit(self, image: LabelledImage) -> LabelledImage:
        """Return an image whose objects the format can hold.

        Outlines stay as they are if the format can hold them. If not, they are drawn, so that the pixels stay as they
        are, and traced where the format holds no pixels.

        Raises:
            LabelError: If an object does not lie in the image.
        """
        fitted = [one for item in image.objects for one in self._fit(item, image)]
        return replace(image, objects=tuple(fitted))

    def _fit(self, item: LabelledObject, image: LabelledImage) -> list[LabelledObject]:
        if item.outline is None and self.boxes:
            return [item]
        self.changes[BOXES_FILLED] += item.outline is None
        name = display_text(image.name)
        if self._holds_rings(item):
            drawn: LabelledObject | None = item
        elif self.pixels or self.rule is None:
            drawn = as_cutout(item, image.shape, name=name)
        else:
            drawn = as_polygons(item, image.shape, self.rule, simplify_px=self.simplify_px, name=name)
        if drawn is None:
            self.changes[OUTLINES_EMPTY] += 1
            return []
        outline = drawn.outline
        if isinstance(outline, Polygons) and len(outline.rings) > 1 and not self.parts:
            self.changes[OBJECTS_DIVIDED] += 1
            return [replace(drawn, outline=Polygons((ring,), outline.rule)) for ring in outline.rings]
        return [drawn]

    def _holds_rings(self, item: LabelledObject) -> bool:
        """Tell whether the rings of an object can stay; an object of several may rather become pixels."""
        if not isinstance(item.outline, Polygons) or item.outline.rule != self.rule:
            return False
        return self.parts or not self.pixels or len(item.outline.rings) == 1

    def join(self, image: LabelledImage, items: Iterable[LabelledObject], category: str) -> LabelledObject | None:
        """Return some objects of an image as one of pixels; None if they have none.

        Objects that do not touch can be told apart in a mask, too; only those that do count as joined.

        Raises:
            LabelError: If an object does not lie in the image.
        """
        kept = list(items)
        self.changes[BOXES_FILLED] += sum(item.outline is None for item in kept)
        mask = draw_objects(kept, image.shape, name=image.name)
        parts = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)[0] - 1
        self.changes[OBJECTS_JOINED] += max(0, len(kept) - parts)
        return mask_object(mask, category)
