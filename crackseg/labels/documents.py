"""List the images of documents that hold several: COCO, CVAT, Label Studio and CSV files."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lxml import etree

from crackseg.errors import display_text
from crackseg.labels.annotation import LabelledImage, LabelledObject, mask_object, mask_objects
from crackseg.labels.coco import decode_coco, read_coco_image
from crackseg.labels.cvat import decode_cvat_xml, read_cvat_image
from crackseg.labels.document import read_document
from crackseg.labels.entries import Entry, settle
from crackseg.labels.guess import guess_dialect
from crackseg.labels.image_lookup import ImageSizes, image_in, usual_places
from crackseg.labels.kaggle import KaggleRow, decode_kaggle
from crackseg.labels.label_studio import decode_label_studio, read_label_studio_task
from crackseg.labels.panoptic import is_panoptic, read_panoptic_image
from crackseg.labels.rle import KAGGLE, Dialect, rle_decode
from crackseg.labels.runs import Shape

DEFAULT_CATEGORY = "crack"
"""Class of objects in formats or files without classes."""


def _shape_of(sizes: ImageSizes, file: Path) -> Callable[[str], Shape]:
    """Return a lookup of sizes that also searches next to a document."""
    return lambda name: sizes.shape_of(name, sizes.find(name) or image_in(usual_places(file), name))


def coco_entries(path: Path, sizes: ImageSizes) -> list[Entry]:
    """List the images of a COCO document or a list of results."""
    document = decode_coco(read_document(path), name=display_text(path))
    shape_of = _shape_of(sizes, path)

    def load(number: int) -> LabelledImage:
        if is_panoptic(document, number):
            return settle(read_panoptic_image(document, number, path), sizes, path)
        return settle(read_coco_image(document, number, shape_of), sizes, path)

    return [
        Entry(str(number), functools.partial(load, number), str(document.images.get(number, {}).get("file_name", "")))
        for number in document.annotations
    ]


def cvat_entries(path: Path, sizes: ImageSizes, line_width_px: float | None) -> list[Entry]:
    """List the images of a CVAT task."""
    name, shape_of = display_text(path), _shape_of(sizes, path)
    read = functools.partial(read_cvat_image, shape_of=shape_of, name=name, line_width_px=line_width_px)

    def load(full: str, element: etree._Element) -> LabelledImage:
        image = settle(read(full, element), sizes, path)
        own = element.get("name", full)
        # Subset or task distinguish equal names; they are folders of the target and no part of the name.
        return replace(image, name=own, folder=full[: -len(own) - 1]) if full != own else image

    return [
        Entry(image, functools.partial(load, image, element), image)
        for image, element in decode_cvat_xml(read_document(path), name=name)
    ]


def label_studio_entries(path: Path, sizes: ImageSizes, line_width_px: float | None) -> list[Entry]:
    """List the tasks of a Label Studio export."""
    name, shape_of = display_text(path), _shape_of(sizes, path)
    read = functools.partial(read_label_studio_task, shape_of=shape_of, name=name, line_width_px=line_width_px)
    return [
        Entry(image, lambda image=image, task=task: settle(read(image, task), sizes, path), image)  # type: ignore[misc]
        for image, task in decode_label_studio(read_document(path), name=name)
    ]


def kaggle_entries(path: Path, sizes: ImageSizes, dialect: Dialect | None) -> tuple[list[Entry], str | None]:
    """List the images of a CSV file, and the dialect if guessed."""
    rows: dict[str, list[KaggleRow]] = {}
    for row in decode_kaggle(read_document(path), name=display_text(path)):
        rows.setdefault(row.image, []).append(row)
    shape_of = _shape_of(sizes, path)
    used, why = dialect or KAGGLE, None
    if dialect is None and rows:
        image, first = next(iter(rows.items()))
        shape = first[0].shape or shape_of(image)
        same = [row.rle for group in rows.values() for row in group if row.shape in (None, shape)]
        best = guess_dialect(same, shape)[0]
        used, why = best.dialect, f"{best.dialect}: {best.reason}"

    def load(image: str, group: list[KaggleRow]) -> LabelledImage:
        shape = group[0].shape or shape_of(image)
        return settle(_image_of_rows(image, group, shape, used, display_text(path)), sizes, path)

    return [Entry(image, functools.partial(load, image, group), image) for image, group in rows.items()], why


def _image_of_rows(image: str, group: list[KaggleRow], shape: Shape, dialect: Dialect, name: str) -> LabelledImage:
    """Return an image from its rows.

    Several rows of a class hold one object each; a single row holds all objects of its class.
    """
    classes = [row.category for row in group]
    objects: list[LabelledObject] = []
    for row in group:
        mask = rle_decode(row.rle, shape, dialect, name=f"{name}:{row.line}")
        category = row.category or DEFAULT_CATEGORY
        if classes.count(row.category) == 1:
            objects += mask_objects(mask, category)
        else:
            item = mask_object(mask, category)
            objects += [] if item is None else [item]
    return LabelledImage(image, shape, tuple(objects))
