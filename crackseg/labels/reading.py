"""Find and read the annotations of a file or folder in any label format."""

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
from crackseg.labels.rle import KAGGLE, Dialect, rle_decode
from crackseg.labels.runs import Shape
from crackseg.labels.segmentation import decode_labelmap, decode_segmentation, objects_of_indices
from crackseg.labels.voc import decode_voc
from crackseg.labels.yolo import decode_names, decode_yolo

Format = Literal["masks", "kaggle-rle", "coco", "voc", "yolo", "cvat", "labelme", "label-studio"]

DEFAULT_CATEGORY = "crack"
"""Class of objects in formats or files without classes."""

_NO_LABELS = frozenset(
    {"classes", "obj", "labels", "names", "readme", "license", "train", "val", "valid", "test", "trainval"}
)
_NAME_FILES = ("data.yaml", "dataset.yaml", "classes.txt", "obj.names")


@dataclass(frozen=True, slots=True)
class Entry:
    """One annotated image that is not read yet.

    Attributes:
        name: Name for messages.
        load: Function that reads the image's annotations.
    """

    name: str
    load: Callable[[], LabelledImage]


class ImageSizes:
    """Lookup of image sizes for annotations that do not state them.

    Args:
        shape: Height and width ``(H, W)`` of every image, in pixels; None if unknown.
        images: Folder of the images, searched with its subfolders; None for no folder.

    Raises:
        UsageError: If the folder does not exist.

    Example:
        >>> ImageSizes((480, 640)).shape_of("wall.png")
        (480, 640)
    """

    def __init__(self, shape: Shape | None = None, images: Path | None = None) -> None:
        if images is not None and not images.is_dir():
            raise UsageError("no such folder", where=images, hint="check --images")
        self._shape = shape
        self._folder = images

    def find(self, name: str) -> Path | None:
        """Find the path of an image by its name or stem.

        Returns:
            Path of the image; None if there is no such image.

        Raises:
            LabelError: If several images have this name.
        """
        file_name = LabelledImage(name, (1, 1)).file_name
        paths = self._by_name.get(file_name) or self._by_name.get(Path(file_name).stem) or []
        if len(paths) > 1:
            raise LabelError(
                f"{len(paths)} images have this name", where=name, hint="point --images to the folder of one of them"
            )
        return paths[0] if paths else None

    def shape_of(self, name: str, path: Path | None = None) -> Shape:
        """Return height and width of an image, in pixels.

        Args:
            name: Name of the image in the annotations.
            path: Path of the image, if known.

        Raises:
            UsageError: If the size is unknown and no image with that name exists.
            ImageError: If the image cannot be read.
        """
        if self._shape is not None:
            return self._shape
        path = path or self.find(name)
        if path is None:
            hint = "add --shape HxW or --images DIR" if self._folder is None else "check --images"
            raise UsageError("the annotations do not state the size of the image", where=name, hint=hint)
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
    source: Path,
    kind: Format,
    sizes: ImageSizes,
    *,
    dialect: Dialect | None = KAGGLE,
    line_width_px: float | None = None,
) -> tuple[list[Entry], str | None]:
    """List the annotated images of a file or folder.

    Args:
        source: File or folder.
        kind: Format of the annotations.
        sizes: Lookup for image sizes that the annotations do not state.
        dialect: Dialect of the RLEs in a CSV file; None to guess it.
        line_width_px: Width of lines, in pixels; None to leave lines out.

    Returns:
        The images, and the guessed dialect with the reason, or None if it was not guessed.

    Raises:
        UsageError: If there is no such file or folder, or it holds no annotations in that format.
        LabelError: If a document that holds several images cannot be read.
    """
    if not source.exists():
        raise UsageError("no such file or folder", where=source, hint="check the path")
    entries, why = _find(source, kind, sizes, dialect, line_width_px)
    if not entries:
        raise UsageError(f"no annotations in the format '{kind}'", where=source, hint="check the path and --from")
    return entries, why


def _find(
    source: Path, kind: Format, sizes: ImageSizes, dialect: Dialect | None, line_width_px: float | None
) -> tuple[list[Entry], str | None]:
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
            return _cvat(_document(source, (".xml",)), sizes, line_width_px), None
        case "labelme":
            return _labelme(source, sizes, line_width_px), None
        case "label-studio":
            return _label_studio(_document(source, (".json",)), sizes, line_width_px), None
        case _:
            assert_never(kind)


def _document(source: Path, suffixes: Sequence[str], folder: str = "") -> Path:
    """Return the source file, or the only matching file in its folder."""
    if source.is_file():
        return source
    for place in (source, source / folder) if folder else (source,):
        paths = _files(place, suffixes)
        if len(paths) > 1:
            names = ", ".join(display_text(path.name) for path in paths[:4])
            raise UsageError(
                f"the folder holds {len(paths)} {suffixes[0]} files ({names})", where=place, hint="name one of them"
            )
        if paths:
            return paths[0]
    raise UsageError(f"the folder holds no {suffixes[0]} file", where=source, hint="name the file")


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
            _check_empty(path)
        return LabelledImage(path.name, (mask.shape[0], mask.shape[1]), mask_objects(mask, DEFAULT_CATEGORY))

    return [Entry(display_text(path), functools.partial(load, path)) for path in paths]


def _check_empty(path: Path) -> None:
    """Refuse an empty mask whose file holds low values.

    Such values are often class numbers. JPEG files pass, because their black is not exactly 0.
    """
    if path.suffix.lower() in (".jpg", ".jpeg"):
        return
    highest = int(read_image(path).max())
    if highest > 0:
        raise LabelError(
            f"expected crack pixels of 128 or more, the largest value is {highest}",
            where=path,
            hint="use 0 and 255; class numbers can be read with --from voc, from a folder SegmentationClass",
        )


def _kaggle(path: Path, sizes: ImageSizes, dialect: Dialect | None) -> tuple[list[Entry], str | None]:
    rows: dict[str, list[KaggleRow]] = {}
    for row in decode_kaggle(read_document(path), name=display_text(path)):
        rows.setdefault(row.image, []).append(row)
    used, why = dialect or KAGGLE, None
    if dialect is None and rows:
        image, first = next(iter(rows.items()))
        shape = first[0].shape or sizes.shape_of(image)
        same = [row.rle for group in rows.values() for row in group if row.shape in (None, shape)]
        best = guess_dialect(same, shape)[0]
        used, why = best.dialect, f"{best.dialect}: {best.reason}"

    def load(image: str, group: list[KaggleRow]) -> LabelledImage:
        shape = group[0].shape or sizes.shape_of(image)
        classes = [row.category for row in group]
        objects: list[LabelledObject] = []
        for row in group:
            mask = rle_decode(row.rle, shape, used, name=f"{display_text(path)}:{row.line}")
            category = row.category or DEFAULT_CATEGORY
            # Several rows of a class hold one object each; a single row holds all objects of its class.
            if classes.count(row.category) == 1:
                objects += mask_objects(mask, category)
            else:
                item = mask_object(mask, category)
                objects += [] if item is None else [item]
        return LabelledImage(image, shape, tuple(objects))

    return [Entry(image, functools.partial(load, image, group)) for image, group in rows.items()], why


def _coco(path: Path, sizes: ImageSizes) -> list[Entry]:
    document = decode_coco(read_document(path), name=display_text(path))
    return [
        Entry(str(number), functools.partial(read_coco_image, document, number, sizes.shape_of))
        for number in document.annotations
    ]


def _cvat(path: Path, sizes: ImageSizes, line_width_px: float | None) -> list[Entry]:
    name = display_text(path)
    return [
        Entry(
            image,
            functools.partial(read_cvat_image, image, element, sizes.shape_of, name=name, line_width_px=line_width_px),
        )
        for image, element in decode_cvat_xml(read_document(path), name=name)
    ]


def _label_studio(path: Path, sizes: ImageSizes, line_width_px: float | None) -> list[Entry]:
    name = display_text(path)
    return [
        Entry(
            image,
            functools.partial(
                read_label_studio_task, image, task, sizes.shape_of, name=name, line_width_px=line_width_px
            ),
        )
        for image, task in decode_label_studio(read_document(path), name=name)
    ]


def _labelme(source: Path, sizes: ImageSizes, line_width_px: float | None) -> list[Entry]:
    def load(path: Path) -> LabelledImage:
        return decode_labelme(read_document(path), sizes.shape_of, name=display_text(path), line_width_px=line_width_px)

    paths = [source] if source.is_file() else _files(source, (".json",))
    return [Entry(display_text(path), functools.partial(load, path)) for path in paths]


def _voc(source: Path, sizes: ImageSizes) -> list[Entry]:
    root = source.parent if source.is_file() else source
    folder = next((root / name for name in ("Annotations", "annotations") if (root / name).is_dir()), root)
    if source.is_file() or folder == root:
        # The source is an XML file or the folder of the XML files: the segmentations lie in sibling folders.
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
        indices = [
            decode_segmentation(read_document(image), name=display_text(image), colours=palette)
            if image.is_file()
            else None
            for image, palette in ((classes, colours), (objects, None))
        ]
        return objects_of_indices(boxed, indices[0], indices[1], names)

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
        image = sizes.find(path.name) or _image_of_label(path)
        shape = sizes.shape_of(path.name, image)
        name = f"{path.stem}.jpg" if image is None else image.name
        return decode_yolo(read_document(path), name, shape, names, name=display_text(path))

    return [Entry(display_text(path), functools.partial(load, path)) for path in texts]


def _image_of_label(path: Path) -> Path | None:
    """Return the image next to a label file or in ``images``."""
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
