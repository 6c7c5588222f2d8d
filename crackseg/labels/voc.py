"""Read and write Pascal VOC annotations: one XML file per image, boxes 1-based and inclusive.

The pixels of objects are stored in separate PNG files; see `crackseg.labels.segmentation`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from lxml import etree

from crackseg.errors import LabelError, display_text
from crackseg.labels.annotation import LabelledImage, LabelledObject, ShapeLookup, box_ring, ring_object
from crackseg.labels.document import as_number, as_side, parse_xml
from crackseg.labels.polygon import Ring
from crackseg.labels.shapes import CORNERS_SORTED, FEW_POINTS, holds_area, rotate_points, sort_box

Box = tuple[int, int, int, int]
"""``(row0, col0, row1, col1)``, half-open, in pixels."""


@dataclass(frozen=True, slots=True)
class VocAnnotation:
    """Content of a VOC file.

    Attributes:
        folder: Name of the image's folder.
        filename: Name of the image's file.
        shape: Image height and width ``(H, W)``, in pixels.
        boxes: Tight box ``(row0, col0, row1, col1)`` of each object, half-open, in pixels.
        name: Class of all objects.
        names: Class of each object; None if ``name`` applies to all.
    """

    folder: str
    filename: str
    shape: tuple[int, int]
    boxes: Sequence[Box]
    name: str = "crack"
    names: Sequence[str] | None = None


def encode_voc(annotation: VocAnnotation) -> bytes:
    """Encode an annotation as the XML of the VOC2012 development kit.

    Boxes become 1-based and inclusive. An object that touches the image border is marked as truncated.

    Example:
        >>> data = encode_voc(VocAnnotation("images", "wall.png", (4, 6), [(0, 1, 2, 3)]))
        >>> decode_voc(data, lambda name: (4, 6)).objects[0].box
        (0.0, 1.0, 2.0, 3.0)

    Source:
        Everingham, Winn, "The PASCAL Visual Object Classes Challenge 2012 Development Kit", section 4.
    """
    height, width = annotation.shape
    root = etree.Element("annotation")
    _add(root, "folder", annotation.folder)
    _add(root, "filename", annotation.filename)
    _add(root, "path", f"{annotation.folder}/{annotation.filename}")
    _add(etree.SubElement(root, "source"), "database", "crackseg")
    size = etree.SubElement(root, "size")
    for key, value in (("width", width), ("height", height), ("depth", 3)):
        _add(size, key, value)
    _add(root, "segmented", 1)
    names = [annotation.name] * len(annotation.boxes) if annotation.names is None else annotation.names
    for name, (row0, col0, row1, col1) in zip(names, annotation.boxes, strict=True):
        item = etree.SubElement(root, "object")
        _add(item, "name", name)
        _add(item, "pose", "Unspecified")
        _add(item, "truncated", int(row0 == 0 or col0 == 0 or row1 == height or col1 == width))
        _add(item, "difficult", 0)
        box = etree.SubElement(item, "bndbox")
        for key, value in (("xmin", col0 + 1), ("ymin", row0 + 1), ("xmax", col1), ("ymax", row1)):
            _add(box, key, value)
    return etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="utf-8")


def describe_voc(image: LabelledImage, *, folder: str = "JPEGImages") -> VocAnnotation:
    """Return the annotation of an image with boxes rounded outwards to pixels.

    Args:
        image: The image.
        folder: Name of the image's folder.
    """
    boxes = [_whole(item.box) for item in image.objects]
    names = [_printable(item.category) for item in image.objects]
    return VocAnnotation(folder, _printable(image.file_name), image.shape, boxes, names=names)


def decode_voc(data: bytes, shape_of: ShapeLookup, *, name: str = "VOC", file_name: str = "") -> LabelledImage:
    """Parse a VOC file.

    Boxes are read as 1-based and inclusive, and clipped to the image. Clipping corrects 0-based boxes at the border.
    A polygon of an object counts before its box. Parts of objects are passed over.

    Args:
        data: Content of the XML file.
        shape_of: Lookup of the image size by name, used if the file does not state it.
        name: Name of the file in error messages.
        file_name: Name of the image if the file does not state it.

    Raises:
        LabelError: If the file cannot be read; the message names the object.
        UsageError: If the image size is unknown.
    """
    root = parse_xml(data, name, root="annotation")
    file_name = (root.findtext("filename") or "").strip() or file_name
    if not file_name:
        raise LabelError("the element 'filename' is missing or empty", where=name, hint="add the name of the image")
    height, width = root.findtext("size/height"), root.findtext("size/width")
    if height and width and (height.strip(), width.strip()) != ("0", "0"):
        shape = as_side(height, f"{name}: size/height"), as_side(width, f"{name}: size/width")
    else:
        shape = shape_of(file_name)
    objects: list[LabelledObject] = []
    left_out: list[str] = []
    mended: list[str] = []
    for number, item in enumerate(root.findall("object"), start=1):
        parsed = _object(item, shape, mended, f"{name}: object {number}")
        if isinstance(parsed, str):
            left_out.append(parsed)
        else:
            objects.append(parsed)
    return LabelledImage(file_name, shape, tuple(objects), tuple(left_out), mended=tuple(mended))


def _object(item: etree._Element, shape: tuple[int, int], mended: list[str], where: str) -> LabelledObject | str:
    """Return an object, or the reason why it cannot be drawn."""
    category = (item.findtext("name") or "").strip() or "object"
    polygon, turned, corners = item.find("polygon"), item.find("robndbox"), item.find("bndbox")
    ring = None if polygon is None else _polygon(polygon, where)
    if turned is not None and ring is None:
        ring = _turned_box(turned, where)
    if ring is not None and holds_area(ring):
        return ring_object([ring], "centre", category)
    if corners is None:
        if ring is not None:
            return FEW_POINTS
        raise LabelError(
            "the elements 'bndbox' and 'polygon' are missing", where=where, hint="add the box of the object"
        )
    keys = ("ymin", "xmin", "ymax", "xmax")
    row0, col0, row1, col1 = (as_number(corners.findtext(key), f"{where}: {key}") for key in keys)
    if row0 > row1 or col0 > col1:
        mended.append(CORNERS_SORTED)
    box, _ = sort_box((min(row0, row1) - 1, min(col0, col1) - 1, max(row0, row1), max(col0, col1)), shape)
    return box if isinstance(box, str) else LabelledObject(category, box)


def _polygon(element: etree._Element, where: str) -> Ring:
    """Return the ``(N, 2)`` float64 points ``(row, col)`` of a polygon."""
    if element.find("pt") is not None:
        pairs = [(point.findtext("y"), point.findtext("x")) for point in element.findall("pt")]
    else:
        count = sum(str(child.tag).startswith("x") for child in element)
        pairs = [(element.findtext(f"y{at}"), element.findtext(f"x{at}")) for at in range(1, count + 1)]
    points = [
        (as_number(row, f"{where}: polygon: y{at}"), as_number(col, f"{where}: polygon: x{at}"))
        for at, (row, col) in enumerate(pairs, start=1)
    ]
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def _turned_box(element: etree._Element, where: str) -> Ring:
    """Return the corners of roLabelImg's rotated box, whose angle is in radians."""
    keys = ("cy", "cx", "h", "w", "angle")
    row, col, height, width, angle = (as_number(element.findtext(key), f"{where}: robndbox: {key}") for key in keys)
    box = row - height / 2, col - width / 2, row + height / 2, col + width / 2
    return rotate_points(box_ring(box), (row, col), math.degrees(angle))


def _whole(box: tuple[float, float, float, float]) -> Box:
    row0, col0, row1, col1 = box
    return math.floor(row0), math.floor(col0), math.ceil(row1), math.ceil(col1)


def _printable(text: str) -> str:
    """Escape characters that XML cannot hold."""
    return display_text(text)


def _add(parent: etree._Element, key: str, value: str | int) -> None:
    etree.SubElement(parent, key).text = str(value)
