"""Read COCO's panoptic annotations: a PNG per image whose colours are the ids of its segments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from crackseg.errors import LabelError, display_text
from crackseg.imaging.codec import decode_image
from crackseg.labels.annotation import LabelledImage, LabelledObject, mask_object
from crackseg.labels.coco import CocoDocument
from crackseg.labels.document import as_list, as_number, as_object, as_side, as_text, read_document
from crackseg.labels.image_lookup import image_in


def is_panoptic(document: CocoDocument, number: int) -> bool:
    """Return whether an image of a document has segments in a PNG."""
    return any("segments_info" in item for _, item in document.annotations[number])


def read_panoptic_image(document: CocoDocument, number: int, file: Path) -> LabelledImage:
    """Read an image from the PNG files of its annotations.

    Args:
        document: The document.
        number: Image id.
        file: The document's file. The PNG files lie in the folder of its stem, or next to it.

    Raises:
        LabelError: If a PNG file is missing, or a segment is malformed; the message names it.
        ImageError: If a PNG file cannot be read.
    """
    image = document.images.get(number, {})
    where = f"{document.name}: image {number}"
    read = LabelledImage(as_text(image.get("file_name", str(number)), f"{where}: file_name"), (0, 0))
    for at, item in document.annotations[number]:
        place = f"{document.name}: annotations[{at}]"
        name = as_text(item.get("file_name"), f"{place}.file_name")
        path = image_in([file.parent / file.stem, file.parent, file.parent.parent / file.stem], name)
        if path is None:
            raise LabelError(f"no such PNG of segments: {display_text(name)}", where=place, hint="put it there")
        pixels = decode_image(read_document(path), name=display_text(path)).astype(np.int64)
        ids = pixels[..., 0] + 256 * pixels[..., 1] + 256**2 * pixels[..., 2]
        objects: list[LabelledObject] = []
        left_out: list[str] = []
        known = set()
        for index, value in enumerate(as_list(item.get("segments_info"), f"{place}.segments_info")):
            segment_place = f"{place}.segments_info[{index}]"
            segment = as_object(value, segment_place)
            segment_id = int(as_number(segment.get("id"), f"{segment_place}.id"))
            class_id = int(as_number(segment.get("category_id"), f"{segment_place}.category_id"))
            known.add(segment_id)
            drawn = mask_object(ids == segment_id, document.categories.get(class_id, str(class_id)))
            if drawn is None:
                left_out.append("segment without a pixel")
            else:
                objects.append(replace(drawn, iscrowd=segment.get("iscrowd") == 1))
        left_out += ["segment without an entry"] * len(set(np.unique(ids).tolist()) - known - {0})
        shape = ids.shape[0], ids.shape[1]
        read = replace(read, shape=shape, objects=(*read.objects, *objects), left_out=(*read.left_out, *left_out))
    height, width = image.get("height"), image.get("width")
    if height is None or width is None or read.shape in ((height, width), (0, 0)):
        return read
    stated = as_side(height, f"{where}: height"), as_side(width, f"{where}: width")
    return LabelledImage(read.name, stated, left_out=("segments in a PNG of another size",))
