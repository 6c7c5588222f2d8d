"""Annotations found in files and folders: what each format keeps where."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

from crackseg.errors import LabelError, UsageError, display_text
from crackseg.files import IMAGE_SUFFIXES, list_images
from crackseg.imaging.codec import image_size, read_image, read_mask
from crackseg.labels.annotation import LabelledImage, LabelledObject, mask_object, mask_objects
from crackseg.labels.coco import decode_coco, read_coco_image
from crackseg.labels.cvat import decode_cvat_xml, read_cvat_image
from crackseg.labels.document import read_document
from crackseg.labels.guess import guess_dialect
from crackseg.labels.kaggle import KaggleRow, decode_kaggle
from crackseg.labels.label_studio import decode_label_studio, read_label_studio_task
from crackseg.labels.labelme import decode_labelme
from crackseg.labels.rle import KAGGLE, Dialect, Shape, rle_decode
from crackseg.labels.segmentation import decode_labelmap, decode_segmentation, objects_of_indices
from crackseg.labels.voc import decode_voc
from crackseg.labels.yolo import decode_names, decode_yolo

Format = Literal["masks", "kaggle-rle", "coco", "voc", "yolo", "cvat", "labelme", "label-studio"]

DEFAULT_CATEGORY = "crack"
"""Class of what is drawn where a format, or a file, has no classes."""

_NO_LABELS = frozenset(
    {"classes", "obj", "labels", "names", "readme", "license", "train", "val", "valid", "test", "trainval"}
)
_NAME_FILES = ("data.yaml", "dataset.yaml", "classes.txt", "obj.names")


@dataclass(frozen=True, slots=True)
class Entry:
    """One image that annotations speak of, not read yet.

    Attributes:
        name: What to call it.
        load: Reads it.
    """

    name: str
    load: Callable[[], LabelledImage]


class ImageSizes:
    """Finds the size of an image where annotations do not say.

    Args:
        shape: Height and width of every image, in pixels, if known.
        images: Folder of the images, searched with its subfolders.
    """

    def __init__(self, shape: Shape | None = None, images: Path | None = None) -> None:
        if images is not None and not images.is_dir():
            raise UsageError("no such folder of images", where=images, hint="check --images")
        self._shape = shape
        self._folder = images

    def find(self, name: str) -> Path | None:
        """Return the image of a name, or of its stem; None if there is no such image, or no folder to look in.

        Raises:
            LabelError: If there are several.
        """
        wanted = LabelledImage(name, (1, 1)).file_name
        found = self._by_name.get(wanted) or self._by_name.get(Path(wanted).stem) or []
        if len(found) > 1:
            raise LabelError(f"{len(found)} images have this name", where=name, hint="give the folder of one of them")
        return found[0] if found else None

    def shape_of(self, name: str, beside: Path | None = None) -> Shape:
        """Return height and width of an image.

        Args:
            name: The image, as annotations name it.
            beside: Where it lies, if that is known.

        Raises:
            UsageError: If neither a size is known nor an image of that name found.
            ImageError: If the image cannot be read.
        """
        if self._shape is not None:
            return self._shape
        path = beside or self.find(name)
        if path is None:
            hint = "add --shape HxW, or --images DIR" if self._folder is None else "check --images"
            raise UsageError("its annotations do not say how large the image is", where=name, hint=hint)
        return image_size(path)

    @functools.cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        known: dict[str, list[Path]] = {}
        for path in sorted(self._folder.rglob("*")) if self._folder is not None else ():
            if path.suffix.lower() in IMAGE_SUFFIXES:
                for key in dict.fromkeys((path.name, path.stem)):
                    known.setdefault(key, []).append(path)
        return known


def read_entries(
    source: Path, kind: Format, sizes: ImageSizes, *, dialect: Dialect | None = KAGGLE
) -> tuple[list[Entry], str | None]:
    """Find the images that some annotations speak of.

    Args:
        source: A file or a folder.
        kind: Its format.
        sizes: Finds the sizes of images where the annotations do not say.
        dialect: Of the pairs in a CSV file; None to guess it.

    Returns:
        The images, and, where the dialect was guessed, which it is and why.

    Raises:
        UsageError: If there is no such file or folder, or nothing of that format in it.
        LabelError: If a document of several images cannot be read.
    """
    if not source.exists():
        raise UsageError("no such file or folder", where=source, hint="check the path")
    entries, why = _find(source, kind, sizes, dialect)
    if not entries:
        raise UsageError(f"holds no annotations of the format '{kind}'", where=source, hint="check --from")
    return entries, why


def _find(source: Path, kind: Format, sizes: ImageSizes, dialect: Dialect | None) -> tuple[list[Entry], str | None]:
    match kind:
        case "masks":
            return _masks(source), None
        case "kaggle-rle":
            return _kaggle(_document(source, (".csv",)), sizes, dialect)
        case "coco":
            return _coco(_document(source, (".json",), "annotations"), sizes), None
        case "voc":
            return _voc(source, sizes), None
        case "yolo":
            return _yolo(source, sizes), None
        case "cvat":
            return _cvat(_document(source, (".xml",)), sizes), None
        case "labelme":
            return _labelme(source, sizes), None
        case "label-studio":
            return _label_studio(_document(source, (".json",)), sizes), None
        case _:
            assert_never(kind)


def _document(source: Path, suffixes: Sequence[str], folder: str = "") -> Path:
    """Return a file, or the only one of its kind in a folder."""
    if source.is_file():
        return source
    for place in (source, source / folder) if folder else (source,):
        found = _files(place, suffixes)
        if len(found) > 1:
            names = ", ".join(display_text(path.name) for path in found[:4])
            raise UsageError(f"holds {len(found)} such files ({names})", where=place, hint="name one of them")
        if found:
            return found[0]
    raise UsageError(f"holds no file that ends in {suffixes[0]}", where=source, hint="name the file")


def _files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.name[0] != ".")


def _masks(source: Path) -> list[Entry]:
    if source.is_file():
        paths: Sequence[Path] = (source,)
    else:
        paths = list_images(source / "masks" if (source / "masks").is_dir() else source)

    def load(path: Path) -> LabelledImage:
        mask = read_mask(path)
        if not mask.any():
            _check_emptiness(path)
        return LabelledImage(path.name, (mask.shape[0], mask.shape[1]), mask_objects(mask, DEFAULT_CATEGORY))

    return [Entry(display_text(path), functools.partial(load, path)) for path in paths]


def _check_emptiness(path: Path) -> None:
    """Refuse a file that reads as an empty mask and yet holds something, be it numbers of classes or a faint drawing.

    JPEG is let off, for black comes out of it as not quite black.
    """
    if path.suffix.lower() in (".jpg", ".jpeg"):
        return
    highest = int(read_image(path).max())
    if highest > 0:
        raise LabelError(
            f"no value is above {highest}, and crack begins at 128",
            where=path,
            hint="are these numbers of classes? Then read them as SegmentationClass of VOC",
        )


def _kaggle(path: Path, sizes: ImageSizes, dialect: Dialect | None) -> tuple[list[Entry], str | None]:
    rows: dict[str, list[KaggleRow]] = {}
    for row in decode_kaggle(read_document(path), name=display_text(path)):
        rows.setdefault(row.image, []).append(row)
    used, why = dialect or KAGGLE, None
    if dialect is None and rows:
        image, first = next(iter(rows.items()))
        shape = first[0].shape or sizes.shape_of(image)
        same = [row.rle for own in rows.values() for row in own if row.shape in (None, shape)]
        best = guess_dialect(same, shape)[0]
        used, why = best.dialect, f"{best.dialect}: {best.reason}"

    def load(image: str, own: list[KaggleRow]) -> LabelledImage:
        shape = own[0].shape or sizes.shape_of(image)
        classes = [row.category for row in own]
        objects: list[LabelledObject] = []
        for row in own:
            mask = rle_decode(row.rle, shape, used, name=f"{display_text(path)}:{row.line}")
            category = row.category or DEFAULT_CATEGORY
            # A row of its own is an object; the only row of a class holds all its objects.
            if classes.count(row.category) == 1:
                objects += mask_objects(mask, category)
            else:
                item = mask_object(mask, category)
                objects += [] if item is None else [item]
        return LabelledImage(image, shape, tuple(objects))

    return [Entry(image, functools.partial(load, image, own)) for image, own in rows.items()], why


def _coco(path: Path, sizes: ImageSizes) -> list[Entry]:
    document = decode_coco(read_document(path), name=display_text(path))
    return [
        Entry(str(number), functools.partial(read_coco_image, document, number, sizes.shape_of))
        for number in document.annotations
    ]


def _cvat(path: Path, sizes: ImageSizes) -> list[Entry]:
    name = display_text(path)
    return [
        Entry(image, functools.partial(read_cvat_image, image, element, sizes.shape_of, name=name))
        for image, element in decode_cvat_xml(read_document(path), name=name)
    ]


def _label_studio(path: Path, sizes: ImageSizes) -> list[Entry]:
    name = display_text(path)
    return [
        Entry(image, functools.partial(read_label_studio_task, image, task, sizes.shape_of, name=name))
        for image, task in decode_label_studio(read_document(path), name=name)
    ]


def _labelme(source: Path, sizes: ImageSizes) -> list[Entry]:
    def load(path: Path) -> LabelledImage:
        return decode_labelme(read_document(path), sizes.shape_of, name=display_text(path))

    paths = [source] if source.is_file() else _files(source, (".json",))
    return [Entry(display_text(path), functools.partial(load, path)) for path in paths]


def _voc(source: Path, sizes: ImageSizes) -> list[Entry]:
    root = source.parent if source.is_file() else source
    folder = next((root / name for name in ("Annotations", "annotations") if (root / name).is_dir()), root)
    if source.is_file() or folder == root:
        # Given a file or the folder of the XML files itself, the segmentations lie beside that folder.
        root = folder.parent if folder.name.lower() == "annotations" else root
    paths = [source] if source.is_file() else _files(folder, (".xml",))
    labelmap = root / "labelmap.txt"
    known = decode_labelmap(read_document(labelmap), name=display_text(labelmap)) if labelmap.is_file() else []
    colours = [colour for _, colour in known] or None
    names = {index: label for index, (label, _) in enumerate(known) if index}

    def shape_of(image: str) -> Shape:
        places = [root / name for name in ("JPEGImages", "images")] + [folder]
        return sizes.shape_of(image, sizes.find(image) or _image_in(places, LabelledImage(image, (1, 1)).stem))

    def load(path: Path) -> LabelledImage:
        boxed = decode_voc(read_document(path), shape_of, name=display_text(path))
        classes, objects = (root / name / f"{path.stem}.png" for name in ("SegmentationClass", "SegmentationObject"))
        drawn = [
            decode_segmentation(read_document(image), name=display_text(image), colours=palette)
            if image.is_file()
            else None
            for image, palette in ((classes, colours), (objects, None))
        ]
        return objects_of_indices(boxed, drawn[0], drawn[1], names)

    return [Entry(display_text(path), functools.partial(load, path)) for path in paths]


def _yolo(source: Path, sizes: ImageSizes) -> list[Entry]:
    root = source.parent if source.is_file() else source
    folder = root / "labels" if (root / "labels").is_dir() else root
    texts = [source] if source.is_file() else sorted(folder.rglob("*.txt"))
    texts = [path for path in texts if path.stem.lower() not in _NO_LABELS and path.name[0] != "."]
    named = [place / name for place in (root, folder, root.parent) for name in _NAME_FILES]
    names_file = next((path for path in named if path.is_file()), None)
    names = [] if names_file is None else decode_names(read_document(names_file), name=display_text(names_file))

    def load(path: Path) -> LabelledImage:
        image = sizes.find(path.name) or _image_beside(path)
        shape = sizes.shape_of(path.name, image)
        name = f"{path.stem}.jpg" if image is None else image.name
        return decode_yolo(read_document(path), name, shape, names, name=display_text(path))

    return [Entry(display_text(path), functools.partial(load, path)) for path in texts]


def _image_beside(path: Path) -> Path | None:
    """Return the image of a label file: beside it, or in ``images`` where the label file is in ``labels``."""
    parts = path.parent.parts
    places = [path.parent]
    for at, part in reversed(list(enumerate(parts))):
        if part.lower() in ("labels", "annotations"):
            places += [Path(*parts[:at], name, *parts[at + 1 :]) for name in ("images", "Images")]
    return _image_in(places, path.stem)


def _image_in(places: Sequence[Path], stem: str) -> Path | None:
    suffixes = [suffix for known in sorted(IMAGE_SUFFIXES) for suffix in (known, known.upper())]
    candidates = (place / f"{stem}{suffix}" for place in places for suffix in suffixes)
    return next((candidate for candidate in candidates if candidate.is_file()), None)
