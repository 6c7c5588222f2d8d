"""Read and write Pascal VOC annotations: one XML file per image, boxes 1-based and inclusive.

The pixels of objects are stored in separate PNG files; see `crackseg.labels.segmentation`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from crackseg.errors import LabelError, display_text
from crackseg.labels.annotation import LabelledImage, LabelledObject, ShapeLookup
from crackseg.labels.document import as_box, as_number, as_side, parse_xml

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


def decode_voc(data: bytes, shape_of: ShapeLookup, *, name: str = "VOC") -> LabelledImage:
    """Parse a VOC file.

    Boxes are read as 1-based and inclusive, and clipped to the image. Clipping corrects 0-based boxes at the border.
    Parts of objects are left out.

    Args:
        data: Content of the XML file.
        shape_of: Lookup of the image size by name, used if the file does not state it.
        name: Name of the file in error messages.

    Raises:
        LabelError: If the file cannot be read; the message names the object.
        UsageError: If the image size is unknown.
    """
    root = parse_xml(data, name, root="annotation")
    file_name = (root.findtext("filename") or "").strip()
    if not file_name:
        raise LabelError("the element 'filename' is missing or empty", where=name, hint="add the name of the image")
    height, width = root.findtext("size/height"), root.findtext("size/width")
    if height and width and (height.strip(), width.strip()) != ("0", "0"):
        shape = as_side(height, f"{name}: size/height"), as_side(width, f"{name}: size/width")
    else:
        shape = shape_of(file_name)
    objects: list[LabelledObject] = []
    left_out: list[str] = []
    for number, item in enumerate(root.findall("object"), start=1):
        where = f"{name}: object {number}"
        corners = item.find("bndbox")
        if corners is None:
            raise LabelError("the element 'bndbox' is missing", where=where, hint="add the box of the object")
        keys = ("ymin", "xmin", "ymax", "xmax")
        row0, col0, row1, col1 = (as_number(corners.findtext(key), f"{where}: {key}") for key in keys)
        box = as_box((row0 - 1, col0 - 1, row1, col1), shape)
        if box is None:
            left_out.append("box outside the image")
        else:
            objects.append(LabelledObject((item.findtext("name") or "").strip() or "object", box))
    return LabelledImage(file_name, shape, tuple(objects), tuple(left_out))


def _whole(box: tuple[float, float, float, float]) -> Box:
    row0, col0, row1, col1 = box
    return math.floor(row0), math.floor(col0), math.ceil(row1), math.ceil(col1)


def _printable(text: str) -> str:
    """Escape characters that XML cannot hold."""
    return display_text(text)


def _add(parent: etree._Element, key: str, value: str | int) -> None:
    etree.SubElement(parent, key).text = str(value)
