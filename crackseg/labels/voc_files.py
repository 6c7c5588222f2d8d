"""List the images of Pascal VOC folders: XML files, segmentation images, or both."""

from __future__ import annotations

import functools
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from crackseg.errors import CracksegError, UsageError, display_text
from crackseg.imaging.codec import image_size
from crackseg.labels.annotation import LabelledImage
from crackseg.labels.document import read_document
from crackseg.labels.entries import Entry, Findings, folder_of, settle
from crackseg.labels.folders import label_folders, walk_files
from crackseg.labels.image_files import unlabelled
from crackseg.labels.image_lookup import ImageSizes, image_in
from crackseg.labels.runs import Shape
from crackseg.labels.segmentation import (
    Colour,
    decode_class_names,
    decode_labelmap,
    decode_segmentation,
    objects_of_indices,
)
from crackseg.labels.voc import decode_voc

_IMAGES = ("JPEGImages", "images")
_ELEMENT = re.compile(rb"<([A-Za-z_][\w.-]*)")
_FILE_NAME = re.compile(rb"<filename>\s*([^<]*?)\s*</filename>")


@dataclass(frozen=True, slots=True)
class _Root:
    """A folder of a VOC data set.

    Attributes:
        path: The folder.
        colours: Colour of each class index; None for the palette of VOC.
        names: Name of each class by its index.
    """

    path: Path
    colours: list[Colour] | None
    names: dict[int, str]


def voc_entries(source: Path, sizes: ImageSizes) -> Findings:
    """List the XML files and segmentation images of a file or folder."""
    top = source if source.is_dir() else source.parent
    every = [source] if source.is_file() else walk_files(source, (".xml",))
    own = label_folders(source, "annotations") if source.is_dir() else []
    paths = [path for path in every if not own or any(path.is_relative_to(folder) for folder in own)]
    paths = [path for path in paths if source.is_file() or _is_voc(path)]
    others = [path for path in every if path not in set(paths)]
    shared = Counter((path.parent, _stated_name(path)) for path in paths)
    roots: dict[Path, _Root] = {}

    def root_of(path: Path) -> _Root:
        folder = _root_folder(path, top)
        if folder not in roots:
            roots[folder] = _read_root(folder)
        return roots[folder]

    def load(path: Path, folder: tuple[str, ...]) -> LabelledImage:
        root = root_of(path)

        def shape_of(name: str) -> Shape:
            places = [root.path / image for image in _IMAGES] + [path.parent]
            nearby = image_in(places, name) or image_in(places, path.stem)
            return sizes.shape_of(name, sizes.find(name) or nearby)

        boxed = decode_voc(read_document(path), shape_of, name=display_text(path), file_name=path.stem)
        repeated = shared[path.parent, _stated_name(path)] > 1
        image = _segmented(replace(boxed, name=boxed.file_name, folder="/".join(folder)), root, path)
        return settle(image, sizes, path, own_name=True, repeated=repeated)

    entries: list[Entry] = []
    nobody: list[Entry] = []
    for path in paths:
        folder = folder_of(path, top)
        entries.append(Entry(display_text(path), functools.partial(load, path, folder), "/".join((*folder, path.stem))))
    if source.is_dir():
        entries += _segmentations(top, {(root.path, path.stem) for path in paths for root in [root_of(path)]}, sizes)
        places: dict[Path, Path] = {}
        for path in paths:
            root = _root_folder(path, top)
            places |= {root / name: path.parent for name in _IMAGES if (root / name).is_dir()}
            places[path.parent] = path.parent
        claimed = {(path.parent, path.stem) for path in paths}
        claimed |= {(path.parent, Path(_stated_name(path)).stem) for path in paths}
        nobody = unlabelled(top, places, claimed)
    return Findings(entries, [display_text(path.relative_to(top)) for path in others], nobody)


def _segmentations(top: Path, known: set[tuple[Path, str]], sizes: ImageSizes) -> list[Entry]:
    """List the images of ``SegmentationClass`` that have no XML file."""

    def load(path: Path, root: Path) -> LabelledImage:
        blank = LabelledImage(path.name, image_size(path), folder="/".join(folder_of(path, top)))
        image = _segmented(blank, _read_root(root), path)
        return settle(image, sizes, path, own_name=True)

    entries = []
    own = label_folders(top, "segmentationclass")
    for path in walk_files(top, (".png",)):
        if own and not any(path.is_relative_to(folder) for folder in own):
            continue
        places = [at for at, part in enumerate(path.parts[:-1]) if part == "SegmentationClass"]
        at = places[-1] if places and places[-1] >= len(top.parts) - 1 else None
        if at is None or (Path(*path.parts[:at]), path.stem) in known:
            continue
        name = "/".join((*folder_of(path, top), path.name))
        entries.append(Entry(display_text(path), functools.partial(load, path, Path(*path.parts[:at])), name))
    return entries


def _segmented(image: LabelledImage, root: _Root, path: Path) -> LabelledImage:
    """Replace boxes by the pixels of segmentation images, if any."""
    indices = []
    for folder, colours in (("SegmentationClass", root.colours), ("SegmentationObject", None)):
        below = [root.path / folder / f"{path.stem}.png"]
        if path.is_relative_to(root.path):
            below.insert(0, root.path.joinpath(folder, *path.relative_to(root.path).parts[1:-1], f"{path.stem}.png"))
        file = next((candidate for candidate in below if candidate.is_file()), None)
        read = None if file is None else read_document(file)
        indices.append(
            None if read is None else decode_segmentation(read, name=display_text(file or path), colours=colours)
        )
    return objects_of_indices(image, indices[0], indices[1], root.names)


def _root_folder(path: Path, top: Path) -> Path:
    """Return the folder that holds ``Annotations``, or else the source folder."""
    parts = path.parent.parts
    for at in range(len(parts) - 1, -1, -1):
        if parts[at].lower() == "annotations":
            return Path(*parts[:at])
    return top


def _read_root(folder: Path) -> _Root:
    labelmap, listed = folder / "labelmap.txt", folder / "class_names.txt"
    if labelmap.is_file():
        known = decode_labelmap(read_document(labelmap), name=display_text(labelmap))
        return _Root(
            folder, [colour for _, colour in known] or None, {at: name for at, (name, _) in enumerate(known) if at}
        )
    names = decode_class_names(read_document(listed), name=display_text(listed)) if listed.is_file() else {}
    return _Root(folder, None, names)


def _is_voc(path: Path) -> bool:
    try:
        first = _ELEMENT.search(read_document(path).replace(b"\0", b""))
    except CracksegError:
        return True
    return first is None or first[1] == b"annotation"


def _stated_name(path: Path) -> str:
    try:
        match = _FILE_NAME.search(read_document(path))
    except (CracksegError, UsageError):
        return ""
    return match[1].decode("utf-8", "replace") if match else path.stem
