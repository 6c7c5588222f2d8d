"""Segmentation images of Pascal VOC: the class, or the object, of each pixel as an index into a palette."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.imaging.codec import decode_image
from crackseg.labels.annotation import (
    LabelledImage,
    LabelledObject,
    draw_object,
    draw_objects,
    mask_object,
    mask_objects,
)
from crackseg.labels.document import decode_text

VOID = 255
"""Index of the pixels that belong to no class and do not count: the border that VOC draws around objects."""

MOST_INDICES = 254
"""Most classes, or objects, that an image can tell apart."""

_VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

Colour = tuple[int, int, int]


def voc_palette() -> NDArray[np.uint8]:
    """Return the ``(256, 3)`` RGB colours of the indices.

    The bits of an index, three by three from the lowest, become the bits of red, green and blue from the highest.

    Source:
        Everingham, Winn, "The PASCAL Visual Object Classes Challenge 2012 Development Kit", VOClabelcolormap.
    """
    index = np.arange(256)[:, None]
    bits = [((index >> (3 * step + np.arange(3))) & 1) << (7 - step) for step in range(8)]
    return np.asarray(sum(bits)).astype(np.uint8)


def encode_segmentation(indices: NDArray[np.uint8]) -> bytes:
    """Return ``(H, W)`` indices as a PNG with the palette of VOC."""
    from PIL import Image

    image = Image.fromarray(indices)
    image.putpalette(voc_palette().ravel().tolist())
    data = io.BytesIO()
    image.save(data, "PNG", optimize=False)
    return data.getvalue()


def decode_segmentation(
    data: bytes, *, name: str = "segmentation", colours: Sequence[Colour] | None = None
) -> NDArray[np.uint8]:
    """Return the indices of a segmentation image, whether it has a palette, is coloured alike, or grey.

    Args:
        data: The whole file.
        name: What to call it in an error.
        colours: RGB of each index; those of VOC if None.

    Returns:
        ``(H, W)`` indices. In a grey image the values are the indices, and 255 is 1 where there is nothing but 0 and
        255.

    Raises:
        ImageError: If it cannot be decoded.
        LabelError: If it holds a colour that is not in the palette; it names the pixel.
    """
    pixels = decode_image(data, name=name).astype(np.int32)
    palette = voc_palette() if colours is None else np.array([*colours, voc_palette()[VOID]], dtype=np.uint8)
    packed = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    known = (palette.astype(np.int32) << np.array([16, 8, 0])).sum(axis=1)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], packed), len(known) - 1)
    found = order[place]
    wrong = known[found] != packed
    if not wrong.any():
        return np.where(found == len(known) - 1, VOID, found).astype(np.uint8)
    grey = pixels[..., 0]
    if (pixels == grey[..., None]).all():
        return (np.where(grey > 0, 1, 0) if np.isin(grey, (0, 255)).all() else grey).astype(np.uint8)
    row, col = np.argwhere(wrong)[0]
    colour = tuple(int(value) for value in pixels[row, col])
    raise LabelError(f"the colour {colour} of row {row}, column {col} is not in the palette", where=name)


def index_classes(image: LabelledImage, names: Mapping[str, int]) -> NDArray[np.uint8]:
    """Return the ``(H, W)`` index of the class of each pixel of an image; small objects cover large ones.

    Args:
        image: The image; objects that are mere boxes are left out.
        names: Index of each class, from 1.
    """
    indices = np.zeros(image.shape, np.uint8)
    for _, item, mask in _large_first(image):
        indices[mask] = names[item.category]
    return indices


def index_objects(image: LabelledImage) -> NDArray[np.uint8] | None:
    """Return the ``(H, W)`` number of the object of each pixel, from 1; small objects cover large ones.

    None is returned if there are more objects than fit, or one is covered wholly.
    """
    if len(image.objects) > MOST_INDICES:
        return None
    indices = np.zeros(image.shape, np.uint8)
    numbers = []
    for number, _, mask in _large_first(image):
        indices[mask] = number
        numbers.append(number)
    return indices if np.isin(numbers, indices).all() else None


def _large_first(image: LabelledImage) -> list[tuple[int, LabelledObject, NDArray[np.bool_]]]:
    """Return number, object and ``(H, W)`` mask of each object with an outline, those of many pixels first."""
    drawn = [
        (number, item, draw_object(item, image.shape, name=image.name))
        for number, item in enumerate(image.objects, start=1)
        if item.outline is not None
    ]
    return sorted(drawn, key=lambda row: -int(np.count_nonzero(row[2])))


def objects_of_indices(
    boxed: LabelledImage, classes: NDArray[np.uint8] | None, objects: NDArray[np.uint8] | None, names: Mapping[int, str]
) -> LabelledImage:
    """Return an image with the pixels of its segmentation in place of mere boxes.

    Args:
        boxed: What the XML file says.
        classes: ``(H, W)`` index of each pixel's class, if there is such an image.
        objects: ``(H, W)`` number of each pixel's object, in the order of the XML file, if there is such an image.
        names: Name of each class by its index.

    Raises:
        LabelError: If a segmentation has another size than the image.
    """
    for indices in (classes, objects):
        if indices is not None and indices.shape != boxed.shape:
            raise LabelError(
                f"the segmentation is {indices.shape[1]}x{indices.shape[0]} pixels, the image"
                f" {boxed.shape[1]}x{boxed.shape[0]}",
                where=boxed.name,
            )
    found: list[LabelledObject] = []
    if objects is not None:
        drawn = {int(number) for number in np.unique(objects)} - {0, VOID}
        for number in sorted(drawn | set(range(1, len(boxed.objects) + 1))):
            own = boxed.objects[number - 1] if number <= len(boxed.objects) else None
            category = own.category if own is not None else _category(objects == number, classes, names)
            item = mask_object(objects == number, category) or own
            found += [] if item is None else [item]
    elif classes is not None:
        for number in sorted({int(value) for value in np.unique(classes)} - {0, VOID}):
            found += mask_objects(classes == number, _class_name(number, names, boxed))
        found += [item for item in boxed.objects if not draw_objects([item], boxed.shape)[classes > 0].any()]
    return boxed if classes is None and objects is None else replace(boxed, objects=tuple(found))


def _category(mask: NDArray[np.bool_], classes: NDArray[np.uint8] | None, names: Mapping[int, str]) -> str:
    number = 0 if classes is None else int(np.bincount(classes[mask], minlength=256)[1:VOID].argmax()) + 1
    return names.get(number, f"class {number}") if number else "object"


def _class_name(number: int, names: Mapping[int, str], boxed: LabelledImage) -> str:
    listed = {item.category for item in boxed.objects}
    if number in names:
        return names[number]
    if len(listed) == 1:
        return listed.pop()
    return _VOC_NAMES[number] if number < len(_VOC_NAMES) else f"class {number}"


def encode_labelmap(names: Mapping[str, int]) -> bytes:
    """Return a ``labelmap.txt``: a line ``name:red,green,blue::`` for the background and each class."""
    palette = voc_palette().tolist()
    rows = [("background", 0), *sorted(names.items(), key=lambda row: row[1])]
    lines = [f"{name}:{','.join(map(str, palette[index]))}::" for name, index in rows]
    return ("# label:color_rgb:parts:actions\n" + "\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def decode_labelmap(data: bytes, *, name: str = "labelmap.txt") -> list[tuple[str, Colour]]:
    """Return name and RGB colour of each class of a ``labelmap.txt``, the background first.

    Raises:
        LabelError: If a line cannot be read; it names the line.
    """
    found: list[tuple[str, Colour]] = []
    for number, line in enumerate(decode_text(data, name).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        label, _, rest = line.partition(":")
        parts = rest.split(":")[0].split(",")
        if len(parts) != 3 or not all(part.strip().isascii() and part.strip().isdigit() for part in parts):
            raise LabelError(f"expected 'name:red,green,blue', got {line[:40]!r}", where=f"{name}:{number}")
        red, green, blue = (min(int(part[:4]), 255) for part in parts)
        found.append((label.strip(), (red, green, blue)))
    return sorted(found, key=lambda row: row[1] != (0, 0, 0))
