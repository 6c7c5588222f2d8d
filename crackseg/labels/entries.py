"""Annotated images that are not read yet, and how they fit the image files on disk."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from crackseg.errors import LabelError
from crackseg.imaging.codec import image_size
from crackseg.labels.annotation import LabelledImage
from crackseg.labels.image_lookup import ImageSizes, image_in, name_parts, usual_places

NO_LABELS = "image without an annotation file"
_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")
_LABEL_FOLDERS = frozenset({"labels", "annotations", "masks", "segmentationclass"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One annotated image that is not read yet.

    Attributes:
        name: Name for messages.
        load: Function that reads the image's annotations.
        image: Name of the image, with its folders if it has any; empty if the annotations must be read to know it.
    """

    name: str
    load: Callable[[], LabelledImage]
    image: str = ""


@dataclass(slots=True)
class Findings:
    """Annotated images of a source.

    Attributes:
        entries: The images.
        unlabelled: Images next to annotation files that nobody labelled; loading one gives an image with a loss.
        passed_over: Files and folders that hold no annotations, relative to the source.
        dialect: Dialect that was guessed, with the reason; None if it was not guessed.
    """

    entries: list[Entry] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    unlabelled: list[Entry] = field(default_factory=list)
    dialect: str | None = None


def folder_of(file: Path, root: Path) -> tuple[str, ...]:
    """Return the folders of an annotation file, without those named for labels.

    Example:
        >>> folder_of(Path("set/train/labels/a.txt"), Path("set"))
        ('train',)
    """
    parts = file.parent.relative_to(root).parts if file.is_relative_to(root) else ()
    return tuple(part for part in parts if part.lower() not in _LABEL_FOLDERS)


def settle(
    image: LabelledImage, sizes: ImageSizes, file: Path, *, own_name: bool = False, repeated: bool = False
) -> LabelledImage:
    """Compare an image with its file on disk, if there is one.

    Args:
        image: The image, as the annotations describe it.
        sizes: Lookup of image files.
        file: Annotation file, next to which images are searched as well.
        own_name: True if the annotation file has the name of its image. That name counts if no image has the name in
            the file.
        repeated: True if several annotation files state this name, so that it cannot be right.

    Returns:
        The image, named like its file.

    Raises:
        LabelError: If the file has another size than the annotations state.
        ImageError: If the file cannot be read.
    """
    find = functools.partial(_find, sizes=sizes, file=file)
    path = find(image.name)
    if path is None and own_name:
        path = find("/".join((*name_parts(image.name)[:-1], file.stem)))
        if path is not None or repeated:
            suffix = Path(name_parts(image.name)[-1]).suffix if name_parts(image.name) else ""
            image = _rename(image, f"{file.stem}{suffix}" if path is None else path.name)
    upload = name_parts(image.name)[-1:] if path is None else ()
    if upload and _UPLOAD_PREFIX.match(upload[0]):
        path = find(_UPLOAD_PREFIX.sub("", upload[0]))
        image = image if path is None else replace(image, name=path.name)
    if path is not None and 0 not in image.shape:
        height, width = image_size(path)
        if (height, width) != image.shape:
            raise LabelError(
                f"the annotations are for an image of {image.shape[0]}x{image.shape[1]} pixels (height x width), but"
                f" {path.name} has {height}x{width}",
                where=image.name,
                hint="use the image that was labelled, or convert the annotations to its size",
            )
    return image


def _rename(image: LabelledImage, file_name: str) -> LabelledImage:
    return replace(image, name="/".join((*name_parts(image.name)[:-1], file_name)))


def _find(name: str, *, sizes: ImageSizes, file: Path) -> Path | None:
    try:
        path = sizes.find(name)
    except LabelError:
        return None  # Several images have the name, so that none can be compared.
    return path or image_in(usual_places(file), name)


def unlabelled_entry(path: Path, folder: tuple[str, ...]) -> Entry:
    """Return the entry of an image that nobody labelled.

    Args:
        path: Image file.
        folder: Folders of the image below the source.
    """

    def load() -> LabelledImage:
        return LabelledImage(path.name, image_size(path), left_out=(NO_LABELS,), folder="/".join(folder))

    name = "/".join((*folder, path.name))
    return Entry(name, load, name)
