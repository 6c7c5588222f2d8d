"""Find and read the annotations of a file or folder in any label format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, assert_never

from crackseg.errors import UsageError, display_text
from crackseg.labels.annotation import LabelledImage
from crackseg.labels.documents import (
    DEFAULT_CATEGORY,
    coco_entries,
    cvat_entries,
    kaggle_entries,
    label_studio_entries,
)
from crackseg.labels.entries import Entry, Findings, folder_of
from crackseg.labels.folders import find_documents
from crackseg.labels.image_files import labelme_entries, mask_entries, yolo_entries
from crackseg.labels.image_lookup import ImageSizes
from crackseg.labels.rle import KAGGLE, Dialect
from crackseg.labels.voc_files import voc_entries

__all__ = ["DEFAULT_CATEGORY", "Entry", "Findings", "Format", "ImageSizes", "find_entries", "read_entries"]

Format = Literal["masks", "kaggle-rle", "coco", "voc", "yolo", "cvat", "labelme", "label-studio"]


def read_entries(
    source: Path,
    kind: Format,
    sizes: ImageSizes,
    *,
    dialect: Dialect | None = KAGGLE,
    line_width_px: float | None = None,
) -> tuple[list[Entry], str | None]:
    """List the annotated images of a file or folder; see `find_entries`.

    Returns:
        The images, and the guessed dialect with the reason, or None if it was not guessed.
    """
    findings = find_entries(source, kind, sizes, dialect=dialect, line_width_px=line_width_px)
    return findings.entries, findings.dialect


def find_entries(
    source: Path,
    kind: Format,
    sizes: ImageSizes,
    *,
    dialect: Dialect | None = KAGGLE,
    line_width_px: float | None = None,
) -> Findings:
    """Find the annotated images of a file or folder.

    Subfolders are searched too.

    Args:
        source: File or folder.
        kind: Format of the annotations.
        sizes: Lookup for image sizes that the annotations do not state.
        dialect: Dialect of the RLEs in a CSV file; None to guess it.
        line_width_px: Width of lines, in pixels; None to leave lines out.

    Returns:
        The images and the files that were passed over. The names of images in subfolders begin with these.

    Raises:
        UsageError: If there is no such file or folder, or it holds no annotations in that format.
        LabelError: If a document that holds several images cannot be read.
    """
    if not source.exists():
        raise UsageError("no such file or folder", where=source, hint="check the path")
    findings = _find(source, kind, sizes, dialect, line_width_px)
    if not findings.entries:
        raise UsageError(f"no annotations in the format '{kind}'", where=source, hint="check the path and --from")
    return findings


def _find(
    source: Path, kind: Format, sizes: ImageSizes, dialect: Dialect | None, line_width_px: float | None
) -> Findings:
    match kind:
        case "masks":
            return mask_entries(source)
        case "kaggle-rle":
            guesses: list[str] = []

            def of_csv(path: Path) -> list[Entry]:
                entries, why = kaggle_entries(path, sizes, dialect)
                guesses.extend([] if why is None else [why])
                return entries

            findings = _documents(source, ".csv", of_csv)
            return replace(findings, dialect="; ".join(guesses) or None)
        case "coco":
            return _documents(source, ".json", lambda path: coco_entries(path, sizes))
        case "voc":
            return voc_entries(source, sizes)
        case "yolo":
            return yolo_entries(source, sizes)
        case "cvat":
            return _documents(source, ".xml", lambda path: cvat_entries(path, sizes, line_width_px))
        case "labelme":
            return labelme_entries(source, sizes, line_width_px)
        case "label-studio":
            return _documents(source, ".json", lambda path: label_studio_entries(path, sizes, line_width_px))
        case _:
            assert_never(kind)


def _documents(source: Path, suffix: str, read: Callable[[Path], list[Entry]]) -> Findings:
    """List the images of all documents, with their folders."""
    paths, others = find_documents(source, suffix)
    passed_over = [display_text(path.relative_to(source)) for path in others]
    if len(paths) == 1:
        return Findings(read(paths[0]), passed_over)
    entries = []
    for path in paths:
        folder = "/".join(folder_of(path, source))
        entries += [_below(entry, folder) for entry in read(path)]
    return Findings(entries, passed_over)


def _below(entry: Entry, folder: str) -> Entry:
    if not folder:
        return entry

    def load() -> LabelledImage:
        image = entry.load()
        return replace(image, folder=folder)

    return Entry(f"{display_text(folder)}: {entry.name}", load, f"{folder}/{entry.image.lstrip('/')}")
