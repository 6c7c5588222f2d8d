"""List the images of formats with one annotation file per image: masks, LabelMe and YOLO."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from crackseg.errors import CracksegError, LabelError, display_text
from crackseg.files import IMAGE_SUFFIXES
from crackseg.imaging.codec import image_size, read_image, read_mask_and_void
from crackseg.labels.annotation import LabelledImage, cut_suffix, mask_objects
from crackseg.labels.document import read_document
from crackseg.labels.documents import DEFAULT_CATEGORY
from crackseg.labels.entries import Entry, Findings, folder_of, settle, unlabelled_entry
from crackseg.labels.folders import label_folders, walk_files
from crackseg.labels.image_lookup import ImageSizes, image_in, name_parts, usual_places
from crackseg.labels.labelme import decode_labelme
from crackseg.labels.yolo import decode_names, decode_yolo

BACKGROUND = "image without a label file read as background"
_NO_LABELS = frozenset(
    {"classes", "obj", "labels", "names", "readme", "license", "train", "val", "valid", "test", "trainval"}
)
_NUMBER = re.compile(rb"[-+]?[0-9.]+([eE][-+]?[0-9]+)?")
_NAME_FILES = ("data.yaml", "dataset.yaml", "classes.txt", "obj.names")
_IMAGE_PATH = re.compile(rb'"imagePath"\s*:\s*("(?:[^"\\]|\\.)*")')


def mask_entries(source: Path) -> Findings:
    """List masks: a file, folders ``masks``, or all images."""
    root = source if source.is_dir() else source.parent
    places = label_folders(source, "masks") if source.is_dir() else []
    paths = (
        [source] if source.is_file() else [p for place in places or [source] for p in walk_files(place, IMAGE_SUFFIXES)]
    )

    def load(path: Path, folder: tuple[str, ...]) -> LabelledImage:
        mask, void = read_mask_and_void(path)
        if not mask.any() and void is None:
            _check_empty(path)
        objects = mask_objects(mask, DEFAULT_CATEGORY)
        return LabelledImage(path.name, (mask.shape[0], mask.shape[1]), objects, folder="/".join(folder), void=void)

    placed = [(path, folder_of(path, root)) for path in paths]
    return Findings(
        [
            Entry(display_text(path), functools.partial(load, path, folder), "/".join((*folder, path.name)))
            for path, folder in placed
        ]
    )


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


def labelme_entries(source: Path, sizes: ImageSizes, line_width_px: float | None) -> Findings:
    """List LabelMe files, and the images next to them that have none."""
    root = source if source.is_dir() else source.parent
    paths = [source] if source.is_file() else walk_files(source, (".json",))
    stated = {path: _image_path(path) for path in paths}
    others = [path for path in paths if stated[path] is None and source.is_dir()]
    paths = [path for path in paths if path not in others]
    shared = Counter((path.parent, stated[path]) for path in paths)

    def load(path: Path, folder: tuple[str, ...]) -> LabelledImage:
        def shape_of(name: str) -> tuple[int, int]:
            nearby = image_in([path.parent], name) or image_in([path.parent], path.stem)
            return sizes.shape_of(name, sizes.find(name) or nearby)

        image = decode_labelme(read_document(path), shape_of, name=display_text(path), line_width_px=line_width_px)
        image = replace(image, name=image.file_name, folder="/".join(folder))
        return settle(image, sizes, path, own_name=True, repeated=shared[path.parent, stated[path]] > 1)

    entries = []
    for path in paths:
        folder = folder_of(path, root)
        entries.append(Entry(display_text(path), functools.partial(load, path, folder), "/".join((*folder, path.stem))))
    nobody: list[Entry] = []
    if source.is_dir():
        claimed = {(path.parent, path.stem) for path in paths}
        claimed |= {(path.parent, cut_suffix(part)) for path in paths for part in name_parts(stated[path] or "")[-1:]}
        nobody = unlabelled(root, {path.parent: path.parent for path in paths}, claimed)
    return Findings(entries, [display_text(path.relative_to(root)) for path in others], nobody)


def unlabelled(root: Path, places: dict[Path, Path], claimed: set[tuple[Path, str]]) -> list[Entry]:
    """List images that no annotation file claims.

    Args:
        root: Source folder, which the names are relative to.
        places: Folder of annotation files for each folder of images.
        claimed: Folder of the annotation file and stem of each image with annotations.
    """
    entries = []
    for folder, of_labels in sorted(places.items()):
        for path in walk_files(folder, IMAGE_SUFFIXES):
            if path.parent == folder and (of_labels, path.stem) not in claimed:
                entries.append(unlabelled_entry(path, folder_of(of_labels / path.name, root)))
    return entries


def _image_path(path: Path) -> str | None:
    """Return the ``imagePath`` of a LabelMe file; None for other files."""
    try:
        data = read_document(path)
    except CracksegError:
        return ""
    matches = _IMAGE_PATH.findall(data)
    if not matches:
        return "" if b'"shapes"' in data or not data.strip().startswith(b"{") else None
    try:
        return str(json.loads(matches[-1]))
    except ValueError:
        return ""


def yolo_entries(source: Path, sizes: ImageSizes) -> Findings:
    """List YOLO label files, and images without one as background."""
    root = source.parent if source.is_file() else source
    folders = [source] if source.name.lower() == "labels" else label_folders(root, "labels")
    places = folders or [root]
    texts = [source] if source.is_file() else [path for place in places for path in walk_files(place, (".txt",))]
    labels = [path for path in texts if source.is_file() or _is_label(path, sizes)]
    named = [place / name for place in (root, *places, root.parent) for name in _NAME_FILES]
    names_file = next((path for path in named if path.is_file()), None)
    names = [] if names_file is None else decode_names(read_document(names_file), name=display_text(names_file))

    def load(path: Path, folder: tuple[str, ...]) -> LabelledImage:
        image = _image_of(path, sizes)
        shape = sizes.shape_of(path.name, image)
        name = f"{path.stem}.jpg" if image is None else image.name
        labelled = decode_yolo(read_document(path), name, shape, names, name=display_text(path))
        return replace(labelled, folder="/".join(folder))

    entries = []
    for path in labels:
        folder = folder_of(path, root)
        entries.append(Entry(display_text(path), functools.partial(load, path, folder), "/".join((*folder, path.stem))))
    findings = Findings(entries)
    if source.is_dir():
        known = {*labels, names_file}
        findings.passed_over += [
            display_text(path.relative_to(root)) for path in walk_files(root, (".txt",)) if path not in known
        ]
        _add_background(findings, root, folders, labels)
    return findings


def _image_of(path: Path, sizes: ImageSizes) -> Path | None:
    return sizes.find("/".join((*path.parent.parts, path.stem))) or image_in(usual_places(path), path.stem)


def _is_label(path: Path, sizes: ImageSizes) -> bool:
    """Return whether a text has an image or begins with a number."""
    try:
        if _image_of(path, sizes) is not None:
            return True
    except LabelError:
        return True
    if path.stem.lower() in _NO_LABELS:
        return False
    words = read_document(path)[:200].split()
    return not words or _NUMBER.fullmatch(words[0]) is not None


def _add_background(findings: Findings, root: Path, folders: list[Path], labels: list[Path]) -> None:
    """Add images without a label file; name folders without any."""
    known = {(path.parent, path.stem) for path in labels}
    if not folders:
        places = {path.parent for path in labels}
        for path in walk_files(root, IMAGE_SUFFIXES):
            if path.parent in places and (path.parent, path.stem) not in known:
                _add_empty(findings, path, folder_of(path, root))
        return
    mirrors = [
        (folder.parent / name, folder)
        for folder in folders
        if any(path.is_relative_to(folder) for path in labels)
        for name in ("images", "Images")
        if (folder.parent / name).is_dir()
    ]
    for place, folder in mirrors:
        for path in walk_files(place, IMAGE_SUFFIXES):
            below = folder / path.relative_to(place)
            if (below.parent, path.stem) not in known:
                _add_empty(findings, path, folder_of(below, root))
    looked_at = {place for place, _ in mirrors}
    others = [place for place in label_folders(root, "images") if place not in looked_at]
    findings.passed_over += [f"{display_text(place.relative_to(root))} (no labels next to it)" for place in others]


def _add_empty(findings: Findings, path: Path, folder: tuple[str, ...]) -> None:
    def load() -> LabelledImage:
        return LabelledImage(path.name, image_size(path), mended=(BACKGROUND,), folder="/".join(folder))

    name = "/".join((*folder, path.name))
    findings.entries.append(Entry(name, load, name))
