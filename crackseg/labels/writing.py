"""Write annotations to files and folders in any label format."""

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
    full_name,
    place_in,
)
from crackseg.labels.coco import CocoImage, describe_object, encode_coco
from crackseg.labels.cvat import encode_cvat_image, encode_cvat_xml
from crackseg.labels.fitting import BOXES_GROWN, CLASSES_DROPPED, OBJECTS_UNNUMBERED, Fitter
from crackseg.labels.kaggle import KaggleRow, encode_kaggle, mask_row
from crackseg.labels.label_studio import encode_label_studio, encode_label_studio_task
from crackseg.labels.labelme import encode_labelme
from crackseg.labels.polygon import Ring
from crackseg.labels.reading import DEFAULT_CATEGORY, Format
from crackseg.labels.rle import KAGGLE, Dialect
from crackseg.labels.runs import Shape
from crackseg.labels.segmentation import (
    MOST_INDICES,
    encode_labelmap,
    encode_segmentation,
    index_classes,
    index_objects,
    mark_void,
)
from crackseg.labels.voc import describe_voc, encode_voc
from crackseg.labels.yolo import YoloObject, encode_names, encode_yolo, encode_yolo_boxes


@dataclass(frozen=True, slots=True)
class Layout:
    """Options of a target format.

    Attributes:
        dialect: Dialect of the RLEs in a CSV file.
        polygons: True to write outlines as polygons where the format also supports masks.
        simplify_px: Largest deviation of a traced outline when points are removed, in pixels.
    """

    dialect: Dialect = KAGGLE
    polygons: bool = False
    simplify_px: float = 0.0


class Writer(Protocol):
    """Writer of images in one format.

    Attributes:
        changes: Number of objects that were changed to fit the format, by kind of change.
    """

    changes: Counter[str]

    def add(self, image: LabelledImage) -> LabelledImage:
        """Add an image and return it in the form that is written."""

    def finish(self) -> None:
        """Write the files that hold all images."""


def open_writer(target: Path, kind: Format, layout: Layout) -> Writer:
    """Return the writer of a format.

    Args:
        target: Folder to write, or the file to write if the format keeps all images in one file.
        kind: Format.
        layout: Options of the format.

    Raises:
        OutputError: If a folder cannot be created.
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
    """Return the single file of a format; None if it writes several."""
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
    """File names in use, to keep one image from overwriting the labels of another."""

    def __init__(self) -> None:
        self._images: dict[str, str] = {}

    def take(self, name: str, image: LabelledImage) -> str:
        """Reserve a file name for an image and return it.

        Raises:
            LabelError: If another image has the name.
        """
        if name in self._images:
            raise LabelError(
                f"the labels need the same name '{display_text(name)}' as those of {display_text(self._images[name])}",
                where=image.name,
                hint="convert the two images into separate folders",
            )
        self._images[name] = image.name
        return name


class _Masks:
    """Writer of ``STEM.png``, 0 and 255, with all objects merged."""

    def __init__(self, target: Path) -> None:
        self._fitter = Fitter(None, boxes=False)
        self.changes = self._fitter.changes
        self._folder, self._names = make_folder(target), _Names()

    def add(self, image: LabelledImage) -> LabelledImage:
        item = self._fitter.join(image, image.objects, DEFAULT_CATEGORY)
        fitted = replace(image, objects=() if item is None else (item,))
        self.changes[CLASSES_DROPPED] += len({item.category for item in image.objects} - {DEFAULT_CATEGORY})
        stem = self._names.take(place_in(image, image.stem), image)
        mask = draw_objects(fitted.objects, image.shape)
        pixels = mask_pixels(mask)
        # With a palette, 255 is void in every file, whatever the other values are.
        data = encode_png(pixels) if image.void is None else encode_segmentation(mark_void(mask, image.void))
        _write(self._folder / f"{stem}.png", data)
        return fitted

    def finish(self) -> None:
        """Do nothing, because all files are written."""


class _Kaggle:
    """Writer of ``rle.csv`` with a row per image, or per class of an image."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter(None, boxes=False)
        self.changes = self._fitter.changes
        self._path, self._names, self._dialect = _place(target, "kaggle-rle"), _Names(), layout.dialect
        self._rows: list[KaggleRow] = []

    def add(self, image: LabelledImage) -> LabelledImage:
        name = self._names.take(place_in(image, image.file_name), image)
        objects = []
        for category in sorted({item.category for item in image.objects}):
            members = [item for item in image.objects if item.category == category]
            item = self._fitter.join(image, members, category)
            if item is not None:
                objects.append(item)
                mask = draw_objects([item], image.shape)
                self._rows.append(mask_row(mask, name, category=category, dialect=self._dialect))
        if not objects:
            self._rows.append(KaggleRow(name, None, ""))
        return replace(image, objects=tuple(objects))

    def finish(self) -> None:
        plain = {row.category for row in self._rows} <= {None, DEFAULT_CATEGORY}
        rows = [replace(row, category=None) if plain else row for row in self._rows]
        write_bytes(self._path, encode_kaggle(rows))


class _Coco:
    """Writer of ``annotations/instances.json`` with RLEs, and polygons by the rule ``centre``."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter("centre", pixels=not layout.polygons, parts=True, simplify_px=layout.simplify_px)
        self.changes = self._fitter.changes
        self._path, self._images = _place(target, "coco"), list[CocoImage]()

    def add(self, image: LabelledImage) -> LabelledImage:
        fitted = self._fitter.fit(image)
        objects = [describe_object(item, image.shape) for item in fitted.objects]
        self._images.append(CocoImage(full_name(image), image.shape, objects))
        return fitted

    def finish(self) -> None:
        named = [item.category for image in self._images for item in image.objects]
        write_bytes(self._path, encode_coco(self._images, categories=list(dict.fromkeys(named)) or [DEFAULT_CATEGORY]))


class _Voc:
    """Writer of ``Annotations``, ``SegmentationClass``, ``SegmentationObject`` and ``labelmap.txt``."""

    def __init__(self, target: Path) -> None:
        self._fitter = Fitter(None)
        self.changes = self._fitter.changes
        folders = ("Annotations", "SegmentationClass", "SegmentationObject")
        self._boxes, self._classes, self._objects = (make_folder(target / name) for name in folders)
        self._target, self._names, self._numbers = target, _Names(), dict[str, int]()

    def add(self, image: LabelledImage) -> LabelledImage:
        fitted = self._fitter.fit(image)
        for item in fitted.objects:
            self._numbers.setdefault(item.category, len(self._numbers) + 1)
        if len(self._numbers) > MOST_INDICES:
            raise LabelError(
                f"the image adds class {len(self._numbers)}, and VOC has at most {MOST_INDICES} classes",
                where=image.name,
                hint="merge classes or use another format",
            )
        stem = self._names.take(place_in(image, image.stem), image)
        annotation = describe_voc(fitted)
        boxes = [tuple(map(float, box)) for box in annotation.boxes]
        self.changes[BOXES_GROWN] += sum(box != item.box for box, item in zip(boxes, fitted.objects, strict=True))
        _write(self._boxes / f"{stem}.xml", encode_voc(annotation))
        if image.void is not None or not fitted.objects or any(item.outline is not None for item in fitted.objects):
            objects = index_objects(fitted)
            self.changes[OBJECTS_UNNUMBERED] += objects is None
            _write(self._classes / f"{stem}.png", encode_segmentation(index_classes(fitted, self._numbers)))
            if objects is not None:
                _write(self._objects / f"{stem}.png", encode_segmentation(objects))
        return fitted

    def finish(self) -> None:
        write_bytes(self._target / "labelmap.txt", encode_labelmap(self._numbers))


class _Yolo:
    """Writer of ``labels/STEM.txt`` and ``data.yaml``: outlines, or boxes if an image has no outlines."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter("touch", pixels=False, boxes=False, simplify_px=layout.simplify_px)
        self.changes = self._fitter.changes
        self._target, self._folder = target, make_folder(target / "labels")
        self._names, self._numbers = _Names(), dict[str, int]()

    def add(self, image: LabelledImage) -> LabelledImage:
        only_boxes = bool(image.objects) and all(item.outline is None for item in image.objects)
        fitted = image if only_boxes else self._fitter.fit(image)
        for item in fitted.objects:
            self._numbers.setdefault(item.category, len(self._numbers))
        stem = self._names.take(place_in(image, image.stem), image)
        if only_boxes:
            boxes = [(self._numbers[item.category], item.box) for item in fitted.objects]
            data = encode_yolo_boxes(boxes, image.shape)
        else:
            fitted = replace(fitted, objects=tuple(_centre_points(item, image.shape) for item in fitted.objects))
            data = encode_yolo([YoloObject(ring, self._numbers[name]) for ring, name in _rings(fitted)], image.shape)
        _write(self._folder / f"{stem}.txt", data)
        return fitted

    def finish(self) -> None:
        write_bytes(self._target / "data.yaml", encode_names(list(self._numbers) or [DEFAULT_CATEGORY]))


class _Cvat:
    """Writer of ``annotations.xml`` with masks, and polygons by the rule ``centre``."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter("centre", pixels=not layout.polygons, simplify_px=layout.simplify_px)
        self.changes = self._fitter.changes
        self._path, self._images, self._names = _place(target, "cvat"), list[bytes](), dict[str, None]()

    def add(self, image: LabelledImage) -> LabelledImage:
        fitted = self._fitter.fit(image)
        self._images.append(encode_cvat_image(fitted, len(self._images)))
        self._names.update(dict.fromkeys(item.category for item in fitted.objects))
        return fitted

    def finish(self) -> None:
        write_bytes(self._path, encode_cvat_xml(self._images, list(self._names)))


class _Labelme:
    """Writer of ``STEM.json`` with masks, and polygons by the rule ``pillow``."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter(
            "pillow", pixels=not layout.polygons, whole_boxes=True, parts=True, simplify_px=layout.simplify_px
        )
        self.changes = self._fitter.changes
        self._folder, self._names = make_folder(target), _Names()

    def add(self, image: LabelledImage) -> LabelledImage:
        fitted = self._fitter.fit(image)
        stem = self._names.take(place_in(image, image.stem), image)
        image_path = (
            image.path and Path(os.path.relpath(image.path, (self._folder / image.folder).absolute())).as_posix()
        )
        _write(self._folder / f"{stem}.json", encode_labelme(fitted, image_path=image_path))
        return fitted

    def finish(self) -> None:
        """Do nothing, because all files are written."""


class _LabelStudio:
    """Writer of ``tasks.json`` with brushes, and polygons by the rule ``touch``."""

    def __init__(self, target: Path, layout: Layout) -> None:
        self._fitter = Fitter("touch", pixels=not layout.polygons, simplify_px=layout.simplify_px)
        self.changes = self._fitter.changes
        self._path, self._tasks = _place(target, "label-studio"), list[bytes]()

    def add(self, image: LabelledImage) -> LabelledImage:
        fitted = self._fitter.fit(image)
        self._tasks.append(encode_label_studio_task(fitted, len(self._tasks) + 1))
        return fitted

    def finish(self) -> None:
        write_bytes(self._path, encode_label_studio(self._tasks))


def _centre_points(item: LabelledObject, shape: Shape) -> LabelledObject:
    """Move points to pixel centres, which survive printing as fractions."""
    if not isinstance(item.outline, Polygons):
        return item
    last = np.array(shape) - 1
    rings = tuple(np.clip(np.floor(ring), 0, last) + 0.5 for ring in item.outline.rings)
    return replace(item, outline=Polygons(rings, item.outline.rule))


def _rings(image: LabelledImage) -> list[tuple[Ring, str]]:
    """Return the rings of all objects with their classes."""
    outlines = [(item.outline, item.category) for item in image.objects]
    return [(ring, name) for outline, name in outlines if isinstance(outline, Polygons) for ring in outline.rings]


def _write(path: Path, data: bytes) -> None:
    """Write a file into a folder that may have to be made."""
    make_folder(path.parent)
    write_bytes(path, data)


def _place(target: Path, kind: Format) -> Path:
    """Create the folder of a format's single file and return the file."""
    path = target_file(target, kind) or target
    make_folder(path.parent)
    return path
