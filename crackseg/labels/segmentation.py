"""Read and write the segmentation images of Pascal VOC: palette indices of classes or objects."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.imaging.codec import decode_image
from crackseg.imaging.samples import VOID
from crackseg.labels.annotation import (
    LabelledImage,
    LabelledObject,
    draw_object,
    draw_objects,
    mask_object,
    mask_objects,
)
from crackseg.labels.document import decode_text

MOST_INDICES = 254
"""Largest number of classes or objects in an image."""

_VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

Colour = tuple[int, int, int]


def voc_palette() -> NDArray[np.uint8]:
    """Return the palette of Pascal VOC.

    Each group of three bits of an index, from the lowest, gives one bit of red, green and blue, from the highest.

    Returns:
        ``(256, 3)`` uint8 RGB colours, in [0, 255].

    Example:
        >>> voc_palette()[:3].tolist()
        [[0, 0, 0], [128, 0, 0], [0, 128, 0]]

    Source:
        Everingham, Winn, "The PASCAL Visual Object Classes Challenge 2012 Development Kit", VOClabelcolormap.
    """
    index = np.arange(256)[:, None]
    bits = [((index >> (3 * step + np.arange(3))) & 1) << (7 - step) for step in range(8)]
    return np.asarray(sum(bits)).astype(np.uint8)


def encode_segmentation(indices: NDArray[np.uint8]) -> bytes:
    """Encode indices as a PNG with the palette of VOC.

    Args:
        indices: ``(H, W)`` uint8 palette indices, in [0, 255].

    Example:
        >>> indices = np.array([[0, 1], [2, 255]], dtype=np.uint8)
        >>> decode_segmentation(encode_segmentation(indices)).tolist()
        [[0, 1], [2, 255]]
    """
    from PIL import Image

    image = Image.fromarray(indices)
    image.putpalette(voc_palette().ravel().tolist())
    data = io.BytesIO()
    image.save(data, "PNG", optimize=False)
    return data.getvalue()


def decode_segmentation(
    data: bytes, *, name: str = "segmentation", colours: Sequence[Colour] | None = None
) -> NDArray[np.uint8]:
    """Decode a segmentation image with a palette, in colour or in grey.

    Args:
        data: Content of the image file.
        name: Name of the file in error messages.
        colours: RGB colour of each index, in [0, 255]; the palette of VOC if None.

    Returns:
        ``(H, W)`` uint8 indices, in [0, 255]. The values of a grey image are the indices, but in an image of only 0
        and 255 the value 255 becomes index 1.

    Raises:
        ImageError: If the image cannot be decoded.
        LabelError: If a colour is not in the palette; the message names the pixel.
    """
    pixels = decode_image(data, name=name).astype(np.int32)
    palette = voc_palette() if colours is None else np.array([*colours, voc_palette()[VOID]], dtype=np.uint8)
    packed = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    known = (palette.astype(np.int32) << np.array([16, 8, 0])).sum(axis=1)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], packed), len(known) - 1)
    indices = order[place]
    wrong = known[indices] != packed
    if not wrong.any():
        return np.where(indices == len(known) - 1, VOID, indices).astype(np.uint8)
    grey = pixels[..., 0]
    if (pixels == grey[..., None]).all():
        return (np.where(grey > 0, 1, 0) if np.isin(grey, (0, 255)).all() else grey).astype(np.uint8)
    row, col = np.argwhere(wrong)[0]
    colour = tuple(int(value) for value in pixels[row, col])
    raise LabelError(
        f"the colour {colour} at row {row}, column {col} is not in the palette",
        where=name,
        hint="add it to labelmap.txt",
    )


def index_classes(image: LabelledImage, names: Mapping[str, int]) -> NDArray[np.uint8]:
    """Return the class index of each pixel; small objects cover large ones.

    Args:
        image: The image; objects without an outline are left out.
        names: Index of each class, from 1.

    Returns:
        ``(H, W)`` uint8 indices; 0 is background, and `VOID` marks void pixels.
    """
    indices = np.zeros(image.shape, np.uint8)
    for _, item, mask in _large_first(image):
        indices[mask] = names[item.category]
    if image.void is not None:
        indices[image.void & (indices == 0)] = VOID
    return indices


def mark_void(mask: NDArray[np.bool_], void: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the palette indices of a mask with void pixels.

    Args:
        mask: ``(H, W)`` bool crack mask.
        void: ``(H, W)`` bool void pixels.

    Returns:
        ``(H, W)`` uint8 indices: 0, 1 for crack and `VOID`.

    Example:
        >>> mark_void(np.array([[False, True, False]]), np.array([[False, False, True]]))
        array([[  0,   1, 255]], dtype=uint8)
    """
    return np.where(void & ~mask, np.uint8(VOID), mask.view(np.uint8))


def index_objects(image: LabelledImage) -> NDArray[np.uint8] | None:
    """Return the object number of each pixel; small objects cover large ones.

    Returns:
        ``(H, W)`` uint8 numbers from 1; 0 is background. None if there are more than `MOST_INDICES` objects or one of
        them is completely covered.
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
    """Return number, object and ``(H, W)`` mask of outlined objects, largest first."""
    rows = [
        (number, item, draw_object(item, image.shape, name=image.name))
        for number, item in enumerate(image.objects, start=1)
        if item.outline is not None
    ]
    return sorted(rows, key=lambda row: -int(np.count_nonzero(row[2])))


def objects_of_indices(
    boxed: LabelledImage, classes: NDArray[np.uint8] | None, objects: NDArray[np.uint8] | None, names: Mapping[int, str]
) -> LabelledImage:
    """Replace the boxes of an image by the pixels of its segmentation.

    Args:
        boxed: Image with the boxes of the XML file.
        classes: ``(H, W)`` uint8 class index of each pixel; None if there is no such file.
        objects: ``(H, W)`` uint8 object number of each pixel, in the order of the XML file; None if there is no such
            file.
        names: Name of each class by its index.

    Raises:
        LabelError: If a segmentation and the image differ in size.
    """
    for indices in (classes, objects):
        if indices is not None and indices.shape != boxed.shape:
            raise LabelError(
                f"expected a segmentation of the image's size {boxed.shape[0]}x{boxed.shape[1]} (height x width),"
                f" got {indices.shape[0]}x{indices.shape[1]}",
                where=boxed.name,
                hint="check the PNG files of this image",
            )
    segmented: list[LabelledObject] = []
    if objects is not None:
        numbers = {int(number) for number in np.unique(objects)} - {0, VOID}
        for number in sorted(numbers | set(range(1, len(boxed.objects) + 1))):
            listed = boxed.objects[number - 1] if number <= len(boxed.objects) else None
            category = listed.category if listed is not None else _category(objects == number, classes, names)
            item = mask_object(objects == number, category) or listed
            segmented += [] if item is None else [item]
    elif classes is not None:
        for number in sorted({int(value) for value in np.unique(classes)} - {0, VOID}):
            segmented += mask_objects(classes == number, _class_name(number, names, boxed))
        segmented += [item for item in boxed.objects if not draw_objects([item], boxed.shape)[classes > 0].any()]
    if classes is None and objects is None:
        return boxed
    void = None if classes is None or not (classes == VOID).any() else np.asarray(classes == VOID)
    return replace(boxed, objects=tuple(segmented), void=void)


def _category(mask: NDArray[np.bool_], classes: NDArray[np.uint8] | None, names: Mapping[int, str]) -> str:
    """Return the most frequent class under a ``(H, W)`` bool mask."""
    if classes is None:
        return "object"
    counts = np.bincount(classes[mask], minlength=256)[1:VOID]
    number = int(counts.argmax()) + 1
    return names.get(number, f"class {number}") if counts.any() else "object"


def _class_name(number: int, names: Mapping[int, str], boxed: LabelledImage) -> str:
    listed = {item.category for item in boxed.objects}
    if number in names:
        return names[number]
    if len(listed) == 1:
        return listed.pop()
    return _VOC_NAMES[number] if number < len(_VOC_NAMES) else f"class {number}"


def encode_labelmap(names: Mapping[str, int]) -> bytes:
    """Encode class names and colours as a ``labelmap.txt``.

    Args:
        names: Index of each class, from 1.

    Example:
        >>> decode_labelmap(encode_labelmap({"crack": 1}))
        [('background', (0, 0, 0)), ('crack', (128, 0, 0))]
    """
    palette = voc_palette().tolist()
    rows = [("background", 0), *sorted(names.items(), key=lambda row: row[1])]
    lines = [f"{name}:{','.join(map(str, palette[index]))}::" for name, index in rows]
    return ("# label:color_rgb:parts:actions\n" + "\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def decode_class_names(data: bytes, *, name: str = "class_names.txt") -> dict[int, str]:
    r"""Parse the class names that LabelMe's converter to VOC writes.

    Example:
        >>> decode_class_names(b"_background_\ncrack\n")
        {1: 'crack'}
    """
    names = [line.strip() for line in decode_text(data, name).splitlines() if line.strip()]
    return {at: label for at, label in enumerate(label for label in names if label != "__ignore__") if at}


def decode_labelmap(data: bytes, *, name: str = "labelmap.txt") -> list[tuple[str, Colour]]:
    """Parse a ``labelmap.txt`` into class names and RGB colours, background first.

    Raises:
        LabelError: If a line cannot be read; the message names the line.
    """
    classes: list[tuple[str, Colour]] = []
    for number, line in enumerate(decode_text(data, name).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        label, _, rest = line.partition(":")
        parts = rest.split(":")[0].split(",")
        if len(parts) != 3 or not all(part.strip().isascii() and part.strip().isdigit() for part in parts):
            raise LabelError(
                f"expected 'name:red,green,blue', got {line[:40]!r}", where=f"{name}:{number}", hint="correct the line"
            )
        red, green, blue = (min(int(part[:4]), 255) for part in parts)
        classes.append((label.strip(), (red, green, blue)))
    return sorted(classes, key=lambda row: row[1] != (0, 0, 0))
