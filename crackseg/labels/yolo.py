"""Read and write YOLO segmentation labels: one text file per image, one polygon per line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import yaml
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.labels.annotation import FloatBox, LabelledImage, LabelledObject, ring_object
from crackseg.labels.document import as_list, as_number, as_object, as_text, decode_text
from crackseg.labels.polygon import Ring, as_triangle, trace_rings
from crackseg.labels.runs import Shape
from crackseg.labels.shapes import CORNERS_SORTED, sort_box

_DIGITS = 6
_FEWEST_POINTS = 3
_BOX_WORDS = 5
_SLACK = 0.01
"""Tolerance for coordinates outside [0, 1]; hand-drawn outlines cross the image border a little."""
_MOST_CLASSES = 10_000
_MOST_BRACKETS = 500
"""Limit on brackets in a file of class names; the time to parse nested brackets grows with their square."""


@dataclass(frozen=True, slots=True)
class YoloObject:
    """One line of a label file.

    Attributes:
        ring: ``(N, 2)`` float64 points ``(row, col)``, in pixels, filled by the rule ``touch``.
        number: Class number, from 0.
    """

    ring: Ring
    number: int = 0


def outline_mask(mask: NDArray[np.bool_], *, number: int = 0, simplify_px: float = 0.0) -> list[YoloObject]:
    """Trace each 8-connected component of a mask as one object, holes included.

    YOLO trainers truncate points to whole pixels and fill them with ``cv2.fillPoly``. The points are the centres of the
    outermost pixels, which rounding does not move, so that the trainer restores the mask exactly.

    Args:
        mask: ``(H, W)`` bool mask.
        number: Class number, from 0.
        simplify_px: Largest deviation of an outline when points are removed, in pixels.

    Example:
        >>> mask = np.eye(4, dtype=np.bool_)
        >>> decode_yolo(encode_yolo(outline_mask(mask), (4, 4)), "wall.png", (4, 4)).objects[0].box
        (0.0, 0.0, 4.0, 4.0)
    """
    return [YoloObject(ring, number) for ring in trace_rings(mask, "touch", simplify_px=simplify_px)]


def encode_yolo(objects: Sequence[YoloObject], shape: Shape) -> bytes:
    """Encode polygons as a label file with lines ``class x y x y ...``.

    The coordinates are fractions of width and height. Trainers resample outlines of more than a thousand points, which
    damages large ones; simplify those.

    Args:
        objects: Objects, one per line.
        shape: Height and width ``(H, W)`` of the image, in pixels.

    Example:
        >>> square = np.array([[0.0, 0.0], [0.0, 3.0], [3.0, 3.0], [3.0, 0.0]])
        >>> encode_yolo([YoloObject(square)], (4, 6)).decode().split()[:5]
        ['0', '0.000000', '0.000000', '0.500000', '0.000000']
    """
    lines = []
    for item in objects:
        shares = np.clip(as_triangle(item.ring) / np.array(shape), 0, 1)[:, ::-1].ravel()
        lines.append(f"{item.number} {' '.join(f'{share:.{_DIGITS}f}' for share in shares.tolist())}\n")
    return "".join(lines).encode("ascii")


def encode_yolo_boxes(boxes: Sequence[tuple[int, FloatBox]], shape: Shape) -> bytes:
    """Encode boxes as a label file with lines ``class x y width height``.

    Centre and size are fractions of the image's width and height.

    Args:
        boxes: Class number, from 0, and box ``(row0, col0, row1, col1)``, half-open, in pixels.
        shape: Height and width ``(H, W)`` of the image, in pixels.

    Example:
        >>> encode_yolo_boxes([(0, (0, 0, 2, 3))], (4, 6)).decode().split()
        ['0', '0.250000', '0.250000', '0.500000', '0.500000']
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
    """Parse a label file of polygons, boxes or both.

    Coordinates within printing precision of a whole pixel are rounded to it, so that truncation does not move them.

    Args:
        data: Content of the label file.
        image: File name of the image.
        shape: Height and width ``(H, W)`` of the image, in pixels.
        names: Names of the classes; a class without a name is named by its number.
        name: Name of the label file in error messages.

    Raises:
        LabelError: If a line cannot be read; the message names the line.

    Example:
        >>> decode_yolo(b"0 0.5 0.5 1 0.5", "wall.png", (4, 6), ["crack"]).objects[0].box
        (1, 0, 3, 6)
    """
    objects: list[LabelledObject] = []
    left_out: list[str] = []
    mended: list[str] = []
    for line_number, line in enumerate(decode_text(data, name).splitlines(), start=1):
        where = f"{name}:{line_number}"
        words = line.split()
        if not words:
            continue
        values = [as_number(word, where) for word in words]
        number = int(values[0])
        if values[0] != number or number < 0:
            raise LabelError(
                f"expected a class number of 0 or more, got '{words[0][:20]}'", where=where, hint="correct the line"
            )
        category = names[number] if number < len(names) else str(number)
        score = _score(values, where)
        if len(values) == _BOX_WORDS:
            box, swapped = _box(values[1:], shape)
            mended += [CORNERS_SORTED] if swapped else []
            if isinstance(box, str):
                left_out.append(box)
            else:
                objects.append(LabelledObject(category, box, score=score))
        else:
            item = ring_object([_ring(values[1:], shape, where)], "touch", category)
            objects.append(replace(item, score=score))
    return LabelledImage(image, shape, tuple(objects), tuple(left_out), mended=tuple(mended))


def _score(values: list[float], where: str) -> float | None:
    """Take the confidence off the end of a line, if any.

    Raises:
        LabelError: If the numbers are neither a box nor points, with or without a confidence.
    """
    if len(values) == _BOX_WORDS or (len(values) > 2 * _FEWEST_POINTS and len(values) % 2):
        return None
    if len(values) in (_BOX_WORDS + 1, *range(2 * _FEWEST_POINTS + 2, len(values) + 1, 2)):
        if 0 <= values[-1] <= 1:
            return values.pop()
        raise LabelError(
            f"expected a confidence from 0 to 1 at the end of the line, got {values[-1]:g}",
            where=where,
            hint="correct the line",
        )
    raise LabelError(
        f"expected a class number with a box (4 numbers) or with 3 or more points (x and y each),"
        f" and at most a confidence after them; got {len(values)} numbers in all",
        where=where,
        hint="correct the line",
    )


def _ring(shares: Sequence[float], shape: Shape, where: str) -> Ring:
    values = np.array(shares, dtype=np.float64).reshape(-1, 2)[:, ::-1]
    wrong = np.flatnonzero(~((values >= -_SLACK) & (values <= 1 + _SLACK)).all(axis=1))
    if wrong.size:
        at = int(wrong[0])
        raise LabelError(
            f"expected x and y from 0 to 1, got x {values[at, 1]:g}, y {values[at, 0]:g} as point {at + 1}",
            where=where,
            hint="divide pixel coordinates by width and height",
        )
    size = np.array(shape, dtype=np.float64)
    ring = np.clip(values, 0, 1) * size
    whole = np.round(ring)
    ring = np.where(np.abs(ring - whole) <= size * 10.0**-_DIGITS, whole, ring)
    # The border itself belongs to the last pixel.
    return np.minimum(ring, np.nextafter(size, 0))


def _box(shares: Sequence[float], shape: Shape) -> tuple[FloatBox | str, bool]:
    col, row, width, height = shares
    corners = row - height / 2, col - width / 2, row + height / 2, col + width / 2
    sides = (shape[0], shape[1], shape[0], shape[1])
    scaled = [corner * side for corner, side in zip(corners, sides, strict=True)]
    snapped = [
        round(value) if abs(value - round(value)) <= side * 10.0**-_DIGITS else value
        for value, side in zip(scaled, sides, strict=True)
    ]
    return sort_box(snapped, shape)


def encode_names(names: Sequence[str]) -> bytes:
    """Encode class names as a ``data.yaml`` for YOLO trainers.

    Example:
        >>> decode_names(encode_names(["crack", "spall"]), name="data.yaml")
        ['crack', 'spall']
    """
    content = {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(names))}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text.encode("utf-8")


def decode_names(data: bytes, *, name: str) -> list[str]:
    """Parse class names from a ``data.yaml`` or a plain list.

    A plain list holds one name per line.

    Args:
        data: Content of the file.
        name: Name of the file; its suffix decides the form.

    Raises:
        LabelError: If the file cannot be read.
    """
    text = decode_text(data, name)
    if not name.endswith((".yaml", ".yml")):
        return [line.strip() for line in text.splitlines() if line.strip()]
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        raise LabelError(
            f"expected class names, got a file with more than {_MOST_BRACKETS} brackets",
            where=name,
            hint="keep only 'names' in the file",
        )
    try:
        content = as_object(yaml.safe_load(text), name)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise LabelError("not valid YAML", where=name, hint="check the file") from error
    names = content.get("names", [])
    if isinstance(names, dict):
        numbered = {int(as_number(key, f"{name}: names")): value for key, value in names.items()}
        names = [
            numbered.get(number, str(number)) for number in range(min(max(numbered, default=-1) + 1, _MOST_CLASSES))
        ]
    return [as_text(value, f"{name}: names") for value in as_list(names, f"{name}: names")]
