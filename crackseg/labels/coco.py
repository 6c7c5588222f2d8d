"""COCO annotations: one JSON document for a whole data set, with an RLE or polygons per object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import UsageError
from crackseg.labels.polygon import Ring, trace_rings
from crackseg.labels.rle import compress_counts, encode_counts, tight_box
from crackseg.labels.voc import Box

Outline = Literal["rle", "counts", "polygon"]
"""How an object is drawn: a compressed string, a list of counts, or polygons."""

_DIGITS = 3


@dataclass(frozen=True, slots=True)
class CocoObject:
    """One annotation of an image, without the numbers that only a document gives.

    Attributes:
        segmentation: As it stands in the file: ``{"size": [H, W], "counts": ...}``, or a list of flat polygons
            ``[x, y, x, y, ...]`` in pixels. Empty where only a box is known.
        area_px: Crack pixels.
        box: ``(row0, col0, row1, col1)``, half-open, in pixels; whole numbers for a tight box.
        category: Name of its class.
        iscrowd: It stands for several objects at once.
    """

    segmentation: Any
    area_px: float
    box: tuple[float, float, float, float]
    category: str = "crack"
    iscrowd: bool = False


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of a document.

    Attributes:
        file_name: Its file, as the document names it.
        shape: Height and width ``(H, W)``, in pixels.
        objects: Its annotations.
    """

    file_name: str
    shape: tuple[int, int]
    objects: Sequence[CocoObject] = ()


def describe_mask(mask: NDArray[np.bool_], *, category: str = "crack", outline: Outline = "rle") -> CocoObject:
    """Return the annotation of one object.

    Args:
        mask: ``(H, W)`` pixels of the object, at least one.
        category: Name of its class.
        outline: How to draw it. All three give the mask back to the pixel when pycocotools reads them; polygons take
            more room, and keep holes by a cut of no width.

    Raises:
        UsageError: If the mask is empty.
    """
    box = tight_box(mask)
    if box is None:
        raise UsageError("an empty mask is no object")
    return CocoObject(_segmentation(mask, outline), int(mask.sum()), box, category)


def _segmentation(mask: NDArray[np.bool_], outline: Outline) -> Any:
    if outline == "polygon":
        return [flat_ring(ring) for ring in trace_rings(mask, "centre")]
    counts = encode_counts(mask)
    size = [int(side) for side in mask.shape]
    return {"size": size, "counts": compress_counts(counts) if outline == "rle" else counts.tolist()}


def flat_ring(ring: Ring) -> list[float]:
    """Return ``(N, 2)`` points (row, col) as ``[x, y, x, y, ...]``, whole numbers as such."""
    values = np.round(ring[:, ::-1].ravel(), _DIGITS).tolist()
    return [int(value) if value.is_integer() else value for value in values]


def flat_box(box: Box | tuple[float, float, float, float]) -> list[float]:
    """Return a box ``(row0, col0, row1, col1)`` as COCO's ``[x, y, width, height]``."""
    row0, col0, row1, col1 = box
    return [col0, row0, col1 - col0, row1 - row0]


def encode_coco(images: Sequence[CocoImage], *, categories: Sequence[str] = ("crack",)) -> bytes:
    """Return a document of images and their annotations, all numbered from 1 in the order given.

    Args:
        images: The images, those without annotations too.
        categories: Names of the classes, numbered from 1; names that only objects bear are added after them.

    Source:
        Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; cocodataset.org, "Data format".
    """
    named = [item.category for image in images for item in image.objects]
    numbers = {name: number for number, name in enumerate(dict.fromkeys([*categories, *named]), start=1)}
    annotations: list[dict[str, Any]] = []
    for image_id, image in enumerate(images, start=1):
        for item in image.objects:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": numbers[item.category],
                    "segmentation": item.segmentation,
                    "area": item.area_px,
                    "bbox": flat_box(item.box),
                    "iscrowd": int(item.iscrowd),
                }
            )
    document = {
        "info": {"description": "written by crackseg"},
        "licenses": [],
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()],
        "images": [
            {"id": number, "file_name": image.file_name, "height": image.shape[0], "width": image.shape[1]}
            for number, image in enumerate(images, start=1)
        ],
        "annotations": annotations,
    }
    return (json.dumps(document, ensure_ascii=True) + "\n").encode("ascii")
