"""Labelled images and objects, the types that all label formats are converted to and from."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError, display_text
from crackseg.files import IMAGE_SUFFIXES
from crackseg.labels.polygon import Ring, Rule, fill_rings, trace_rings
from crackseg.labels.runs import Shape, tight_box

FloatBox = tuple[float, float, float, float]
"""``(row0, col0, row1, col1)``, half-open, in pixels."""

SUFFIXES = IMAGE_SUFFIXES | {".avif", ".cr2", ".dng", ".heic", ".heif", ".j2k", ".jfif", ".jpe", ".nef", ".raw"}
"""Suffixes that are cut off the name of an image, those of unreadable images included."""

_LONGEST_STEM = 200
"""Limit on the bytes of a stem; file systems allow names of 255 bytes, and suffixes follow."""

ShapeLookup = Callable[[str], Shape]
"""Function from an image name to its height and width, for annotations that do not state them."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """Pixels of an object inside its tight box.

    Attributes:
        row0: Image row of the first row of ``pixels``.
        col0: Image column of the first column of ``pixels``.
        pixels: ``(h, w)`` bool mask of the object.
    """

    row0: int
    col0: int
    pixels: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Polygons:
    """Outline of an object: the union of its filled rings.

    Attributes:
        rings: Rings, each ``(N, 2)`` float64 points ``(row, col)``, in pixels.
        rule: Rule by which the format fills the rings.
    """

    rings: tuple[Ring, ...]
    rule: Rule


@dataclass(frozen=True, slots=True, eq=False)
class LabelledObject:
    """One object of an image.

    Attributes:
        category: Name of its class.
        box: Box ``(row0, col0, row1, col1)`` around it, half-open, in pixels.
        outline: Pixels or polygons of the object; None if only the box is known.
        score: Confidence of the detection, in [0, 1]; None if unknown.
        iscrowd: True if it covers several objects, in COCO's sense.
    """

    category: str
    box: FloatBox
    outline: Cutout | Polygons | None = None
    score: float | None = None
    iscrowd: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """An image and its objects.

    Attributes:
        name: File name of the image in the annotations.
        shape: Height and width ``(H, W)``, in pixels.
        objects: Objects on the image.
        left_out: Kind of each object in the file that could not be drawn, such as ``polyline``.
        passed_over: Kind of each item in the file that is no object, such as ``choices``.
        mended: Kind of each mistake that was corrected, such as swapped corners.
        path: Path of the image, if known; formats that link to the image use it.
        void: ``(H, W)`` bool pixels that are neither trained nor scored; None if there are none.
        folder: Folder below the target that files of the image are written to, with forward slashes.
    """

    name: str
    shape: Shape
    objects: tuple[LabelledObject, ...] = ()
    left_out: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    path: str | None = None
    folder: str = ""
    void: NDArray[np.bool_] | None = None

    @property
    def file_name(self) -> str:
        """File name without folders; both slashes separate folders."""
        return re.split(r"[\\/]", self.name)[-1]

    @property
    def stem(self) -> str:
        """File name without folders and suffix.

        Raises:
            LabelError: If no usable file name is left.
        """
        stem = cut_suffix(self.file_name)
        if not stem.strip(". ") or "\0" in stem or not _fits_file_system(stem):
            raise LabelError("the image name cannot be used as a file name", where=self.name, hint="rename the image")
        return stem


def place_in(image: LabelledImage, file_name: str) -> str:
    """Return a file name below the folder of an image.

    Example:
        >>> place_in(LabelledImage("wall/1.jpg", (4, 6), folder="wall"), "1.png")
        'wall/1.png'
    """
    return f"{image.folder}/{file_name}" if image.folder else file_name


def full_name(image: LabelledImage) -> str:
    """Return the name of an image with its folders.

    Example:
        >>> full_name(LabelledImage("1.jpg", (4, 6), folder="wall"))
        'wall/1.jpg'
    """
    return image.name if image.file_name != image.name else place_in(image, image.name)


def cut_suffix(name: str) -> str:
    """Cut off the suffix of an image, but no other ending.

    Example:
        >>> cut_suffix("wall.JPG"), cut_suffix("crack_0.5mm")
        ('wall', 'crack_0.5mm')
    """
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and f"{dot}{suffix.lower()}" in SUFFIXES else name


def _fits_file_system(stem: str) -> bool:
    try:
        return len(os.fsencode(stem)) <= _LONGEST_STEM
    except UnicodeEncodeError:
        return False


def mask_object(mask: NDArray[np.bool_], category: str) -> LabelledObject | None:
    """Return all pixels of a mask as one object.

    Args:
        mask: ``(H, W)`` bool mask.
        category: Name of the class.

    Returns:
        Object with a cutout; None if the mask is empty.

    Example:
        >>> mask_object(np.eye(3, dtype=np.bool_), "crack").box
        (0.0, 0.0, 3.0, 3.0)
    """
    box = tight_box(mask)
    if box is None:
        return None
    row0, col0, row1, col1 = box
    cutout = Cutout(row0, col0, mask[row0:row1, col0:col1].copy())
    return LabelledObject(category, (float(row0), float(col0), float(row1), float(col1)), cutout)


def mask_objects(mask: NDArray[np.bool_], category: str) -> tuple[LabelledObject, ...]:
    """Return each 8-connected component of a mask as an object.

    Args:
        mask: ``(H, W)`` bool mask.
        category: Name of the class.

    Returns:
        Objects with cutouts, sorted by the top row and then the left column of their boxes.

    Example:
        >>> mask = np.array([[1, 0, 1], [1, 0, 0]], dtype=np.bool_)
        >>> [item.box for item in mask_objects(mask, "crack")]
        [(0.0, 0.0, 2.0, 1.0), (0.0, 2.0, 1.0, 3.0)]
    """
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    objects = []
    for number in range(1, count):
        col, row, width, height = (int(value) for value in boxes[number, :4])
        pixels = labels[row : row + height, col : col + width] == number
        box = float(row), float(col), float(row + height), float(col + width)
        objects.append(LabelledObject(category, box, Cutout(row, col, pixels)))
    return tuple(sorted(objects, key=lambda item: item.box[:2]))


def ring_object(rings: Sequence[Ring], rule: Rule, category: str) -> LabelledObject:
    """Return the object that some rings enclose.

    Args:
        rings: One ring or more, each ``(N, 2)`` float64 points ``(row, col)`` in pixels, N >= 1.
        rule: Rule by which the format fills the rings.
        category: Name of the class.
    """
    points = np.concatenate([ring if rule == "centre" else np.floor(ring) for ring in rings])
    low, high = points.min(axis=0), points.max(axis=0) + (0 if rule == "centre" else 1)
    box = float(low[0]), float(low[1]), float(high[0]), float(high[1])
    return LabelledObject(category, box, Polygons(tuple(rings), rule))


def draw_object(item: LabelledObject, shape: Shape, *, name: str = "object") -> NDArray[np.bool_]:
    """Draw an object as a mask.

    Args:
        item: The object. A mere box covers the pixels whose centres lie in it, by the rule of COCO.
        shape: Height and width ``(H, W)`` of the image, in pixels.
        name: Name of the object in error messages.

    Returns:
        ``(H, W)`` bool mask.

    Raises:
        LabelError: If the object reaches beyond the image.

    Example:
        >>> int(draw_object(LabelledObject("crack", (0, 0, 2, 3)), (4, 4)).sum())
        6
    """
    match item.outline:
        case Polygons(rings, rule):
            return fill_rings(rings, shape, rule, name=name)
        case Cutout(row0, col0, pixels):
            row1, col1 = row0 + pixels.shape[0], col0 + pixels.shape[1]
        case None:
            return fill_rings([box_ring(item.box)], shape, "centre", name=name)
    if row0 < 0 or col0 < 0 or row1 > shape[0] or col1 > shape[1]:
        raise LabelError(
            f"the object reaches beyond the image of {shape[0]}x{shape[1]} pixels (height x width)",
            where=name,
            hint="check the image size in the annotations",
        )
    mask = np.zeros(shape, np.bool_)
    mask[row0:row1, col0:col1] = pixels
    return mask


def box_ring(box: FloatBox) -> Ring:
    """Return the corners of a box as a ring.

    Returns:
        ``(4, 2)`` float64 points ``(row, col)``, in pixels.

    Example:
        >>> box_ring((0, 1, 2, 3)).tolist()
        [[0.0, 1.0], [2.0, 1.0], [2.0, 3.0], [0.0, 3.0]]
    """
    row0, col0, row1, col1 = box
    return np.array([(row0, col0), (row1, col0), (row1, col1), (row0, col1)], dtype=np.float64)


def draw_objects(items: Iterable[LabelledObject], shape: Shape, *, name: str = "image") -> NDArray[np.bool_]:
    """Draw several objects as one mask.

    Args:
        items: Objects of an image.
        shape: Height and width ``(H, W)`` of the image, in pixels.
        name: Name of the image in error messages.

    Returns:
        ``(H, W)`` bool mask of the pixels of any object.

    Raises:
        LabelError: If an object reaches beyond the image.
    """
    mask = np.zeros(shape, np.bool_)
    for number, item in enumerate(items, start=1):
        if isinstance(item.outline, Cutout) and _lies_in(item.outline, shape):
            row, col, pixels = item.outline.row0, item.outline.col0, item.outline.pixels
            mask[row : row + pixels.shape[0], col : col + pixels.shape[1]] |= pixels
        else:
            mask |= draw_object(item, shape, name=f"{display_text(name)}: object {number}")
    return mask


def _lies_in(cutout: Cutout, shape: Shape) -> bool:
    height, width = cutout.pixels.shape
    inside = cutout.row0 + height <= shape[0] and cutout.col0 + width <= shape[1]
    return inside and cutout.row0 >= 0 and cutout.col0 >= 0


def as_cutout(item: LabelledObject, shape: Shape, *, name: str = "object") -> LabelledObject | None:
    """Return an object with its outline as pixels, if any."""
    if isinstance(item.outline, Cutout):
        return item
    drawn = mask_object(draw_object(item, shape, name=name), item.category)
    return None if drawn is None else replace(drawn, score=item.score, iscrowd=item.iscrowd)


def as_polygons(
    item: LabelledObject, shape: Shape, rule: Rule, *, simplify_px: float = 0.0, name: str = "object"
) -> LabelledObject | None:
    """Return an object with its outline as rings for a fill rule.

    Rings that already follow the rule are kept. Other outlines are drawn and traced, which keeps every pixel.

    Args:
        item: The object.
        shape: Height and width ``(H, W)`` of the image, in pixels.
        rule: Rule by which the target fills rings.
        simplify_px: Largest deviation of a traced ring when points are removed, in pixels.
        name: Name of the object in error messages.

    Returns:
        Object with polygons; None if its outline holds no pixel.
    """
    if isinstance(item.outline, Polygons) and item.outline.rule == rule:
        return item
    raster = as_cutout(item, shape, name=name)
    if raster is None or not isinstance(raster.outline, Cutout):
        return None
    cutout = raster.outline
    rings = trace_rings(cutout.pixels, rule, simplify_px=simplify_px)
    origin = np.array([cutout.row0, cutout.col0])
    outline = Polygons(tuple(ring + origin for ring in rings), rule)
    return replace(raster, outline=outline)


def mask_iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two masks.

    Args:
        first: ``(H, W)`` bool mask.
        second: ``(H, W)`` bool mask.

    Returns:
        IoU in [0, 1]; 1 if both masks are empty.

    Example:
        >>> mask_iou(np.array([[True, True]]), np.array([[True, False]]))
        0.5
    """
    union = int(np.count_nonzero(first | second))
    return 1.0 if union == 0 else int(np.count_nonzero(first & second)) / union
