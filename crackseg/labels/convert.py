"""One label format into another, image by image, with what was lost on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crackseg.errors import CracksegError, OutputError, UsageError
from crackseg.labels.annotation import LabelledImage, draw_objects, mask_iou
from crackseg.labels.reading import Format, ImageSizes, read_entries
from crackseg.labels.rle import KAGGLE, Dialect
from crackseg.labels.writing import Layout, open_writer, target_file


@dataclass(frozen=True, slots=True)
class Annotations:
    """Annotations to be read.

    Attributes:
        source: A file or a folder.
        kind: Its format.
        sizes: Finds the sizes of images where the annotations do not say.
        dialect: Of the pairs in a CSV file; None to guess it.
    """

    source: Path
    kind: Format
    sizes: ImageSizes = field(default_factory=ImageSizes)
    dialect: Dialect | None = KAGGLE


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of a conversion.

    Attributes:
        images: Images that were converted.
        objects: Objects that were read on them.
        iou_mean: Mean over the images of the intersection over union of what was read and what was written, drawn.
            1 says that no pixel was lost. None if there is no image.
        iou_lowest: The lowest of them.
        lowest: The image of the lowest.
        changes: What the target could not hold as it was, counted by kind.
        left_out: What the source holds and is no region, counted by kind.
        failed: What could not be converted.
        dialect: Which dialect was guessed, and why; None if it was not guessed.
    """

    images: int
    objects: int
    iou_mean: float | None
    iou_lowest: float | None
    lowest: str | None
    changes: dict[str, int]
    left_out: dict[str, int]
    failed: tuple[CracksegError, ...]
    dialect: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return all this as a JSON object."""
        return {
            "images": self.images,
            "objects": self.objects,
            "iou": {"mean": self.iou_mean, "lowest": self.iou_lowest, "image": self.lowest},
            "changes": self.changes,
            "left_out": self.left_out,
            "failed": [str(error) for error in self.failed],
            "dialect": self.dialect,
        }


def convert(
    given: Annotations,
    target: Path,
    kind: Format,
    layout: Layout | None = None,
    *,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> Conversion:
    """Convert annotations; an image that cannot be read or written is noted, and the others go on.

    Args:
        given: What to read.
        target: Folder to write, or the file, where the format keeps everything in one.
        kind: Its format.
        layout: How to write it.
        report: Called with the number of images done, and of all.

    Returns:
        What became of it.

    Raises:
        UsageError: If there is nothing to read, or the target would overwrite the source.
        LabelError: If a document of several images cannot be read.
        OutputError: If a file cannot be written.
    """
    _check_apart(given, target, kind)
    entries, dialect = read_entries(given.source, given.kind, given.sizes, dialect=given.dialect)
    writer = open_writer(target, kind, layout or Layout())
    ious: list[tuple[float, str]] = []
    left_out: Counter[str] = Counter()
    failed: list[CracksegError] = []
    objects = 0
    for done, entry in enumerate(entries, start=1):
        try:
            image = entry.load()
            held = writer.add(image)
        except OutputError:
            raise
        except CracksegError as error:
            failed.append(error)
            continue
        ious.append((_iou(image, held), image.name))
        objects += len(image.objects)
        left_out.update(image.left_out)
        report(done, len(entries))
    writer.finish()
    lowest = min(ious, default=None)
    return Conversion(
        images=len(ious),
        objects=objects,
        iou_mean=sum(iou for iou, _ in ious) / len(ious) if ious else None,
        iou_lowest=None if lowest is None else lowest[0],
        lowest=None if lowest is None else lowest[1],
        changes={key: count for key, count in sorted(writer.changes.items()) if count},
        left_out=dict(sorted(left_out.items())),
        failed=tuple(failed),
        dialect=dialect,
    )


def _iou(before: LabelledImage, after: LabelledImage) -> float:
    drawn = [draw_objects(image.objects, image.shape, name=image.name) for image in (before, after)]
    return mask_iou(drawn[0], drawn[1])


def _check_apart(given: Annotations, target: Path, kind: Format) -> None:
    """Refuse a target that would overwrite the source."""
    source = given.source.resolve()
    single = target_file(target, kind)
    same_folder = kind == given.kind and target.resolve() in (source, source / "masks")
    if same_folder or (single is not None and single.resolve() == source):
        raise UsageError("is the source as well", where=target, hint="choose another TARGET")
