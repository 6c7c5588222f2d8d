"""What an inspection found, as labels to be corrected in annotation tools."""

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
    """Write the labels of every image that was judged below ``output/labels``, from its mask.

    Args:
        output: Where the results are.
        folder: Where the images are.
        store: The results.
        formats: What to write.

    Returns:
        Name and reason of images that have no labels.

    Raises:
        OutputError: If a file cannot be written.
    """
    files = LabelFiles(output / "labels", formats)
    without = []
    for record in store.records():
        if record["status"] != "ok" or record["mask_path"] is None:
            continue
        try:
            mask = read_mask(output / os.fsdecode(bytes(record["mask_path"])))
            found = ImageDetections(
                name=_label_name(bytes(record["path"]), bytes(record["mask_path"])),
                path=folder / os.fsdecode(bytes(record["path"])),
                shape=(mask.shape[0], mask.shape[1]),
                objects=detected_objects(mask, json.loads(record["cracks"])),
            )
            files.add(found)
        except OutputError:
            raise
        except CracksegError as error:
            without.append((record["name"], error.what))
    files.finish()
    return without


def _label_name(path: bytes, mask_path: bytes) -> str:
    """Return what labels call an image: its path, or that of its mask where two images differ in the suffix alone."""
    photo, mask = (PurePosixPath(os.fsdecode(it)) for it in (path, mask_path.partition(b"/")[2]))
    return display_text((mask.parent / f"{mask.stem}{photo.suffix}").as_posix())
