"""Read and write Label Studio tasks: one JSON file per project, coordinates in percent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, LabelError
from crackseg.labels.annotation import (
    SUFFIXES,
    Cutout,
    LabelledImage,
    LabelledObject,
    Polygons,
    ShapeLookup,
    draw_object,
    full_name,
    mask_object,
    ring_object,
)
from crackseg.labels.brush import decode_brush, encode_brush
from crackseg.labels.document import as_list, as_number, as_numbers, as_object, as_side, as_text, parse_json
from crackseg.labels.polygon import as_triangle
from crackseg.labels.runs import Shape
from crackseg.labels.shapes import CORNERS_SORTED, FEW_POINTS, ellipse_object, line_object, rotate_points, sort_box

_KINDS = {
    "brush": "brushlabels",
    "polygon": "polygonlabels",
    "rectangle": "rectanglelabels",
    "ellipse": "ellipselabels",
    "vector": "vectorlabels",
}
_NO_REGIONS = frozenset(
    {"choices", "datetime", "number", "pairwise", "ranker", "rating", "relation", "taxonomy", "textarea"}
)
"""Types of results that classify an image or describe a region."""
_FEWEST_POINTS = 3
NOT_LABELLED = "task that nobody labelled"


def encode_label_studio_task(image: LabelledImage, number: int) -> bytes:
    """Encode an image as the JSON of a task.

    Cutouts become brushes, rings of the rule ``touch`` polygons, and mere boxes rectangles. Each ring becomes a region.
    The labelling configuration must name its image ``image`` and its labels ``label``.

    Args:
        image: The image.
        number: Task id, from 1.
    """
    annotation = {"id": number, "was_cancelled": False, "result": _results(image, number)}
    task = {"id": number, "data": {"image": full_name(image)}, "annotations": [annotation]}
    return json.dumps(task, ensure_ascii=True).encode("ascii")


def encode_label_studio(tasks: Sequence[bytes]) -> bytes:
    """Encode tasks from `encode_label_studio_task` as a JSON file.

    Example:
        >>> image = LabelledImage("wall.png", (4, 8), (LabelledObject("crack", (0, 1, 2, 3)),))
        >>> data = encode_label_studio([encode_label_studio_task(image, 1)])
        >>> [(name, task)] = decode_label_studio(data)
        >>> read_label_studio_task(name, task, lambda name: (4, 8), name="tasks.json").objects[0].box
        (0.0, 1.0, 2.0, 3.0)
    """
    return b"[" + b",\n".join(tasks) + b"]\n"


def _results(image: LabelledImage, task: int) -> list[dict[str, Any]]:
    regions: list[tuple[str, str, dict[str, Any]]] = []
    height, width = image.shape
    for item in image.objects:
        match item.outline:
            case Cutout():
                rle = encode_brush(draw_object(item, image.shape))
                regions.append(("brushlabels", item.category, {"format": "rle", "rle": rle}))
            case Polygons(rings):
                percent = [(100 * as_triangle(ring) / (height, width))[:, ::-1].tolist() for ring in rings]
                regions += [("polygonlabels", item.category, {"points": points, "closed": True}) for points in percent]
            case None:
                row0, col0, row1, col1 = item.box
                value = {
                    "x": 100 * col0 / width,
                    "y": 100 * row0 / height,
                    "width": 100 * (col1 - col0) / width,
                    "height": 100 * (row1 - row0) / height,
                    "rotation": 0,
                }
                regions.append(("rectanglelabels", item.category, value))
    return [
        {
            "id": f"{task}-{number}",
            "type": kind,
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {**value, kind: [category]},
        }
        for number, (kind, category, value) in enumerate(regions, start=1)
    ]


def decode_label_studio(data: bytes, *, name: str = "Label Studio") -> list[tuple[str, dict[str, Any]]]:
    """Parse an export into image names and tasks for `read_label_studio_task`.

    Args:
        data: Content of the JSON file.
        name: Name of the file in error messages.

    Raises:
        LabelError: If the file is not an export of Label Studio; the message names the task.
    """
    content = parse_json(data, name)
    tasks = as_list([content] if isinstance(content, dict) else content, name)
    return [(_image_name(task, f"{name}: [{at}]"), as_object(task, f"{name}: [{at}]")) for at, task in enumerate(tasks)]


def _image_name(task: Any, where: str) -> str:
    """Return the path of a task's image from its address."""
    data = as_object(as_object(task, where).get("data"), f"{where}.data")
    named = [key for key, value in data.items() if isinstance(value, str)]
    images = [key for key in named if _is_image(_path_of(data[key]) or "")]
    preferred = [key for key in (*_targets(task), "image", *images, *named) if key in data]
    chosen = next((key for key in preferred if key in images), next(iter(preferred), None))
    if chosen is None:
        raise LabelError("the task names no image", where=f"{where}.data", hint="export as JSON, not as JSON-MIN")
    address = as_text(data[chosen], f"{where}.data.{chosen}")
    path = _path_of(address)
    if path is None:
        raise LabelError(
            f"expected the address of an image, got {address[:40]!r}",
            where=f"{where}.data.{chosen}",
            hint="correct the address",
        )
    return path if PurePosixPath(path).name else address


def _targets(task: dict[str, Any]) -> list[str]:
    """Return the fields that the regions of a task name."""
    annotations = task.get("annotations") or task.get("completions")
    names = []
    for annotation in annotations if isinstance(annotations, list) else []:
        results = annotation.get("result") if isinstance(annotation, dict) else None
        for region in results if isinstance(results, list) else []:
            if isinstance(region, dict) and isinstance(region.get("to_name"), str):
                names.append(region["to_name"])
    return list(dict.fromkeys(names))


def _is_image(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in SUFFIXES


def _path_of(address: str) -> str | None:
    """Return the path in an address; None if it is no address."""
    try:
        parts = urlsplit(address)
        # Files on the server's own disk have the address /data/local-files/?d=folder/image.jpg.
        local = parse_qs(parts.query).get("d", [""])[0]
    except ValueError:
        return None
    return local or (unquote(parts.path) if parts.scheme or parts.query else address)


def read_label_studio_task(
    image: str, task: dict[str, Any], shape_of: ShapeLookup, *, name: str, line_width_px: float | None = None
) -> LabelledImage:
    """Read the image and objects of a task.

    The objects come from the annotation that is marked ``ground_truth``, or else from the first with regions that was
    not cancelled. Further annotations are passed over. A task without annotation counts as left out, and so do points.

    Args:
        image: Name of the image.
        task: Its task from `decode_label_studio`.
        shape_of: Lookup of the image size by name, used if no region states it.
        name: Name of the file in error messages.
        line_width_px: Width of open vectors, in pixels; None to leave them out.

    Raises:
        LabelError: If a region cannot be read; the message names the region.
        UsageError: If the image size is unknown.
    """
    where = f"{name}: image '{image}'"
    key = "annotations" if "annotations" in task else "completions"
    annotations = [as_object(item, f"{where}: {key}") for item in as_list(task.get(key, []), f"{where}: {key}")]
    valid = [item for item in annotations if not item.get("was_cancelled")]
    regions = _choose(valid, where)
    shape = _shape(regions, image, shape_of, where) if valid else _shape_of_unlabelled(image, shape_of)
    labels = _separate_labels(regions)
    objects: list[LabelledObject] = []
    left_out = [] if valid else [NOT_LABELLED]
    passed_over = ["further annotation"] * (len(valid) - 1)
    mended: list[str] = []
    for at, region in enumerate(regions):
        parsed = _object(region, labels, shape, f"{where}: result[{at}]", mended, line_width_px)
        if isinstance(parsed, LabelledObject):
            objects.append(parsed)
        elif parsed in _NO_REGIONS:
            passed_over.append(parsed)
        elif parsed:
            left_out.append(parsed)
    return LabelledImage(image, shape, tuple(objects), tuple(left_out), tuple(passed_over), tuple(mended))


def _choose(annotations: Sequence[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    """Return the results of the annotation that counts."""
    results = []
    for annotation in annotations:
        values = as_list(annotation.get("result", []), f"{where}: result")
        results.append([as_object(item, f"{where}: result[{at}]") for at, item in enumerate(values)])
    chosen = [at for at, annotation in enumerate(annotations) if annotation.get("ground_truth") is True]
    chosen += [
        at for at, group in enumerate(results) if any(str(item.get("type")) not in _NO_REGIONS for item in group)
    ]
    return results[(chosen or [0])[0]] if results else []


def _shape(regions: Sequence[dict[str, Any]], image: str, shape_of: ShapeLookup, where: str) -> Shape:
    for region in regions:
        height, width = region.get("original_height"), region.get("original_width")
        if height is not None and width is not None:
            return as_side(height, f"{where}: original_height"), as_side(width, f"{where}: original_width")
    return shape_of(image)


def _shape_of_unlabelled(image: str, shape_of: ShapeLookup) -> Shape:
    """Return the size of an image, 0x0 if it is unknown."""
    try:
        return shape_of(image)
    except CracksegError:
        return 0, 0


def _separate_labels(regions: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the labels that are stored as separate results, by region id."""
    label_of = {}
    for region in regions:
        labels = region.get("value", {}).get("labels") if isinstance(region.get("value"), dict) else None
        if region.get("type") == "labels" and isinstance(labels, list) and labels:
            label_of[str(region.get("id"))] = str(labels[0])
    return label_of


def _object(
    region: dict[str, Any],
    labels: dict[str, str],
    shape: Shape,
    where: str,
    mended: list[str],
    line_width_px: float | None,
) -> LabelledObject | str:
    """Return an object, the reason against it, or an empty text."""
    type_ = as_text(region.get("type"), f"{where}.type").lower()
    kind = _KINDS.get(type_, type_)
    if kind == "labels":
        return ""
    if kind not in _KINDS.values():
        return type_[:20] or "region without a type"
    value = as_object(region.get("value"), f"{where}.value")
    names = value.get(kind)
    category = str(names[0]) if isinstance(names, list) and names else labels.get(str(region.get("id")), "object")
    if as_number(region.get("image_rotation", 0), f"{where}.image_rotation"):
        raise LabelError(
            "the image was rotated in the editor, which is not supported", where=where, hint="label it unrotated"
        )
    if kind == "brushlabels":
        rle = as_list(value.get("rle"), f"{where}.value.rle")
        return mask_object(decode_brush(rle, shape, name=f"{where}.value.rle"), category) or "brush without a pixel"
    if kind == "polygonlabels":
        points = as_list(value.get("points"), f"{where}.value.points")
        percent = [as_numbers(point, f"{where}.value.points[{at}]", count=2) for at, point in enumerate(points)]
        return _polygon(percent, shape, category)
    if kind == "vectorlabels":
        return _vector(value, shape, category, line_width_px, where)
    if kind == "ellipselabels":
        keys = ("y", "x", "radiusY", "radiusX")
        row, col, down, across = (as_number(value.get(key), f"{where}.value.{key}") / 100 for key in keys)
        angle_deg = as_number(value.get("rotation", 0), f"{where}.value.rotation")
        height, width = shape
        return ellipse_object((row * height, col * width), (down * height, across * width), angle_deg, shape, category)
    return _rectangle(value, shape, category, where, mended)


def _polygon(percent: Sequence[Sequence[float]], shape: Shape, category: str) -> LabelledObject | str:
    if len(percent) < _FEWEST_POINTS:
        return FEW_POINTS
    ring = np.array(percent, dtype=np.float64)[:, ::-1] * shape / 100
    return ring_object([_snap(ring)], "touch", category)


def _vector(
    value: dict[str, Any], shape: Shape, category: str, line_width_px: float | None, where: str
) -> LabelledObject | str:
    """Read a vector as a polygon if closed, as a line otherwise."""
    vertices = [
        as_object(item, f"{where}.value.vertices[{at}]")
        for at, item in enumerate(as_list(value.get("vertices"), f"{where}.value.vertices"))
    ]
    if any(vertex.get("isBezier") for vertex in vertices):
        return "curved vector"
    keys = ("x", "y")
    percent = [
        [as_number(vertex.get(key), f"{where}.value.vertices[{at}].{key}") for key in keys]
        for at, vertex in enumerate(vertices)
    ]
    if value.get("closed"):
        return _polygon(percent, shape, category)
    points = np.array(percent, dtype=np.float64).reshape(-1, 2)[:, ::-1] * shape / 100
    return line_object(points, line_width_px, category, kind="vector")


def _snap(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round coordinates that differ from a whole number only by rounding error."""
    whole = np.round(points)
    return np.where(np.abs(points - whole) < 1e-6, whole, points)


def _rectangle(
    value: dict[str, Any], shape: Shape, category: str, where: str, mended: list[str]
) -> LabelledObject | str:
    """Read a rectangle; a rotated one becomes a polygon."""
    keys = ("y", "x", "height", "width")
    row, col, height, width = (as_number(value.get(key), f"{where}.value.{key}") / 100 for key in keys)
    size = np.array(shape, dtype=np.float64)
    first, last = np.array([row, col]) * size, np.array([row + height, col + width]) * size
    angle_deg = as_number(value.get("rotation", 0), f"{where}.value.rotation")
    if angle_deg:  # The rotation is about the upper left corner.
        corners = np.array([first, (first[0], last[1]), last, (last[0], first[1])])
        return ring_object([rotate_points(corners, (first[0], first[1]), angle_deg)], "touch", category)
    low, high = _snap(first), _snap(last)
    box, swapped = sort_box((float(low[0]), float(low[1]), float(high[0]), float(high[1])), shape)
    mended += [CORNERS_SORTED] if swapped else []
    return box if isinstance(box, str) else LabelledObject(category, box)
