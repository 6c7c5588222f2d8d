"""Hypothesis strategies for masks and polygons."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.labels.annotation import LabelledImage, LabelledObject, as_polygons, draw_objects, mask_objects
from crackseg.labels.polygon import Rule


@st.composite
def masks(draw: st.DrawFn, *, largest: int = 24) -> NDArray[np.bool_]:
    """Draw masks of dots, lines and rings, and empty and full masks."""
    height, width = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    seed = draw(st.integers(0, 2**32 - 1))
    kind = draw(st.sampled_from(["speckle", "lines", "rings", "empty", "full"]))
    rng = np.random.default_rng(seed)
    if kind == "speckle":
        return np.asarray(rng.random((height, width)) < rng.random())
    canvas = np.full((height, width), int(kind == "full"), np.uint8)
    for _ in range(int(rng.integers(1, 4)) if kind in ("lines", "rings") else 0):
        ends = rng.integers(-3, largest + 3, 4).tolist()
        thickness = int(rng.integers(1, 4))
        if kind == "lines":
            cv2.line(canvas, (ends[0], ends[1]), (ends[2], ends[3]), 1, thickness)
        else:
            cv2.circle(canvas, (ends[0], ends[1]), int(rng.integers(1, largest)), 1, thickness)
    return canvas.astype(np.bool_)


@st.composite
def labelled_images(draw: st.DrawFn, *, categories: tuple[str, ...] = ("crack",)) -> LabelledImage:
    """Draw an image with objects as pixels or as rings."""
    whole = draw(masks())
    shape = whole.shape[0], whole.shape[1]
    objects: list[LabelledObject] = []
    for part in mask_objects(whole, categories[0])[:6]:
        item: LabelledObject | None = replace(part, category=draw(st.sampled_from(categories)))
        rule: Rule = draw(st.sampled_from(("centre", "touch")))
        if item is not None and draw(st.booleans()):
            item = as_polygons(item, shape, rule)
        objects += [] if item is None else [item]
    return LabelledImage(
        draw(st.sampled_from(["wall.png", "a b.jpg", "é.tif", "folder/x.y.png"])), shape, tuple(objects)
    )


def draw_image(image: LabelledImage, category: str | None = None) -> NDArray[np.bool_]:
    """Return the mask of an image, or of one of its classes."""
    items = [item for item in image.objects if category in (None, item.category)]
    return draw_objects(items, image.shape)
