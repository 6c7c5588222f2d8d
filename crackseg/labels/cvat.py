"""Read and write CVAT for images 1.1, and read CVAT for video: one XML file per task."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence

import numpy as np
from lxml import etree

from crackseg.errors import LabelError, display_text
from crackseg.labels.annotation import (
    Cutout,
    LabelledImage,
    LabelledObject,
    Polygons,
    ShapeLookup,
    box_ring,
    full_name,
    mask_object,
    ring_object,
)
from crackseg.labels.counts import decode_counts, encode_counts
from crackseg.labels.document import as_number, as_side, parse_xml
from crackseg.labels.polygon import Ring
from crackseg.labels.runs import Shape, parse_numbers
from crackseg.labels.shapes import (
    BOX_FLAT,
    CORNERS_SORTED,
    FEW_POINTS,
    ellipse_object,
    holds_area,
    line_object,
    move_object,
    rotate_points,
    sort_box,
)

_SHAPES = ("mask", "polygon", "box", "ellipse", "polyline", "points", "cuboid", "skeleton")
_PASSED_OVER = ("tag",)


def encode_cvat_image(image: LabelledImage, number: int) -> bytes:
    """Encode an image as the XML element of a CVAT task.

    Cutouts become masks, rings of the rule ``centre`` polygons, and mere boxes stay boxes.

    Args:
        image: The image. Each polygon must have a single ring, because CVAT's polygons have no parts.
        number: Index of the image in the task, from 0.

    Source:
        CVAT documentation, "CVAT for images 1.1"; cvat-ai/cvat issue 6487 for the mask.
    """
    attributes = {
        "id": str(number),
        "name": display_text(full_name(image)),
        "width": str(image.shape[1]),
        "height": str(image.shape[0]),
    }
    element = etree.Element("image", attributes)
    for item in image.objects:
        _add_object(element, item)
    return etree.tostring(element, encoding="utf-8")


def encode_cvat_xml(images: Sequence[bytes], categories: Sequence[str]) -> bytes:
    """Encode a task as a CVAT XML file.

    Args:
        images: Image elements from `encode_cvat_image`.
        categories: Names of the classes.

    Example:
        >>> image = LabelledImage("wall.png", (4, 6), (LabelledObject("crack", (0, 1, 2, 3)),))
        >>> data = encode_cvat_xml([encode_cvat_image(image, 0)], ["crack"])
        >>> [(name, element)] = decode_cvat_xml(data)
        >>> read_cvat_image(name, element, lambda name: (4, 6), name="task.xml").objects[0].box
        (0.0, 1.0, 2.0, 3.0)
    """
    meta = etree.Element("meta")
    labels = etree.SubElement(etree.SubElement(meta, "task"), "labels")
    for category in categories:
        label = etree.SubElement(labels, "label")
        etree.SubElement(label, "name").text = display_text(category)
        etree.SubElement(label, "attributes")
    lines = [
        b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>',
        b"<version>1.1</version>",
        etree.tostring(meta, encoding="utf-8"),
        *images,
        b"</annotations>\n",
    ]
    return b"\n".join(lines)


def _add_object(parent: etree._Element, item: LabelledObject) -> None:
    common = {"label": display_text(item.category), "source": "manual", "occluded": "0"}
    match item.outline:
        case Cutout(row0, col0, pixels):
            specific = {
                "rle": ", ".join(map(str, encode_counts(pixels, order="row").tolist())),
                "left": str(col0),
                "top": str(row0),
                "width": str(pixels.shape[1]),
                "height": str(pixels.shape[0]),
            }
            kind = "mask"
        case Polygons(rings):
            points = ";".join(f"{_plain(col)},{_plain(row)}" for ring in rings for row, col in ring.tolist())
            kind, specific = "polygon", {"points": points}
        case None:
            top, left, bottom, right = (_plain(side) for side in item.box)
            kind, specific = "box", {"xtl": left, "ytl": top, "xbr": right, "ybr": bottom}
    etree.SubElement(parent, kind, {**common, **specific, "z_order": "0"})


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def decode_cvat_xml(data: bytes, *, name: str = "CVAT") -> list[tuple[str, etree._Element]]:
    """Parse a CVAT file into image names and elements for `read_cvat_image`.

    Frames of a video have no names; they are named ``frame_000010`` and so on, like the files that CVAT exports.

    Args:
        data: Content of the XML file.
        name: Name of the file in error messages.

    Raises:
        LabelError: If the file is not a CVAT file, or an image has no name.
    """
    root = parse_xml(data, name, root="annotations")
    images = [(image.get("name", ""), image) for image in root.findall("image")]
    for number, (image_name, _) in enumerate(images, start=1):
        if not image_name:
            raise LabelError("the image has no name", where=f"{name}: image {number}", hint="add the attribute 'name'")
    return _distinguish(images) + _frames(root, name)


def _distinguish(images: list[tuple[str, etree._Element]]) -> list[tuple[str, etree._Element]]:
    """Prefix repeated names with the subset, or else the task."""
    counts = Counter(name for name, _ in images)
    subsets = Counter((name, image.get("subset")) for name, image in images)
    named = []
    for name, image in images:
        subset, task = image.get("subset"), image.get("task_id")
        if counts[name] > 1 and subset and subsets[name, subset] == 1:
            name = f"{subset}/{name}"  # noqa: PLW2901
        elif counts[name] > 1 and task:
            name = f"task_{task}/{name}"  # noqa: PLW2901
        named.append((name, image))
    return named


def _frames(root: etree._Element, name: str) -> list[tuple[str, etree._Element]]:
    """Return the frames of a video as image elements, by frame."""
    size = root.find("meta/task/original_size")
    frames: dict[int, etree._Element] = {}
    for track in root.findall("track"):
        for shape in track:
            where = f"{name}: track {track.get('id')}"
            frame = int(as_number(shape.get("frame"), f"{where}: frame"))
            if frame not in frames:
                frames[frame] = etree.Element("image")
                for side in ("width", "height"):
                    frames[frame].set(side, "" if size is None else size.findtext(side) or "")
            if shape.get("outside") != "1":
                copied = copy.copy(shape)
                copied.set("label", track.get("label", ""))
                frames[frame].append(copied)
    return [(f"frame_{frame:06d}", frames[frame]) for frame in sorted(frames)]


def read_cvat_image(
    image_name: str, element: etree._Element, shape_of: ShapeLookup, *, name: str, line_width_px: float | None = None
) -> LabelledImage:
    """Read an image from its XML element, without points and tags.

    Args:
        image_name: Name of the image.
        element: Its element from `decode_cvat_xml`.
        shape_of: Lookup of the image size by name, used if the element does not state it.
        name: Name of the file in error messages.
        line_width_px: Width of polylines, in pixels; None to leave them out.

    Raises:
        LabelError: If an object cannot be read; the message names the object.
        UsageError: If the image size is unknown.
    """
    where = f"{name}: image '{image_name}'"
    height, width = element.get("height"), element.get("width")
    if height and width:
        shape = as_side(height, f"{where}: height"), as_side(width, f"{where}: width")
    else:
        shape = shape_of(image_name)
    objects: list[LabelledObject] = []
    left_out: list[str] = []
    passed_over: list[str] = []
    mended: list[str] = []
    for number, child in enumerate(element, start=1):
        if child.tag not in _SHAPES:
            passed_over += [str(child.tag)] if child.tag in _PASSED_OVER else []
            continue
        item = _object(child, shape, f"{where}: {child.tag} {number}", mended, line_width_px)
        if isinstance(item, str):
            left_out.append(item)
        else:
            objects.append(item)
    return LabelledImage(image_name, shape, tuple(objects), tuple(left_out), tuple(passed_over), tuple(mended))


def _object(
    element: etree._Element, shape: Shape, where: str, mended: list[str], line_width_px: float | None
) -> LabelledObject | str:
    """Return an object, or the reason why it cannot be drawn."""
    category = element.get("label", "") or "object"
    match element.tag:
        case "mask":
            return _mask(element, shape, category, where)
        case "polygon":
            ring = _ring(element.get("points", ""), where)
            return ring_object([ring], "centre", category) if holds_area(ring) else FEW_POINTS
        case "polyline":
            return line_object(_ring(element.get("points", ""), where), line_width_px, category, kind="polyline")
        case "ellipse":
            keys = ("cy", "cx", "ry", "rx")
            row, col, down, across = (as_number(element.get(key), f"{where}: {key}") for key in keys)
            angle_deg = as_number(element.get("rotation", "0"), f"{where}: rotation")
            return ellipse_object((row, col), (down, across), angle_deg, shape, category)
        case "box":
            return _box(element, shape, where, mended)
        case _:
            return str(element.tag)


def _box(element: etree._Element, shape: Shape, where: str, mended: list[str]) -> LabelledObject | str:
    category = element.get("label", "") or "object"
    keys = ("ytl", "xtl", "ybr", "xbr")
    row0, col0, row1, col1 = (as_number(element.get(key), f"{where}: {key}") for key in keys)
    angle_deg = as_number(element.get("rotation", "0"), f"{where}: rotation")
    box, swapped = sort_box((row0, col0, row1, col1), shape)
    mended += [CORNERS_SORTED] if swapped else []
    if angle_deg and box != BOX_FLAT:
        ring = rotate_points(box_ring((row0, col0, row1, col1)), ((row0 + row1) / 2, (col0 + col1) / 2), angle_deg)
        return ring_object([ring], "centre", category)
    return box if isinstance(box, str) else LabelledObject(category, box)


def _mask(element: etree._Element, shape: Shape, category: str, where: str) -> LabelledObject | str:
    left, top = (int(as_number(element.get(key), f"{where}: {key}")) for key in ("left", "top"))
    height, width = (as_side(element.get(key), f"{where}: {key}") for key in ("height", "width"))
    if left < 0 or top < 0 or left + width > shape[1] or top + height > shape[0]:
        raise LabelError(
            f"the mask of {height}x{width} pixels at row {top}, column {left} reaches beyond the image of"
            f" {shape[0]}x{shape[1]} pixels (height x width)",
            where=where,
            hint="correct the mask or the image size",
        )
    counts = parse_numbers(element.get("rle", ""), name=where)
    item = mask_object(decode_counts(counts, (height, width), order="row", name=where), category)
    return "mask without a pixel" if item is None else move_object(item, top, left)


def _ring(text: str, where: str) -> Ring:
    points = []
    for number, pair in enumerate(text.split(";"), start=1):
        parts = pair.split(",")
        if len(parts) != 2:
            raise LabelError(
                f"expected x and y, got {pair[:40]!r} as point {number}",
                where=where,
                hint="write points as 'x,y;x,y'",
            )
        points.append(
            (as_number(parts[1], f"{where}: point {number}"), as_number(parts[0], f"{where}: point {number}"))
        )
    return np.array(points, dtype=np.float64)
