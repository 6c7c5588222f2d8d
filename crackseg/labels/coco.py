"""COCO annotations: one JSON document for a whole data set, with an RLE or polygons per object."""

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
    mask_object,
    ring_object,
)
from crackseg.labels.document import (
    as_box,
    as_list,
    as_number,
    as_numbers,
    as_object,
    as_side,
    as_text,
    parse_json,
)
from crackseg.labels.polygon import Ring, trace_rings
from crackseg.labels.rle import Shape, compress_counts, decode_counts, decompress_counts, encode_counts, tight_box

Outline = Literal["rle", "counts", "polygon"]
"""How an object is drawn: a compressed string, a list of counts, or polygons."""

_FEWEST_POINTS = 3


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
        score: How sure of it whoever drew it is, in [0, 1]; None where nobody says.
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
        file_name: Its file, as the document names it.
        shape: Height and width ``(H, W)``, in pixels.
        objects: Its annotations.
    """

    file_name: str
    shape: Shape
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
    values = ring[:, ::-1].ravel().tolist()
    return [int(value) if value.is_integer() else value for value in values]


def flat_box(box: FloatBox) -> list[float]:
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
    return "".join(iter_coco(lambda: images, categories=list(dict.fromkeys([*categories, *named])))).encode("ascii")


def iter_coco(images: Callable[[], Iterable[CocoImage]], *, categories: Sequence[str] = ("crack",)) -> Iterator[str]:
    """Yield the document of `encode_coco` piece by piece, for more images than memory holds.

    Args:
        images: Called twice, for the images in the same order.
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
        for drawn in image.objects:
            number += 1
            annotation = {
                "id": number,
                "image_id": image_id,
                "category_id": numbers[drawn.category],
                "segmentation": drawn.segmentation,
                "area": drawn.area_px,
                "bbox": flat_box(drawn.box),
                "iscrowd": int(drawn.iscrowd),
                **({} if drawn.score is None else {"score": drawn.score}),
            }
            yield f"{', ' if number > 1 else ''}{json.dumps(annotation)}"
    yield "]}\n"


def describe_object(item: LabelledObject, shape: Shape) -> CocoObject:
    """Return the annotation of an object; its pixels as an RLE, its rings as polygons.

    Args:
        item: The object; rings of the rule ``centre`` only.
        shape: Height and width ``(H, W)`` of the image, in pixels.
    """
    if item.outline is None:
        row0, col0, row1, col1 = item.box
        return CocoObject([], (row1 - row0) * (col1 - col0), item.box, item.category, score=item.score)
    mask = draw_object(item, shape)
    if not isinstance(item.outline, Polygons):
        return replace(describe_mask(mask, category=item.category), score=item.score)
    rings = [flat_ring(ring) for ring in item.outline.rings]
    return CocoObject(rings, int(mask.sum()), item.box, item.category, score=item.score)


@dataclass(frozen=True, slots=True)
class CocoDocument:
    """A document that has been parsed, its images not yet.

    Attributes:
        name: What to call it in an error.
        images: The description of each image as it stands in the file, by its number.
        annotations: Place in the file and content of the annotations of each image, by its number.
        categories: Names of the classes by their numbers; empty in a list of results.
    """

    name: str
    images: dict[int, dict[str, Any]]
    annotations: dict[int, list[tuple[int, dict[str, Any]]]]
    categories: dict[int, str]


def decode_coco(data: bytes, *, name: str = "COCO") -> CocoDocument:
    """Read a document, or a list of results, which is a document's annotations alone.

    Raises:
        LabelError: If it is none; it names the place.
    """
    content = parse_json(data, name)
    if isinstance(content, list):
        content = {"annotations": content}
    document = as_object(content, name)
    categories = {
        _number(item, "id", f"{name}: categories[{at}]"): as_text(item.get("name"), f"{name}: categories[{at}].name")
        for at, item in _objects(document, "categories", name)
    }
    images = {_number(item, "id", f"{name}: images[{at}]"): item for at, item in _objects(document, "images", name)}
    annotations: dict[int, list[tuple[int, dict[str, Any]]]] = {number: [] for number in images}
    for at, item in _objects(document, "annotations", name):
        number = _number(item, "image_id", f"{name}: annotations[{at}]")
        annotations.setdefault(number, []).append((at, item))
    if not annotations:
        raise LabelError("holds no images", where=name, hint="is it a COCO document?")
    return CocoDocument(name, images, annotations, categories)


def read_coco_image(document: CocoDocument, number: int, shape_of: ShapeLookup) -> LabelledImage:
    """Return an image of a document with its objects.

    Args:
        document: The document.
        number: The id of the image.
        shape_of: Finds the size of an image where neither it nor an RLE says; takes its name.

    Raises:
        LabelError: If the image or an annotation of it cannot be read; it names the place.
        UsageError: If the size is needed and cannot be found.
    """
    if document.images and number not in document.images:
        at = document.annotations[number][0][0]
        raise LabelError(f"there is no image of the id {number}", where=f"{document.name}: annotations[{at}].image_id")
    image = document.images.get(number, {})
    where = f"{document.name}: image {number}"
    name = as_text(image.get("file_name", str(number)), f"{where}: file_name")
    own = document.annotations[number]
    if image.get("height") is not None and image.get("width") is not None:
        shape = as_side(image["height"], f"{where}: height"), as_side(image["width"], f"{where}: width")
    else:
        shape = _shape_of_rle([item for _, item in own], where) or shape_of(name)
    found: list[LabelledObject] = []
    left_out: list[str] = []
    for at, item in own:
        drawn = _object(item, document, shape, f"{document.name}: annotations[{at}]")
        if isinstance(drawn, str):
            left_out.append(drawn)
        elif drawn is not None:
            found.append(drawn)
    return LabelledImage(name, shape, tuple(found), tuple(left_out))


def _object(item: dict[str, Any], document: CocoDocument, shape: Shape, where: str) -> LabelledObject | str | None:
    """Return an annotation as an object; None if it holds no pixel, and its kind if it is no region."""
    number = _number(item, "category_id", where) if "category_id" in item else None
    category = document.categories.get(-1 if number is None else number, str(number))
    segmentation, box = item.get("segmentation"), item.get("bbox")
    if isinstance(segmentation, dict):
        return mask_object(_mask(segmentation, shape, f"{where}.segmentation"), category)
    if segmentation:
        parts = [
            _ring(values, f"{where}.segmentation[{at}]")
            for at, values in enumerate(as_list(segmentation, f"{where}.segmentation"))
        ]
        rings = [ring for ring in parts if len(ring) >= _FEWEST_POINTS]
        return ring_object(rings, "centre", category) if rings else "polygon of fewer than three points"
    if not box:
        return "keypoints" if "keypoints" in item else "annotation without region"
    col, row, width, height = as_numbers(box, f"{where}.bbox", count=4)
    cut = as_box((row, col, row + height, col + width), shape)
    return "box outside the image" if cut is None else LabelledObject(category, cut)


def _mask(segmentation: dict[str, Any], shape: Shape, where: str) -> NDArray[np.bool_]:
    height, width = as_numbers(segmentation.get("size"), f"{where}.size", count=2)
    if height != shape[0] or width != shape[1]:
        raise LabelError(
            f"the mask is {height:g}x{width:g} pixels (height x width), its image {shape[0]}x{shape[1]}",
            where=f"{where}.size",
        )
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        return decode_counts(decompress_counts(counts, name=where), shape, name=where)
    return decode_counts(as_list(counts, f"{where}.counts"), shape, name=where)


def _ring(values: Any, where: str) -> Ring:
    numbers = as_numbers(values, where)
    if len(numbers) % 2:
        raise LabelError(f"expected pairs of x and y, got {len(numbers)} numbers", where=where)
    return np.array(numbers, dtype=np.float64).reshape(-1, 2)[:, ::-1]


def _shape_of_rle(items: Sequence[dict[str, Any]], where: str) -> Shape | None:
    """Return the size that the first RLE of some annotations states; None if there is none."""
    for item in items:
        segmentation = item.get("segmentation")
        if isinstance(segmentation, dict):
            size = as_list(segmentation.get("size"), f"{where}: size")
            if len(size) == 2:
                return as_side(size[0], f"{where}: size"), as_side(size[1], f"{where}: size")
    return None


def _objects(document: dict[str, Any], key: str, name: str) -> list[tuple[int, dict[str, Any]]]:
    items = as_list(document.get(key, []), f"{name}: {key}")
    return [(at, as_object(item, f"{name}: {key}[{at}]")) for at, item in enumerate(items)]


def _number(item: dict[str, Any], key: str, where: str) -> int:
    value = as_number(item.get(key), f"{where}.{key}")
    if value != int(value):
        raise LabelError(f"expected a whole number, got {value:g}", where=f"{where}.{key}")
    return int(value)
