"""Write detected cracks as label files that annotation tools open."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import UsageError
from crackseg.labels.annotation import Cutout, LabelledImage, LabelledObject, mask_objects
from crackseg.labels.writing import Layout, Writer, open_writer

LabelFormat = Literal["voc", "coco", "yolo", "labelme"]
LABEL_FORMATS: tuple[LabelFormat, ...] = get_args(LabelFormat)

_MOVABLE = Layout(polygons=True, simplify_px=0.5)
_CATEGORY = "crack"


def parse_formats(text: str | None) -> tuple[LabelFormat, ...]:
    """Parse a comma-separated list of label formats.

    Args:
        text: List such as ``voc,coco``; None for no formats.

    Raises:
        UsageError: If a format is unknown.

    Example:
        >>> parse_formats("coco, VOC")
        ('coco', 'voc')
    """
    formats: list[LabelFormat] = []
    for name in [] if text is None else text.split(","):
        known = [kind for kind in LABEL_FORMATS if kind == name.strip().lower()]
        if not known:
            raise UsageError(
                f"expected a comma-separated list of {', '.join(LABEL_FORMATS)}, got '{name.strip()}'",
                where="--formats",
                hint="correct the name",
            )
        formats += [kind for kind in known if kind not in formats]
    return tuple(formats)


def detected_objects(mask: NDArray[np.bool_], cracks: Iterable[Mapping[str, Any]]) -> tuple[LabelledObject, ...]:
    """Return the components of a mask with their boxes, pixels and scores.

    Args:
        mask: ``(H, W)`` bool crack mask.
        cracks: Measurements of its components, from `CrackMeasurement.to_dict`.

    Example:
        >>> cracks = [{"box": [0, 0, 2, 2], "area_px": 4, "score": 0.9}]
        >>> [item.score for item in detected_objects(np.ones((2, 2), np.bool_), cracks)]
        [0.9]
    """
    scores = {(tuple(crack["box"]), crack["area_px"]): crack.get("score") for crack in cracks}
    objects = []
    for item in mask_objects(mask, _CATEGORY):
        area_px = int(item.outline.pixels.sum()) if isinstance(item.outline, Cutout) else 0
        box = tuple(int(side) for side in item.box)
        objects.append(replace(item, score=scores.get((box, area_px))))
    return tuple(objects)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDetections:
    """The detections of one image.

    Attributes:
        name: Path of the image relative to the input folder, with forward slashes; the labels use it as the name.
        path: Path of the image.
        shape: Height and width ``(H, W)``, in pixels.
        objects: Detected cracks.
    """

    name: str
    path: Path
    shape: tuple[int, int]
    objects: tuple[LabelledObject, ...]


class LabelFiles:
    """Writer of detections, with one folder for each format.

    The folders ``voc``, ``yolo`` and ``labelme`` mirror the folders of the images; ``coco`` holds one file. LabelMe
    files hold polygons, whose points can be moved in the editor, and link to the image. The other formats keep every
    pixel.

    Args:
        output: Folder to write to.
        formats: Formats to write.
    """

    def __init__(self, output: Path, formats: Sequence[LabelFormat]) -> None:
        self._output, self._formats = output, formats
        self._writers: dict[tuple[LabelFormat, str], Writer] = {}

    def add(self, detections: ImageDetections) -> None:
        """Add the labels of an image.

        Raises:
            CracksegError: If the labels cannot be written, or another image has the same label file.
        """
        for kind in self._formats:
            folder = "" if kind == "coco" else PurePosixPath(detections.name).parent.as_posix()
            image = LabelledImage(
                detections.name,
                detections.shape,
                detections.objects,
                path=os.fspath(detections.path.absolute()),
            )
            self._writer(kind, folder).add(image)

    def _writer(self, kind: LabelFormat, folder: str) -> Writer:
        if (kind, folder) not in self._writers:
            layout = _MOVABLE if kind == "labelme" else Layout()
            self._writers[kind, folder] = open_writer(self._output / kind / folder, kind, layout)
        return self._writers[kind, folder]

    def finish(self) -> Counter[str]:
        """Write the files that hold all images.

        Returns:
            Number of objects that were changed to fit a format, by kind of change.
        """
        changes: Counter[str] = Counter()
        for writer in self._writers.values():
            writer.finish()
            changes.update(writer.changes)
        return changes
