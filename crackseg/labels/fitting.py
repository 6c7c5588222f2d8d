"""Change objects into forms that a label format supports, and count the changes."""

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

BOXES_FILLED = "box without outline written as a filled rectangle"
BOXES_GROWN = "box rounded outwards to whole pixels"
BOXES_ROUNDED = "box rounded to whole pixels"
OBJECTS_JOINED = "object merged with a touching object"
OBJECTS_DIVIDED = "object split into its parts"
CLASSES_DROPPED = "class dropped"
CROWDS_DROPPED = "mark of a crowd dropped"
SCORES_DROPPED = "score dropped"
VOID_DROPPED = "void region read as background"
OUTLINES_EMPTY = "outline without a pixel dropped"
OBJECTS_UNNUMBERED = "image written with classes but without object numbers"


@dataclass(slots=True)
class Fitter:
    """Converter of objects into forms that a format supports.

    Attributes:
        rule: Rule by which the format fills polygons; None if it has no polygons.
        pixels: True if the format supports masks.
        boxes: True if the format supports boxes without outline.
        whole_boxes: True if the boxes of the format have whole pixels.
        parts: True if the format supports objects of several rings.
        simplify_px: Largest deviation of a traced outline when points are removed, in pixels.
        changes: Number of changed objects, by kind of change.
    """

    rule: Rule | None
    pixels: bool = True
    boxes: bool = True
    whole_boxes: bool = False
    parts: bool = False
    simplify_px: float = 0.0
    changes: Counter[str] = field(default_factory=Counter)

    def fit(self, image: LabelledImage) -> LabelledImage:
        """Return an image whose objects the format supports.

        Supported outlines are kept. Others are drawn, which keeps their pixels, and traced if the format has no masks.

        Raises:
            LabelError: If an object reaches beyond the image.
        """
        fitted = [one for item in image.objects for one in self._fit(item, image)]
        return replace(image, objects=tuple(fitted))

    def _fit(self, item: LabelledObject, image: LabelledImage) -> list[LabelledObject]:
        if item.outline is None and self.boxes:
            return [item] if not self.whole_boxes else self._fit_box(item, image)
        self.changes[BOXES_FILLED] += item.outline is None
        name = display_text(image.name)
        if self._holds_rings(item):
            result: LabelledObject | None = item
        elif self.pixels or self.rule is None:
            result = as_cutout(item, image.shape, name=name)
        else:
            result = as_polygons(item, image.shape, self.rule, simplify_px=self.simplify_px, name=name)
        if result is None:
            self.changes[OUTLINES_EMPTY] += 1
            return []
        outline = result.outline
        if isinstance(outline, Polygons) and len(outline.rings) > 1 and not self.parts:
            self.changes[OBJECTS_DIVIDED] += 1
            return [replace(result, outline=Polygons((ring,), outline.rule)) for ring in outline.rings]
        return [result]

    def _fit_box(self, item: LabelledObject, image: LabelledImage) -> list[LabelledObject]:
        """Round a box to the pixels whose centres it holds."""
        drawn = as_cutout(item, image.shape, name=display_text(image.name))
        if drawn is None:
            self.changes[OUTLINES_EMPTY] += 1
            return []
        self.changes[BOXES_ROUNDED] += drawn.box != item.box
        return [replace(item, box=drawn.box)]

    def _holds_rings(self, item: LabelledObject) -> bool:
        """Return whether an object keeps its rings; several rings may become pixels."""
        if not isinstance(item.outline, Polygons) or item.outline.rule != self.rule:
            return False
        return self.parts or not self.pixels or len(item.outline.rings) == 1

    def join(self, image: LabelledImage, items: Iterable[LabelledObject], category: str) -> LabelledObject | None:
        """Merge objects of an image into one object of pixels.

        Only objects that touch count as merged, because a mask still separates the others.

        Returns:
            The merged object; None if it has no pixel.

        Raises:
            LabelError: If an object reaches beyond the image.
        """
        objects = list(items)
        self.changes[BOXES_FILLED] += sum(item.outline is None for item in objects)
        mask = draw_objects(objects, image.shape, name=image.name)
        parts = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)[0] - 1
        if parts < len(objects):
            name = display_text(image.name)
            empty = sum(as_cutout(item, image.shape, name=name) is None for item in objects)
            self.changes[OUTLINES_EMPTY] += empty
            self.changes[OBJECTS_JOINED] += max(0, len(objects) - empty - parts)
        return mask_object(mask, category)
