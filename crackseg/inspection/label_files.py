"""Write the cracks of an inspection as labels for annotation tools."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from crackseg.errors import CracksegError, OutputError, display_text
from crackseg.imaging.codec import read_mask
from crackseg.inspection.store import Store
from crackseg.labels.detections import ImageDetections, LabelFiles, LabelFormat, detected_objects


def write_labels(output: Path, folder: Path, store: Store, formats: Sequence[LabelFormat]) -> list[tuple[str, str]]:
    """Write the labels of every judged image, from its mask, below ``output/labels``.

    Args:
        output: Folder of the results.
        folder: Inspected folder.
        store: Results.
        formats: Label formats to write.

    Returns:
        Name and reason of each image without labels.

    Raises:
        OutputError: If a file cannot be written.
    """
    files = LabelFiles(output / "labels", formats)
    unlabelled = []
    for record in store.records():
        if record["status"] != "ok" or record["mask_path"] is None:
            continue
        try:
            mask = read_mask(output / os.fsdecode(bytes(record["mask_path"])))
            detections = ImageDetections(
                name=_label_name(bytes(record["path"]), bytes(record["mask_path"])),
                path=folder / os.fsdecode(bytes(record["path"])),
                shape=(mask.shape[0], mask.shape[1]),
                objects=detected_objects(mask, json.loads(record["cracks"])),
            )
            files.add(detections)
        except OutputError:
            raise
        except CracksegError as error:
            unlabelled.append((record["name"], error.what))
    files.finish()
    return unlabelled


def _label_name(path: bytes, mask_path: bytes) -> str:
    """Return a path for the labels, unique even if only suffixes differ."""
    image, mask = (PurePosixPath(os.fsdecode(it)) for it in (path, mask_path.partition(b"/")[2]))
    return display_text((mask.parent / f"{mask.stem}{image.suffix}").as_posix())
