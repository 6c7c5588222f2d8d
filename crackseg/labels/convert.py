"""Convert annotations from one label format to another and count the losses."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crackseg.errors import CracksegError, LabelError, OutputError, UsageError, display_text
from crackseg.labels.annotation import LabelledImage, draw_objects, mask_iou
from crackseg.labels.completeness import draw_complete, drawn_share
from crackseg.labels.fitting import CROWDS_DROPPED, SCORES_DROPPED, VOID_DROPPED
from crackseg.labels.folders import unpack_source
from crackseg.labels.image_lookup import name_parts
from crackseg.labels.reading import Entry, Format, ImageSizes, find_entries
from crackseg.labels.rle import KAGGLE, Dialect
from crackseg.labels.writing import Layout, Writer, open_writer, target_file
from crackseg.parallel import Progress, ProgressCallback

_LONGEST_FOLDER = 1000
"""Limit on the bytes of the folders of an image."""


@dataclass(frozen=True, slots=True)
class AnnotationSource:
    """Annotations on disk and the settings to read them with.

    Attributes:
        path: File or folder.
        kind: Format of the annotations.
        sizes: Lookup for image sizes that the annotations do not state.
        dialect: Dialect of the RLEs in a CSV file; None to guess it.
        line_width_px: Width of lines, in pixels; None to leave lines out.
        allow_partial: True to convert images of which objects cannot be drawn.
    """

    path: Path
    kind: Format
    sizes: ImageSizes = field(default_factory=ImageSizes)
    dialect: Dialect | None = KAGGLE
    line_width_px: float | None = None
    allow_partial: bool = False


@dataclass(frozen=True, slots=True)
class ConvertedImage:
    """One image of a conversion.

    Attributes:
        name: Name of the image in the source.
        object_count: Number of objects that the source draws on it.
        iou: Intersection over union of the mask in the source and the mask written, in [0, 1]; 1 if no pixel was lost.
            Where objects of the source cannot be drawn, it is multiplied by the share of those that can.
    """

    name: str
    object_count: int
    iou: float


@dataclass(frozen=True, slots=True)
class ConversionResult:
    """Converted images, and all that was changed, left out or failed.

    Attributes:
        source: File or folder that was read.
        target: File or folder that was written.
        source_kind: Format of the source.
        target_kind: Format of the target.
        images: Images that were converted, in the order of the source.
        changes: Number of objects that were changed to fit the target, by kind of change.
        left_out: Number of items in the source that are not drawn, by kind of item.
        failed: One error for each image that could not be converted.
        dialect: Dialect that was guessed, with the reason; None if it was not guessed.
        passed_over: Files and folders in the source that hold no annotations.
    """

    source: Path
    target: Path
    source_kind: Format
    target_kind: Format
    images: tuple[ConvertedImage, ...]
    changes: dict[str, int]
    left_out: dict[str, int]
    failed: tuple[CracksegError, ...]
    dialect: str | None
    passed_over: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = f"{len(self.images)} images, {self.object_count} objects, {len(self.failed)} failed"
        return f"ConversionResult({self.source_kind} -> {self.target_kind}: {counts})"

    @property
    def object_count(self) -> int:
        """Number of objects on all converted images."""
        return sum(image.object_count for image in self.images)

    @property
    def iou_mean(self) -> float | None:
        """Mean IoU over the converted images, in [0, 1], or None."""
        return sum(image.iou for image in self.images) / len(self.images) if self.images else None

    @property
    def worst(self) -> ConvertedImage | None:
        """Image with the lowest IoU; None if no image was converted."""
        return min(self.images, key=lambda image: (image.iou, image.name), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        worst = self.worst
        return {
            "source": display_text(self.source),
            "target": display_text(self.target),
            "from": self.source_kind,
            "to": self.target_kind,
            "images": len(self.images),
            "objects": self.object_count,
            "iou_mean": self.iou_mean,
            "iou_lowest": None if worst is None else worst.iou,
            "iou_lowest_image": None if worst is None else worst.name,
            "changes": self.changes,
            "left_out": self.left_out,
            "failed": [str(error) for error in self.failed],
            "dialect": self.dialect,
            "passed_over": list(self.passed_over),
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row for each converted image."""
        return [{"image": image.name, "objects": image.object_count, "iou": image.iou} for image in self.images]


def convert(
    source: AnnotationSource,
    target: Path,
    kind: Format,
    layout: Layout | None = None,
    *,
    progress: ProgressCallback | None = None,
) -> ConversionResult:
    """Convert annotations to another format.

    An image that cannot be read or written is recorded as failed, and the conversion goes on. So is an image with an
    object that cannot be drawn, unless ``source.allow_partial`` is set: it would lose that object silently.

    Args:
        source: Annotations to read.
        target: Folder to write, or the file to write if the format keeps all images in one file.
        kind: Format of the target.
        layout: Options of the target format.
        progress: Called after each image with the number of images done.

    Returns:
        Counts of images, objects, changes and failures.

    Raises:
        UsageError: If there is nothing to read, or the target would overwrite the source.
        LabelError: If a document that holds several images cannot be read.
        OutputError: If a file cannot be written.
    """
    _check_apart(source, target, kind)
    with unpack_source(source.path) as path:
        findings = find_entries(
            path, source.kind, source.sizes, dialect=source.dialect, line_width_px=source.line_width_px
        )
        conversion = _Conversion(open_writer(target, kind, layout or Layout()), kind, source.allow_partial)
        conversion.run([*findings.entries, *findings.unlabelled], progress)
    return ConversionResult(
        source=source.path,
        target=target,
        source_kind=source.kind,
        target_kind=kind,
        images=tuple(conversion.images),
        changes={key: count for key, count in sorted(conversion.changes.items()) if count},
        left_out=dict(sorted(conversion.left_out.items())),
        failed=tuple(conversion.failed),
        dialect=findings.dialect,
        passed_over=tuple(findings.passed_over),
    )


class _Conversion:
    """State of a conversion: what was written, changed, left out and refused so far."""

    def __init__(self, writer: Writer, kind: Format, allow_partial: bool) -> None:  # noqa: FBT001
        self._writer, self._kind, self._allow_partial = writer, kind, allow_partial
        self._common = 0
        self.images: list[ConvertedImage] = []
        self.left_out: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.failed: list[CracksegError] = []

    def run(self, entries: Sequence[Entry], progress: ProgressCallback | None) -> None:
        """Convert all images and finish the target."""
        names = [name_parts(entry.image) for entry in entries if entry.image]
        counts = Counter(names)
        self._common = _count_shared([name[:-1] for name in names])
        for done, entry in enumerate(entries, start=1):
            try:
                _check_single(entry, counts[name_parts(entry.image)] if entry.image else 1)
                self._add(entry)
            except OutputError:
                raise
            except CracksegError as error:
                self.failed.append(error)
            if progress is not None:
                progress(Progress(done, len(entries)))
        self._writer.finish()
        self.changes.update(self._writer.changes)

    def _add(self, entry: Entry) -> None:
        image = entry.load()
        self.left_out.update((*image.left_out, *image.passed_over))
        mask = draw_complete(image, allow_partial=self._allow_partial)
        image = replace(image, folder=self._folder(image))
        written = self._writer.add(image)
        iou = mask_iou(mask, draw_objects(written.objects, written.shape, name=written.name))
        self.images.append(ConvertedImage(image.name, len(image.objects), iou * drawn_share(image)))
        self.changes.update((*image.mended, *_dropped(image, self._kind)))

    def _folder(self, image: LabelledImage) -> str:
        """Return the folders of an image below those that all images share.

        Raises:
            LabelError: If they cannot be folders.
        """
        parts = (*name_parts(image.folder), *name_parts(image.name)[:-1])
        folder = "/".join(parts[self._common :])
        try:
            usable = "\0" not in folder and len(os.fsencode(folder)) <= _LONGEST_FOLDER
        except UnicodeEncodeError:
            usable = False
        if not usable:
            raise LabelError("the folders of the image name cannot be used", where=image.name, hint="rename the image")
        return folder


def _count_shared(folders: Sequence[tuple[str, ...]]) -> int:
    """Return the number of first folders that all images share."""
    shared = 0
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1:
            break
        shared += 1
    return shared


def _check_single(entry: Entry, count: int) -> None:
    """Refuse an image that the source lists several times."""
    if count > 1:
        raise LabelError(
            f"the source lists this image {count} times", where=entry.image, hint="merge its annotations or rename it"
        )


def _dropped(image: LabelledImage, kind: Format) -> list[str]:
    """Return the scores, crowd marks and void pixels that are dropped."""
    scores = [] if kind in ("coco", "labelme") else [SCORES_DROPPED] * sum(i.score is not None for i in image.objects)
    void = [VOID_DROPPED] if image.void is not None and kind not in ("masks", "voc") else []
    return void + scores + ([] if kind == "coco" else [CROWDS_DROPPED] * sum(item.iscrowd for item in image.objects))


def _check_apart(source: AnnotationSource, target: Path, kind: Format) -> None:
    """Refuse a target that would overwrite the source."""
    path = source.path.resolve()
    single = target_file(target, kind)
    same_folder = kind == source.kind and target.resolve() in (path, path / "masks")
    if same_folder or (single is not None and single.resolve() == path):
        raise UsageError("the target is also the source", where=target, hint="choose another target")
