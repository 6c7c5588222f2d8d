"""Annotations written to files and folders: what each format can hold, and where it keeps it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, assert_never

import numpy as np

from crackseg.errors import LabelError, display_text
from crackseg.files import make_folder, write_bytes
from crackseg.imaging.codec import encode_png, mask_pixels
from crackseg.labels.annotation import (
    LabelledImage,
    LabelledObject,
    Polygons,
    draw_objects,
)
from crackseg.labels.coco import CocoImage, describe_object, encode_coco
from crackseg.labels.cvat import encode_cvat_image, encode_cvat_xml
from crackseg.labels.fitting import BOXES_GROWN, CLASSES_DROPPED, OBJECTS_UNTOLD, Fitter
from crackseg.labels.kaggle import KaggleRow, encode_kaggle, mask_row
from crackseg.labels.label_studio import encode_label_studio, encode_label_studio_task
from crackseg.labels.labelme import encode_labelme
from crackseg.labels.polygon import Ring
from crackseg.labels.reading import DEFAULT_CATEGORY, Format
from crackseg.labels.rle import KAGGLE, Dialect, Shape
from crackseg.labels.segmentation import (
    MOST_INDICES,
    encode_labelmap,
    encode_segmentation,
    index_classes,
    index_objects,
)
from crackseg.labels.voc import describe_voc, encode_voc
from crackseg.labels.yolo import YoloObject, encode_names, encode_yolo, encode_yolo_boxes


@dataclass(frozen=True, slots=True)
class Layout:
    """How a format is to be written.

    Attributes:
        dialect: Of the pairs in a CSV file.
        polygons: Outlines as polygons where the format could hold pixels, too.
        simplify_px: How far a traced outline may stray to save points, in pixels.
    """

    dialect: Dialect = KAGGLE
    polygons: bool = False
    simplify_px: float = 0.0


class Writer(Protocol):
    """Takes images one by one.

    Attributes:
        changes: What a format could not hold as it was, counted.
    """

    changes: Counter[str]

    def add(self, image: LabelledImage) -> LabelledImage:
        """Write an image, or keep it for the end, and return it as the format holds it."""

    def finish(self) -> None:
        """Write what stands in one file for all images."""


def open_writer(target: Path, kind: Format, layout: Layout) -> Writer:
    """Return the writer of a format.

    Args:
        target: Folder to write, or the file, where a format keeps everything in one.
        kind: The format.
        layout: How to write it.

    Raises:
        OutputError: If a folder cannot be made.
    """
    match kind:
        case "masks":
            return _Masks(target)
        case "kaggle-rle":
            return _Kaggle(target, layout)
        case "coco":
            return _Coco(target, layout)
        case "voc":
            return _Voc(target)
        case "yolo":
            return _Yolo(target, layout)
        case "cvat":
            return _Cvat(target, layout)
        case "labelme":
            return _Labelme(target, layout)
        case "label-studio":
            return _LabelStudio(target, layout)
        case _:
            assert_never(kind)


def target_file(target: Path, kind: Format) -> Path | None:
    """Return the one file in which a format keeps everything; None if it writes a file per image."""
    names = {
        "kaggle-rle": "rle.csv",
        "coco": "annotations/instances.json",
        "cvat": "annotations.xml",
        "label-studio": "tasks.json",
    }
    name = names.get(kind)
    if name is None:
        return None
    return target if target.suffix.lower() == Path(name).suffix and not target.is_dir() else target / name


class _Names:
    """The names of files that are taken, so that no image overwrites another's."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}

    def take(self, name: str, image: LabelledImage) -> str:
        """Return ``name``, and remember it.

        Raises:
            LabelError: If another image has it.
        """
        if name in self._taken:
            raise LabelError(
                f"shares the name '{display_text(name)}' with {display_text(self._taken[name])}",
                where=image.name,
                hint="convert them one after the other, into two folders",
            )
        self._taken[name] = image.name
        return name


class _Masks:
    """``STEM.png``, 0 and 255: everything that is drawn, joined."""

    def __init__(self, target: Path) -> None:
        self._fitter = Fitter(None, boxes=False)
        self.changes = self._fitter.changes
        self._folder, self._names = make_folder(target), _Names()

    def add(self, image: LabelledImage) -> LabelledImage:
        item = self._fitter.join(image, image.objects, DEFAULT_CATEGORY)
        held = replace(image, objects=() if item is None else (item,))
        self.changes[CLASSES_DROPPED] += len({item.category for item in image.objects} - {DEFAULT_CATEGORY})
        stem = self._names.take(image.stem, image)
        pixels = mask_pixels(draw_objects(held.objects, image.shape))
        write_bytes(self._folder / f"{stem}.png", encode_png(pixels))
        return held

    def finish(self) -> None:
        """Nothing is left to write."""


class _Kaggle:
    """``rle.csv``: a row per image, or per class of an image where there are classes."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter(None, boxes=False)
        self.changes = self._fitter.changes
        self._path, self._names, self._dialect = _place(target, "kaggle-rle"), _Names(), layout.dialect
        self._rows: list[KaggleRow] = []

    def add(self, image: LabelledImage) -> LabelledImage:
        self._names.take(image.file_name, image)
        held = []
        for category in sorted({item.category for item in image.objects}):
            own = [item for item in image.objects if item.category == category]
            item = self._fitter.join(image, own, category)
            if item is not None:
                held.append(item)
                mask = draw_objects([item], image.shape)
                self._rows.append(mask_row(mask, image.file_name, category=category, dialect=self._dialect))
        if not held:
            self._rows.append(KaggleRow(image.file_name, None, ""))
        return replace(image, objects=tuple(held))

    def finish(self) -> None:
        plain = {row.category for row in self._rows} <= {None, DEFAULT_CATEGORY}
        rows = [replace(row, category=None) if plain else row for row in self._rows]
        write_bytes(self._path, encode_kaggle(rows))


class _Coco:
    """``annotations/instances.json``: pixels as RLE, rings of its own rule as polygons."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter("centre", pixels=not layout.polygons, parts=True, simplify_px=layout.simplify_px)
        self.changes = self._fitter.changes
        self._path, self._images = _place(target, "coco"), list[CocoImage]()

    def add(self, image: LabelledImage) -> LabelledImage:
        held = self._fitter.fit(image)
        objects = [describe_object(item, image.shape) for item in held.objects]
        self._images.append(CocoImage(image.name, image.shape, objects))
        return held

    def finish(self) -> None:
        named = [item.category for image in self._images for item in image.objects]
        write_bytes(self._path, encode_coco(self._images, categories=list(dict.fromkeys(named)) or [DEFAULT_CATEGORY]))


class _Voc:
    """``Annotations``, ``SegmentationClass``, ``SegmentationObject`` and ``labelmap.txt``."""

    def __init__(self, target: Path) -> None:
        self._fitter = Fitter(None)
        self.changes = self._fitter.changes
        folders = ("Annotations", "SegmentationClass", "SegmentationObject")
        self._boxes, self._classes, self._objects = (make_folder(target / name) for name in folders)
        self._target, self._names, self._numbers = target, _Names(), dict[str, int]()

    def add(self, image: LabelledImage) -> LabelledImage:
        held = self._fitter.fit(image)
        for item in held.objects:
            self._numbers.setdefault(item.category, len(self._numbers) + 1)
        if len(self._numbers) > MOST_INDICES:
            raise LabelError(f"VOC can tell {MOST_INDICES} classes apart, and this one has more", where=image.name)
        stem = self._names.take(image.stem, image)
        annotation = describe_voc(held)
        boxes = [tuple(map(float, box)) for box in annotation.boxes]
        self.changes[BOXES_GROWN] += sum(box != item.box for box, item in zip(boxes, held.objects, strict=True))
        write_bytes(self._boxes / f"{stem}.xml", encode_voc(annotation))
        if not held.objects or any(item.outline is not None for item in held.objects):
            objects = index_objects(held)
            self.changes[OBJECTS_UNTOLD] += objects is None
            write_bytes(self._classes / f"{stem}.png", encode_segmentation(index_classes(held, self._numbers)))
            if objects is not None:
                write_bytes(self._objects / f"{stem}.png", encode_segmentation(objects))
        return held

    def finish(self) -> None:
        write_bytes(self._target / "labelmap.txt", encode_labelmap(self._numbers))


class _Yolo:
    """``labels/STEM.txt`` and ``data.yaml``: outlines, or boxes where an image has nothing else."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter("touch", pixels=False, boxes=False, simplify_px=layout.simplify_px)
        self.changes = self._fitter.changes
        self._target, self._folder = target, make_folder(target / "labels")
        self._names, self._numbers = _Names(), dict[str, int]()

    def add(self, image: LabelledImage) -> LabelledImage:
        mere_boxes = bool(image.objects) and all(item.outline is None for item in image.objects)
        held = image if mere_boxes else self._fitter.fit(image)
        for item in held.objects:
            self._numbers.setdefault(item.category, len(self._numbers))
        stem = self._names.take(image.stem, image)
        if mere_boxes:
            boxes = [(self._numbers[item.category], item.box) for item in held.objects]
            data = encode_yolo_boxes(boxes, image.shape)
        else:
            held = replace(held, objects=tuple(_on_pixels(item, image.shape) for item in held.objects))
            data = encode_yolo([YoloObject(ring, self._numbers[name]) for ring, name in _rings(held)], image.shape)
        write_bytes(self._folder / f"{stem}.txt", data)
        return held

    def finish(self) -> None:
        write_bytes(self._target / "data.yaml", encode_names(list(self._numbers) or [DEFAULT_CATEGORY]))


class _Cvat:
    """``annotations.xml``: pixels as masks, rings of its own rule as polygons."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter("centre", pixels=not layout.polygons, simplify_px=layout.simplify_px)
        self.changes = self._fitter.changes
        self._path, self._images, self._names = _place(target, "cvat"), list[bytes](), dict[str, None]()

    def add(self, image: LabelledImage) -> LabelledImage:
        held = self._fitter.fit(image)
        self._images.append(encode_cvat_image(held, len(self._images)))
        self._names.update(dict.fromkeys(item.category for item in held.objects))
        return held

    def finish(self) -> None:
        write_bytes(self._path, encode_cvat_xml(self._images, list(self._names)))


class _Labelme:
    """``STEM.json``: pixels as masks, rings of its own rule as polygons."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter("touch", pixels=not layout.polygons, parts=True, simplify_px=layout.simplify_px)
        self.changes = self._fitter.changes
        self._folder, self._names = make_folder(target), _Names()

    def add(self, image: LabelledImage) -> LabelledImage:
        held = self._fitter.fit(image)
        stem = self._names.take(image.stem, image)
        there = image.path and Path(os.path.relpath(image.path, self._folder.absolute())).as_posix()
        write_bytes(self._folder / f"{stem}.json", encode_labelme(held, image_path=there))
        return held

    def finish(self) -> None:
        """Nothing is left to write."""


class _LabelStudio:
    """``tasks.json``: pixels as brushes, rings of its own rule as polygons."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter("touch", pixels=not layout.polygons, simplify_px=layout.simplify_px)
        self.changes = self._fitter.changes
        self._path, self._tasks = _place(target, "label-studio"), list[bytes]()

    def add(self, image: LabelledImage) -> LabelledImage:
        held = self._fitter.fit(image)
        self._tasks.append(encode_label_studio_task(held, len(self._tasks) + 1))
        return held

    def finish(self) -> None:
        write_bytes(self._path, encode_label_studio(self._tasks))


def _on_pixels(item: LabelledObject, shape: Shape) -> LabelledObject:
    """Return an object with its points moved to the centres of their pixels, which no rounding of shares can undo."""
    if not isinstance(item.outline, Polygons):
        return item
    last = np.array(shape) - 1
    rings = tuple(np.clip(np.floor(ring), 0, last) + 0.5 for ring in item.outline.rings)
    return replace(item, outline=Polygons(rings, item.outline.rule))


def _rings(image: LabelledImage) -> list[tuple[Ring, str]]:
    """Return the rings of an image's objects, each with its class."""
    outlines = [(item.outline, item.category) for item in image.objects]
    return [(ring, name) for outline, name in outlines if isinstance(outline, Polygons) for ring in outline.rings]


def _place(target: Path, kind: Format) -> Path:
    """Return the one file of a format, its folder made."""
    path = target_file(target, kind) or target
    make_folder(path.parent)
    return path
