"""Read and write COCO annotations: one JSON document per data set, an RLE or polygons per object."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError, UsageError
from crackseg.labels.annotation import (
    FloatBox,
    LabelledImage,
    LabelledObject,
    Polygons,
    ShapeLookup,
    draw_object,
)
from crackseg.labels.coco_regions import read_region
from crackseg.labels.counts import compress_counts, encode_counts
from crackseg.labels.document import (
    as_list,
    as_number,
    as_object,
    as_side,
    as_text,
    parse_json,
)
from crackseg.labels.polygon import Ring, trace_rings
from crackseg.labels.runs import Shape, tight_box

Outline = Literal["rle", "counts", "polygon"]
"""Form of a segmentation: compressed RLE string, list of RLE counts, or polygons."""


@dataclass(frozen=True, slots=True)
class CocoObject:
    """One annotation of an image, without the ids that a document assigns.

    Attributes:
        segmentation: Value of the file's field: ``{"size": [H, W], "counts": ...}``, or a list of flat polygons
            ``[x, y, x, y, ...]`` in pixels. Empty if only a box is known.
        area_px: Number of crack pixels.
        box: ``(row0, col0, row1, col1)``, half-open, in pixels; whole numbers for a tight box.
        category: Name of its class.
        iscrowd: True if the annotation covers several objects.
        score: Confidence of the detection, in [0, 1]; None if unknown.
    """

    segmentation: Any
    area_px: float
    box: FloatBox
    category: str = "crack"
    iscrowd: bool = False
    score: float | None = None


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of a document.

    Attributes:
        file_name: File name of the image in the document.
        shape: Height and width ``(H, W)``, in pixels.
        objects: Its annotations.
    """

    file_name: str
    shape: Shape
    objects: Sequence[CocoObject] = ()


def describe_mask(mask: NDArray[np.bool_], *, category: str = "crack", outline: Outline = "rle") -> CocoObject:
    """Return the annotation of one object.

    Args:
        mask: ``(H, W)`` bool mask of the object, with at least one pixel.
        category: Name of its class.
        outline: Form of the segmentation. pycocotools reads all three back to the same pixels. Polygons take more
            space and connect holes to the outline by a cut of zero width.

    Raises:
        UsageError: If the mask is empty.

    Example:
        >>> describe_mask(np.eye(2, dtype=np.bool_), outline="counts").segmentation
        {'size': [2, 2], 'counts': [0, 1, 2, 1]}
    """
    box = tight_box(mask)
    if box is None:
        raise UsageError("expected a mask with at least one crack pixel, got an empty mask")
    return CocoObject(_segmentation(mask, outline), int(mask.sum()), box, category)


def _segmentation(mask: NDArray[np.bool_], outline: Outline) -> Any:
    if outline == "polygon":
        return [flat_ring(ring) for ring in trace_rings(mask, "centre")]
    counts = encode_counts(mask)
    size = [int(side) for side in mask.shape]
    return {"size": size, "counts": compress_counts(counts) if outline == "rle" else counts.tolist()}


def flat_ring(ring: Ring) -> list[float]:
    """Return a ring as COCO's flat list ``[x, y, x, y, ...]``.

    Args:
        ring: ``(N, 2)`` float64 points ``(row, col)``, in pixels.

    Returns:
        2 N numbers, in pixels; whole numbers as int.

    Example:
        >>> flat_ring(np.array([[1.0, 2.5], [3.0, 4.0]]))
        [2.5, 1, 4, 3]
    """
    values = ring[:, ::-1].ravel().tolist()
    return [int(value) if value.is_integer() else value for value in values]


def flat_box(box: FloatBox) -> list[float]:
    """Return a box ``(row0, col0, row1, col1)`` as COCO's ``[x, y, width, height]``."""
    row0, col0, row1, col1 = box
    return [col0, row0, col1 - col0, row1 - row0]


def encode_coco(images: Sequence[CocoImage], *, categories: Sequence[str] = ("crack",)) -> bytes:
    """Encode images and annotations as a COCO document with ids from 1.

    Args:
        images: All images, with or without annotations.
        categories: Class names, numbered from 1; classes that only objects name are appended.

    Returns:
        JSON, as ASCII.

    Example:
        >>> document = decode_coco(encode_coco([CocoImage("wall.png", (4, 6))]))
        >>> read_coco_image(document, 1, lambda name: (4, 6)).shape
        (4, 6)

    Source:
        Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; cocodataset.org, "Data format".
    """
    named = [item.category for image in images for item in image.objects]
    return "".join(iter_coco(lambda: images, categories=list(dict.fromkeys([*categories, *named])))).encode("ascii")


def iter_coco(images: Callable[[], Iterable[CocoImage]], *, categories: Sequence[str] = ("crack",)) -> Iterator[str]:
    """Yield the document of `encode_coco` in parts, to keep memory small.

    Args:
        images: Function that returns the images; called twice, and must return the same order.
        categories: Names of all classes, numbered from 1.
    """
    numbers = {name: number for number, name in enumerate(categories, start=1)}
    head = {
        "info": {"description": "written by crackseg"},
        "licenses": [],
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()],
    }
    yield f'{json.dumps(head)[:-1]}, "images": ['
    for image_id, image in enumerate(images(), start=1):
        height, width = image.shape
        item = {"id": image_id, "file_name": image.file_name, "height": height, "width": width}
        yield f"{', ' if image_id > 1 else ''}{json.dumps(item)}"
    yield '], "annotations": ['
    number = 0
    for image_id, image in enumerate(images(), start=1):
        for labelled in image.objects:
            number += 1
            annotation = {
                "id": number,
                "image_id": image_id,
                "category_id": numbers[labelled.category],
                "segmentation": labelled.segmentation,
                "area": labelled.area_px,
                "bbox": flat_box(labelled.box),
                "iscrowd": int(labelled.iscrowd),
                **({} if labelled.score is None else {"score": labelled.score}),
            }
            yield f"{', ' if number > 1 else ''}{json.dumps(annotation)}"
    yield "]}\n"


def describe_object(item: LabelledObject, shape: Shape) -> CocoObject:
    """Return the annotation of an object: pixels become an RLE, rings polygons.

    Args:
        item: The object; its rings must follow the rule ``centre``.
        shape: Height and width ``(H, W)`` of the image, in pixels.
    """
    if item.outline is None:
        row0, col0, row1, col1 = item.box
        area_px = (row1 - row0) * (col1 - col0)
        return CocoObject([], area_px, item.box, item.category, iscrowd=item.iscrowd, score=item.score)
    mask = draw_object(item, shape)
    if not isinstance(item.outline, Polygons):
        return replace(describe_mask(mask, category=item.category), iscrowd=item.iscrowd, score=item.score)
    rings = [flat_ring(ring) for ring in item.outline.rings]
    area_px = int(mask.sum())
    return CocoObject(rings, area_px, item.box, item.category, iscrowd=item.iscrowd, score=item.score)


@dataclass(frozen=True, slots=True)
class CocoDocument:
    """A parsed COCO document.

    Attributes:
        name: Name of the document in error messages.
        images: Entry of each image in the file, by image id.
        annotations: Index in the file and content of each annotation, by image id.
        categories: Class names by category id; empty for a list of results.
    """

    name: str
    images: dict[int, dict[str, Any]]
    annotations: dict[int, list[tuple[int, dict[str, Any]]]]
    categories: dict[int, str]


def decode_coco(data: bytes, *, name: str = "COCO") -> CocoDocument:
    """Parse a COCO document or a list of results.

    A list of results holds annotations only.

    Args:
        data: Content of the JSON file.
        name: Name of the file in error messages.

    Raises:
        LabelError: If an entry is malformed or there are no images; the message names the entry.
    """
    content = parse_json(data, name)
    if isinstance(content, list):
        content = {"annotations": content}
    document = as_object(content, name)
    categories = {
        number: as_text(item.get("name"), f"{name}: categories: id {number}")
        for number, item in _by_id(document, "categories", name).items()
    }
    images = _by_id(document, "images", name)
    annotations: dict[int, list[tuple[int, dict[str, Any]]]] = {number: [] for number in images}
    for at, item in _objects(document, "annotations", name):
        number = _number(item, "image_id", f"{name}: annotations[{at}]")
        annotations.setdefault(number, []).append((at, item))
    if not annotations:
        raise LabelError(
            "the document holds no images", where=name, hint="check that it is a COCO document with 'images'"
        )
    return CocoDocument(name, images, annotations, categories)


def read_coco_image(document: CocoDocument, number: int, shape_of: ShapeLookup) -> LabelledImage:
    """Return an image of a document with its objects.

    Args:
        document: The document.
        number: Image id.
        shape_of: Lookup of the image size by name, used if neither the image nor an RLE states it.

    Raises:
        LabelError: If the image or one of its annotations cannot be read; the message names the entry.
        UsageError: If the image size is unknown.
    """
    if document.images and number not in document.images:
        at = document.annotations[number][0][0]
        raise LabelError(
            f"no image has the id {number}",
            where=f"{document.name}: annotations[{at}].image_id",
            hint="add the image or remove the annotation",
        )
    image = document.images.get(number, {})
    where = f"{document.name}: image {number}"
    name = as_text(image.get("file_name", str(number)), f"{where}: file_name")
    annotations = document.annotations[number]
    if image.get("height") is not None and image.get("width") is not None:
        shape = as_side(image["height"], f"{where}: height"), as_side(image["width"], f"{where}: width")
    else:
        shape = _shape_of_rle([item for _, item in annotations], where) or shape_of(name)
    objects: list[LabelledObject] = []
    left_out: list[str] = []
    mended: list[str] = []
    for at, item in annotations:
        place = f"{document.name}: annotations[{at}]"
        category_id = _number(item, "category_id", place) if "category_id" in item else None
        category = document.categories.get(-1 if category_id is None else category_id, str(category_id))
        parsed = read_region(item, category, shape, mended, where=place)
        if isinstance(parsed, str):
            left_out.append(parsed)
        else:
            objects.append(parsed)
    return LabelledImage(name, shape, tuple(objects), tuple(left_out), mended=tuple(mended))


def _shape_of_rle(items: Sequence[dict[str, Any]], where: str) -> Shape | None:
    """Return the image size stated by the first RLE, or None."""
    for item in items:
        segmentation = item.get("segmentation")
        if isinstance(segmentation, dict):
            size = as_list(segmentation.get("size"), f"{where}: size")
            if len(size) == 2:
                return as_side(size[0], f"{where}: size"), as_side(size[1], f"{where}: size")
    return None


def _by_id(document: dict[str, Any], key: str, name: str) -> dict[int, dict[str, Any]]:
    """Return the entries of a list by their ids.

    Raises:
        LabelError: If two different entries have one id.
    """
    entries: dict[int, dict[str, Any]] = {}
    places: dict[int, int] = {}
    for at, item in _objects(document, key, name):
        number = _number(item, "id", f"{name}: {key}[{at}]")
        if number in entries and item != entries[number]:
            raise LabelError(
                f"{key}[{places[number]}] and {key}[{at}] have the same id {number}",
                where=name,
                hint="give each its own id and correct the annotations",
            )
        entries.setdefault(number, item)
        places.setdefault(number, at)
    return entries


def _objects(document: dict[str, Any], key: str, name: str) -> list[tuple[int, dict[str, Any]]]:
    items = as_list(document.get(key, []), f"{name}: {key}")
    return [(at, as_object(item, f"{name}: {key}[{at}]")) for at, item in enumerate(items)]


def _number(item: dict[str, Any], key: str, where: str) -> int:
    value = as_number(item.get(key), f"{where}.{key}")
    if value != int(value):
        raise LabelError(f"expected a whole number, got {value:g}", where=f"{where}.{key}")
    return int(value)
