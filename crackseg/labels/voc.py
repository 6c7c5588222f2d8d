"""Pascal VOC annotations: one XML file per image, boxes 1-based and inclusive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

Box = tuple[int, int, int, int]
"""``(row0, col0, row1, col1)``, half-open, in pixels."""


@dataclass(frozen=True, slots=True)
class VocAnnotation:
    """What a VOC file says about one image.

    Attributes:
        folder: Name of the image's folder.
        filename: Name of the image's file.
        shape: Image height and width ``(H, W)``, in pixels.
        boxes: One tight box per object.
        name: Class of every object.
    """

    folder: str
    filename: str
    shape: tuple[int, int]
    boxes: Sequence[Box]
    name: str = "crack"


def encode_voc(annotation: VocAnnotation) -> bytes:
    """Return an annotation as the XML of the VOC2012 development kit.

    Boxes become 1-based and inclusive; an object that touches the image's edge is marked truncated.

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
    for row0, col0, row1, col1 in annotation.boxes:
        item = etree.SubElement(root, "object")
        _add(item, "name", annotation.name)
        _add(item, "pose", "Unspecified")
        _add(item, "truncated", int(row0 == 0 or col0 == 0 or row1 == height or col1 == width))
        _add(item, "difficult", 0)
        box = etree.SubElement(item, "bndbox")
        for key, value in (("xmin", col0 + 1), ("ymin", row0 + 1), ("xmax", col1), ("ymax", row1)):
            _add(box, key, value)
    return etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="utf-8")


def _add(parent: etree._Element, key: str, value: str | int) -> None:
    etree.SubElement(parent, key).text = str(value)
