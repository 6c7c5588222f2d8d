"""YOLO segmentation labels: one text file per image, a class number and a normalised polygon per line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import yaml
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.labels.annotation import FloatBox, LabelledImage, LabelledObject, ring_object
from crackseg.labels.document import as_box, as_list, as_number, as_object, as_text, decode_text
from crackseg.labels.polygon import Ring, as_triangle, trace_rings
from crackseg.labels.rle import Shape

_DIGITS = 6
_FEWEST_POINTS = 3
_BOX_WORDS = 5
_SLACK = 0.01
"""How far a share may lie outside 0 to 1; annotators let outlines cross the border a little."""
_MOST_CLASSES = 10_000
_MOST_BRACKETS = 500
"""Of a file of names; the time to read nested brackets grows with their square."""


@dataclass(frozen=True, slots=True)
class YoloObject:
    """One line of a label file.

    Attributes:
        ring: ``(N, 2)`` points ``(row, col)``, in pixels, to be filled by the rule ``touch``.
        number: Number of its class, from 0.
    """

    ring: Ring
    number: int = 0


def outline_mask(mask: NDArray[np.bool_], *, number: int = 0, simplify_px: float = 0.0) -> list[YoloObject]:
    """Return one object for each 8-connected part of a mask, its holes joined in.

    YOLO's trainers cut points to whole pixels and fill them with ``cv2.fillPoly``. The points are the centres of the
    outermost pixels, so that rounding moves none of them, and the mask comes back to the pixel.

    Args:
        mask: ``(H, W)`` mask.
        number: Number of the class, from 0.
        simplify_px: How far an outline may stray to save points, in pixels.
    """
    return [YoloObject(ring, number) for ring in trace_rings(mask, "touch", simplify_px=simplify_px)]


def encode_yolo(objects: Sequence[YoloObject], shape: Shape) -> bytes:
    """Return a label file: ``class x y x y ...``, x and y as shares of width and height; no object, no line.

    Trainers resample outlines of more than a thousand points, which tears large ones; they are better simplified.

    Args:
        objects: The lines.
        shape: Height and width ``(H, W)`` of the image, in pixels.
    """
    lines = []
    for item in objects:
        shares = np.clip(as_triangle(item.ring) / np.array(shape), 0, 1)[:, ::-1].ravel()
        lines.append(f"{item.number} {' '.join(f'{share:.{_DIGITS}f}' for share in shares.tolist())}\n")
    return "".join(lines).encode("ascii")


def encode_yolo_boxes(boxes: Sequence[tuple[int, FloatBox]], shape: Shape) -> bytes:
    """Return a label file of boxes: ``class x y width height``, the centre and size as shares of the image.

    Args:
        boxes: Number of the class, from 0, and ``(row0, col0, row1, col1)`` in pixels.
        shape: Height and width ``(H, W)`` of the image, in pixels.
    """
    lines = []
    for number, (row0, col0, row1, col1) in boxes:
        values = (col0 + col1) / 2 / shape[1], (row0 + row1) / 2 / shape[0], (col1 - col0) / shape[1], (row1 - row0)
        shares = (*values[:3], values[3] / shape[0])
        lines.append(f"{number} {' '.join(f'{share:.{_DIGITS}f}' for share in shares)}\n")
    return "".join(lines).encode("ascii")


def decode_yolo(
    data: bytes, image: str, shape: Shape, names: Sequence[str] = (), *, name: str = "YOLO"
) -> LabelledImage:
    """Read a label file of outlines, boxes, or both.

    Points that miss a whole pixel by no more than was lost when their shares were printed stand for that pixel, so that
    cutting them to whole pixels does not move them.

    Args:
        data: The whole file.
        image: Name of the image's file.
        shape: Height and width ``(H, W)`` of the image, in pixels.
        names: Names of the classes; where they end, the number is the name.
        name: What to call the file in an error.

    Raises:
        LabelError: If a line cannot be read; it names the line.
    """
    objects: list[LabelledObject] = []
    left_out: list[str] = []
    for line_number, line in enumerate(decode_text(data, name).splitlines(), start=1):
        where = f"{name}:{line_number}"
        words = line.split()
        if not words:
            continue
        values = [as_number(word, where) for word in words]
        number = int(values[0])
        if values[0] != number or number < 0:
            raise LabelError(f"expected the number of a class, got '{words[0][:20]}'", where=where)
        category = names[number] if number < len(names) else str(number)
        if len(values) == _BOX_WORDS:
            box = _box(values[1:], shape)
            if box is None:
                left_out.append("box outside the image")
            else:
                objects.append(LabelledObject(category, box))
        elif len(values) > 2 * _FEWEST_POINTS and len(values) % 2:
            objects.append(ring_object([_ring(values[1:], shape, where)], "touch", category))
        else:
            raise LabelError(
                f"expected a class and three or more pairs of x and y, or a box; got {len(values)} numbers", where=where
            )
    return LabelledImage(image, shape, tuple(objects), tuple(left_out))


def _ring(shares: Sequence[float], shape: Shape, where: str) -> Ring:
    values = np.array(shares, dtype=np.float64).reshape(-1, 2)[:, ::-1]
    wrong = np.flatnonzero(~((values >= -_SLACK) & (values <= 1 + _SLACK)).all(axis=1))
    if wrong.size:
        at = int(wrong[0])
        raise LabelError(
            f"expected shares from 0 to 1, got x {values[at, 1]:g}, y {values[at, 0]:g} as point {at + 1}",
            where=where,
            hint="divide pixels by width and height",
        )
    size = np.array(shape, dtype=np.float64)
    ring = np.clip(values, 0, 1) * size
    whole = np.round(ring)
    ring = np.where(np.abs(ring - whole) <= size * 10.0**-_DIGITS, whole, ring)
    # The border itself belongs to the last pixel.
    return np.minimum(ring, np.nextafter(size, 0))


def _box(shares: Sequence[float], shape: Shape) -> FloatBox | None:
    col, row, width, height = shares
    corners = row - height / 2, col - width / 2, row + height / 2, col + width / 2
    sides = (shape[0], shape[1], shape[0], shape[1])
    scaled = [corner * side for corner, side in zip(corners, sides, strict=True)]
    snapped = [
        round(value) if abs(value - round(value)) <= side * 10.0**-_DIGITS else value
        for value, side in zip(scaled, sides, strict=True)
    ]
    return as_box(snapped, shape)


def encode_names(names: Sequence[str]) -> bytes:
    """Return a ``data.yaml`` that names the classes, for a trainer to be pointed at."""
    content = {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(names))}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text.encode("utf-8")


def decode_names(data: bytes, *, name: str) -> list[str]:
    """Return the names of the classes from a ``data.yaml``, or from a list with a name per line.

    Raises:
        LabelError: If the file cannot be read.
    """
    text = decode_text(data, name)
    if not name.endswith((".yaml", ".yml")):
        return [line.strip() for line in text.splitlines() if line.strip()]
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        raise LabelError("holds more than names of classes", where=name)
    try:
        content = as_object(yaml.safe_load(text), name)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise LabelError("is no YAML", where=name) from error
    names = content.get("names", [])
    if isinstance(names, dict):
        numbered = {int(as_number(key, f"{name}: names")): value for key, value in names.items()}
        names = [
            numbered.get(number, str(number)) for number in range(min(max(numbered, default=-1) + 1, _MOST_CLASSES))
        ]
    return [as_text(value, f"{name}: names") for value in as_list(names, f"{name}: names")]
