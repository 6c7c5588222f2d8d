"""Read the region of a COCO annotation: an RLE, polygons in several spellings, or a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.labels.annotation import LabelledObject, mask_object, ring_object
from crackseg.labels.counts import decode_counts, decompress_counts
from crackseg.labels.document import as_list, as_number, as_numbers
from crackseg.labels.polygon import Ring
from crackseg.labels.runs import Shape
from crackseg.labels.shapes import BOX_FLAT, CORNERS_SORTED, FEW_POINTS, holds_area, sort_box

_FEWEST_NUMBERS = 6


def read_region(
    item: dict[str, Any], category: str, shape: Shape, mended: list[str], *, where: str
) -> LabelledObject | str:
    """Read the region of an annotation.

    Where the segmentation holds no area, the box counts.

    Args:
        item: The annotation.
        category: Name of its class.
        shape: Height and width ``(H, W)`` of the image, in pixels.
        mended: List that receives the kinds of mistakes that were corrected.
        where: Place of the annotation in error messages.

    Returns:
        Object, or the reason why it cannot be drawn.

    Raises:
        LabelError: If the annotation is malformed; the message names the field.
    """
    region = _outline(item.get("segmentation"), category, shape, f"{where}.segmentation")
    if isinstance(region, str):
        box = _box(item, category, shape, mended, where)
        region = region if box == BOX_FLAT and region else box
    if isinstance(region, str):
        return region or ("keypoints" if "keypoints" in item else "annotation without region")
    score = item.get("score")
    return replace(
        region,
        score=None if score is None else as_number(score, f"{where}.score"),
        iscrowd=item.get("iscrowd") in (1, True, "1"),
    )


def _box(item: dict[str, Any], category: str, shape: Shape, mended: list[str], where: str) -> LabelledObject | str:
    """Read the box of an annotation; without one, return an empty text."""
    if not item.get("bbox"):
        return BOX_FLAT if item.get("segmentation") else ""
    col, row, width, height = as_numbers(item["bbox"], f"{where}.bbox", count=4)
    box, swapped = sort_box((row, col, row + height, col + width), shape)
    mended += [CORNERS_SORTED] if swapped else []
    return box if isinstance(box, str) else LabelledObject(category, box)


def _outline(segmentation: Any, category: str, shape: Shape, where: str) -> LabelledObject | str:
    """Read an outline; without area, return the reason or an empty text."""
    if not segmentation:
        return ""
    if isinstance(segmentation, dict):
        return mask_object(_mask(segmentation, shape, where), category) or "mask without a pixel"
    rings = [ring for ring in read_rings(segmentation, where) if holds_area(ring)]
    return ring_object(rings, "centre", category) if rings else FEW_POINTS


def read_rings(segmentation: Any, where: str) -> list[Ring]:
    """Read the rings of a segmentation.

    Besides COCO's list of flat rings, one flat ring and rings of ``[x, y]`` pairs are read.

    Returns:
        Rings, each ``(N, 2)`` float64 points ``(row, col)``, in pixels.

    Raises:
        LabelError: If the value is no such list; the message names the entry.
    """
    parts = as_list(segmentation, where)
    if len(parts) >= _FEWEST_NUMBERS and not any(isinstance(part, list) for part in parts):
        return [_ring(parts, where)]
    if len(parts) > 2 and all(_is_pair(part) for part in parts):
        return [_ring([value for pair in parts for value in pair], where)]
    rings = []
    for at, part in enumerate(parts):
        values = as_list(part, f"{where}[{at}]")
        if values and all(_is_pair(value) for value in values):
            values = [number for pair in values for number in pair]
        rings.append(_ring(values, f"{where}[{at}]"))
    return rings


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and not any(isinstance(number, list) for number in value)


def _mask(segmentation: dict[str, Any], shape: Shape, where: str) -> NDArray[np.bool_]:
    height, width = as_numbers(segmentation.get("size"), f"{where}.size", count=2)
    if height != shape[0] or width != shape[1]:
        raise LabelError(
            f"expected the image size {shape[0]}x{shape[1]} (height x width), got {height:g}x{width:g}",
            where=f"{where}.size",
            hint="correct the size of the RLE or of the image",
        )
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        return decode_counts(decompress_counts(counts, name=where), shape, name=where)
    whole = [_as_int(count) for count in as_list(counts, f"{where}.counts")]
    return decode_counts(whole, shape, name=where)


def _as_int(value: Any) -> Any:
    """Return a whole float as an int."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _ring(values: Sequence[Any], where: str) -> Ring:
    numbers = as_numbers(list(values), where)
    if len(numbers) % 2:
        raise LabelError(
            f"expected pairs of x and y, got {len(numbers)} numbers", where=where, hint="check for a missing coordinate"
        )
    return np.array(numbers, dtype=np.float64).reshape(-1, 2)[:, ::-1]
