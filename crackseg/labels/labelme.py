"""Read and write LabelMe annotations: one JSON file per image with polygons, boxes and masks."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
from dataclasses import replace
from typing import Any

import numpy as np

from crackseg.errors import LabelError
from crackseg.imaging.codec import decode_image, encode_png, mask_pixels
from crackseg.labels.annotation import (
    Cutout,
    LabelledImage,
    LabelledObject,
    Polygons,
    ShapeLookup,
    mask_object,
    ring_object,
)
from crackseg.labels.document import as_list, as_numbers, as_object, as_side, as_text, parse_json
from crackseg.labels.polygon import Ring, as_triangle
from crackseg.labels.runs import Shape
from crackseg.labels.shapes import FEW_POINTS, move_object, pillow_object, sort_box

_VERSION = "5.5.0"
_FEWEST_POINTS = 3
_DESCRIBED = re.compile(r"score ([01]\.[0-9]{1,9})")
_PNG_HEADER_BYTES = 24


def encode_labelme(image: LabelledImage, *, image_path: str | None = None) -> bytes:
    """Encode an image and its objects as a LabelMe file.

    Cutouts become masks, rings of the rule ``pillow`` polygons, and mere boxes of whole pixels rectangles. Rings of one
    object share a ``group_id``. The description holds the score.

    Args:
        image: The image.
        image_path: Path of the image relative to the folder of the file; the bare file name if None.

    Example:
        >>> image = LabelledImage("wall.png", (4, 6), (LabelledObject("crack", (0, 1, 2, 3)),))
        >>> decode_labelme(encode_labelme(image), lambda name: (4, 6)).objects[0].box
        (0.0, 1.0, 2.0, 3.0)
    """
    shapes: list[dict[str, Any]] = []
    for number, item in enumerate(image.objects, start=1):
        match item.outline:
            case Cutout(row0, col0, pixels):
                last = [col0 + pixels.shape[1] - 1, row0 + pixels.shape[0] - 1]
                data = base64.b64encode(encode_png(mask_pixels(pixels))).decode("ascii")
                shapes.append(_shape(item, "mask", [[col0, row0], last], mask=data))
            case Polygons(rings):
                group = number if len(rings) > 1 else None
                shapes += [_shape(item, "polygon", as_triangle(ring)[:, ::-1].tolist(), group=group) for ring in rings]
            case None:
                top, left, bottom, right = item.box
                shapes.append(_shape(item, "rectangle", [[left, top], [right - 1, bottom - 1]]))
    document: dict[str, Any] = {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image.file_name if image_path is None else image_path,
        "imageData": None,
        "imageHeight": image.shape[0],
        "imageWidth": image.shape[1],
    }
    return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode("ascii")


def _shape(
    item: LabelledObject, kind: str, points: list[list[float]], *, group: int | None = None, mask: str | None = None
) -> dict[str, Any]:
    return {
        "label": item.category,
        "points": points,
        "group_id": group,
        "description": "" if item.score is None else f"score {item.score:.3f}",
        "shape_type": kind,
        "flags": {},
        "mask": mask,
    }


def decode_labelme(
    data: bytes, shape_of: ShapeLookup, *, name: str = "LabelMe", line_width_px: float | None = None
) -> LabelledImage:
    """Parse a file of LabelMe or X-AnyLabeling.

    Polygons with the same ``group_id`` and label form one object. Every shape is drawn as LabelMe draws it; points and
    lines without a width are left out.

    Args:
        data: Content of the JSON file.
        shape_of: Lookup of the image size by name, used if the file does not state it.
        name: Name of the file in error messages.
        line_width_px: Width of lines, in pixels; None to leave them out.

    Raises:
        LabelError: If the file cannot be read; the message names the shape.
        UsageError: If the image size is unknown.
    """
    document = as_object(parse_json(data, name), name)
    image = as_text(document.get("imagePath"), f"{name}: imagePath")
    height, width = document.get("imageHeight"), document.get("imageWidth")
    if height is None or width is None:
        shape = shape_of(image)
    else:
        shape = as_side(height, f"{name}: imageHeight"), as_side(width, f"{name}: imageWidth")
    objects: list[LabelledObject] = []
    left_out: list[str] = []
    groups: dict[tuple[str, str], int] = {}
    for at, value in enumerate(as_list(document.get("shapes"), f"{name}: shapes")):
        where = f"{name}: shapes[{at}]"
        item = as_object(value, where)
        parsed = _object(item, shape, line_width_px, where)
        if isinstance(parsed, str):
            left_out.append(parsed)
        else:
            _add(objects, groups, replace(parsed, score=_score(item)), item.get("group_id"))
    return LabelledImage(image, shape, tuple(objects), tuple(left_out))


def _add(objects: list[LabelledObject], groups: dict[tuple[str, str], int], item: LabelledObject, group: Any) -> None:
    """Add an object, or its rings to the object of its group."""
    key = (item.category, str(group))
    known = groups.get(key) if group is not None else None
    if known is not None and isinstance(item.outline, Polygons):
        before = objects[known].outline
        if isinstance(before, Polygons):
            objects[known] = ring_object((*before.rings, *item.outline.rings), "pillow", item.category)
            return
    if group is not None:
        groups.setdefault(key, len(objects))
    objects.append(item)


def _score(item: dict[str, Any]) -> float | None:
    """Return the score in X-AnyLabeling's field or in our description."""
    value = item.get("score")
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    match = _DESCRIBED.fullmatch(str(item.get("description") or ""))
    return float(match[1]) if match else None


def _object(item: dict[str, Any], shape: Shape, line_width_px: float | None, where: str) -> LabelledObject | str:
    """Return an object, or the reason why it cannot be drawn."""
    category = as_text(item.get("label"), f"{where}.label")
    kind = item.get("shape_type") or "polygon"
    points = as_list(item.get("points"), f"{where}.points")
    ring = np.array([as_numbers(point, f"{where}.points[{at}]", count=2) for at, point in enumerate(points)])
    ring = ring.reshape(-1, 2)[:, ::-1].astype(np.float64)
    match kind:
        case "polygon" | "rotation" | "quadrilateral" | "oriented_rectangle":
            return FEW_POINTS if len(ring) < _FEWEST_POINTS else ring_object([ring], "pillow", category)
        case "rectangle":
            return _rectangle(ring, shape, category, where)
        case "mask":
            return _mask(item, ring, shape, category, where)
        case "circle":
            return _circle(ring, shape, category, where)
        case "line" | "linestrip":
            return _line(ring, shape, line_width_px, category) or str(kind)
        case _:
            return str(kind)[:20]


def _rectangle(ring: Ring, shape: Shape, category: str, where: str) -> LabelledObject | str:
    """Read a rectangle, which holds the pixels of both corners."""
    if len(ring) < 2:
        raise LabelError(
            f"expected two corners, got {len(ring)} points", where=f"{where}.points", hint="draw the rectangle again"
        )
    low, high = np.trunc(ring.min(axis=0)), np.trunc(ring.max(axis=0)) + 1
    box = sort_box((float(low[0]), float(low[1]), float(high[0]), float(high[1])), shape)[0]
    return box if isinstance(box, str) else LabelledObject(category, box)


def _circle(ring: Ring, shape: Shape, category: str, where: str) -> LabelledObject | str:
    """Read a circle from its centre and a point on it."""
    if len(ring) != 2:
        raise LabelError(
            f"expected the centre and a point of the circle, got {len(ring)} points",
            where=f"{where}.points",
            hint="draw the circle again",
        )
    (row, col), (row1, col1) = ring.tolist()
    radius = math.hypot(row1 - row, col1 - col)
    if not max(abs(row), abs(col), radius) <= 4 * max(shape):
        return "circle outside the image"
    box = col - radius, row - radius, col + radius, row + radius
    item = pillow_object(lambda draw: draw.ellipse(box, outline=1, fill=1), shape, category)
    return item or "circle outside the image"


def _line(ring: Ring, shape: Shape, width_px: float | None, category: str) -> LabelledObject | None:
    if width_px is None or len(ring) < 2 or not (np.abs(ring) <= 4 * max(shape)).all():
        return None
    points = [(col, row) for row, col in ring.tolist()]
    width = max(1, round(width_px))
    return pillow_object(lambda draw: draw.line(points, fill=1, width=width), shape, category)


def _mask(item: dict[str, Any], ring: Ring, shape: Shape, category: str, where: str) -> LabelledObject | str:
    """Read a mask, whose two points are its first and last pixel."""
    if len(ring) != 2:
        raise LabelError(
            f"expected two points, the first and last pixel of the mask, got {len(ring)}",
            where=f"{where}.points",
            hint="draw the mask again",
        )
    (row0, col0), (row1, col1) = np.trunc(ring).astype(np.int64).tolist()
    try:
        data = base64.b64decode(as_text(item.get("mask"), f"{where}.mask"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise LabelError(f"not valid base64 ({error})", where=f"{where}.mask", hint="draw the mask again") from error
    size = _png_size(data, f"{where}.mask")
    if size != (row1 - row0 + 1, col1 - col0 + 1):
        raise LabelError(
            f"expected a mask of {row1 - row0 + 1}x{col1 - col0 + 1} pixels (height x width) between its two points,"
            f" got {size[0]}x{size[1]}",
            where=f"{where}.mask",
            hint="draw the mask again",
        )
    if row0 < 0 or col0 < 0 or row1 >= shape[0] or col1 >= shape[1]:
        raise LabelError(
            f"the mask reaches beyond the image of {shape[0]}x{shape[1]} pixels (height x width)",
            where=f"{where}.points",
            hint="check imageHeight and imageWidth",
        )
    pixels = decode_image(data, name=f"{where}.mask")[..., 0] > 0
    local = mask_object(pixels, category)
    return "mask without a pixel" if local is None else move_object(local, row0, col0)


def _png_size(data: bytes, where: str) -> tuple[int, int]:
    """Return height and width from the header of a PNG."""
    if len(data) < _PNG_HEADER_BYTES or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise LabelError("expected a PNG image in base64, got other data", where=where, hint="draw the mask again")
    width, height = struct.unpack(">II", data[16:_PNG_HEADER_BYTES])
    return height, width
