"""Found cracks as detections: boxes and outlines with a score, in the files that annotation tools open."""

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
    """Read a list such as ``voc,coco``; none if it is None.

    Raises:
        UsageError: If a name in it is unknown.
    """
    found: list[LabelFormat] = []
    for name in [] if text is None else text.split(","):
        known = [kind for kind in LABEL_FORMATS if kind == name.strip().lower()]
        if not known:
            raise UsageError(
                f"expected some of {', '.join(LABEL_FORMATS)} with commas between them, got '{name.strip()}'",
                where="--formats",
            )
        found += [kind for kind in known if kind not in found]
    return tuple(found)


def detected_objects(mask: NDArray[np.bool_], cracks: Iterable[Mapping[str, Any]]) -> tuple[LabelledObject, ...]:
    """Return the components of a mask, each with its tight box, its pixels and its score.

    Args:
        mask: ``(H, W)`` crack pixels.
        cracks: Measurements of its components, as `CrackMeasurement.to_dict` tells them.
    """
    scores = {(tuple(crack["box"]), crack["area_px"]): crack.get("score") for crack in cracks}
    found = []
    for item in mask_objects(mask, _CATEGORY):
        area_px = int(item.outline.pixels.sum()) if isinstance(item.outline, Cutout) else 0
        box = tuple(int(side) for side in item.box)
        found.append(replace(item, score=scores.get((box, area_px))))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDetections:
    """The detections of one image.

    Attributes:
        name: What labels call the image: its path below the folder that was looked at, with slashes.
        path: Path of the image.
        shape: Height and width ``(H, W)``, in pixels.
        objects: What was found in it.
    """

    name: str
    path: Path
    shape: tuple[int, int]
    objects: tuple[LabelledObject, ...]


class LabelFiles:
    """Writes detections in some formats, each into a folder of its name.

    The folders below ``voc``, ``yolo`` and ``labelme`` are those of the images; ``coco`` holds one file for all. In
    ``labelme`` outlines are polygons, whose points can be moved, and lead to the photograph; the other formats keep
    every pixel.

    Args:
        output: The folder.
        formats: What to write.
    """

    def __init__(self, output: Path, formats: Sequence[LabelFormat]) -> None:
        self._output, self._formats = output, formats
        self._writers: dict[tuple[LabelFormat, str], Writer] = {}

    def add(self, found: ImageDetections) -> None:
        """Write the labels of an image, or keep them for the end.

        Raises:
            CracksegError: If they cannot be written, or the labels of another image have their name.
        """
        for kind in self._formats:
            folder = "" if kind == "coco" else PurePosixPath(found.name).parent.as_posix()
            path = os.fspath(found.path.absolute())
            self._writer(kind, folder).add(LabelledImage(found.name, found.shape, found.objects, path=path))

    def _writer(self, kind: LabelFormat, folder: str) -> Writer:
        if (kind, folder) not in self._writers:
            layout = _MOVABLE if kind == "labelme" else Layout()
            self._writers[kind, folder] = open_writer(self._output / kind / folder, kind, layout)
        return self._writers[kind, folder]

    def finish(self) -> Counter[str]:
        """Write what stands in one file for all images; return what a format could not hold as it was, counted."""
        changes: Counter[str] = Counter()
        for writer in self._writers.values():
            writer.finish()
            changes.update(writer.changes)
        return changes
