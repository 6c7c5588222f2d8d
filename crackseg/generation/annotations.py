"""Write the annotations of generated samples, per image and per data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crackseg.files import make_folder, replacing, write_bytes
from crackseg.generation.job import FORMATS, GenerationJob, LabelFormat
from crackseg.generation.journal import Journal, Record
from crackseg.labels.coco import CocoImage, CocoObject, flat_ring, iter_coco
from crackseg.labels.counts import decode_counts, decompress_counts
from crackseg.labels.kaggle import KaggleRow, encode_kaggle
from crackseg.labels.polygon import trace_rings
from crackseg.labels.voc import VocAnnotation, encode_voc
from crackseg.labels.yolo import YoloObject, encode_names, encode_yolo
from data_gen import SyntheticSample

CATEGORY = "crack"

_PER_SAMPLE: dict[LabelFormat, tuple[str, str]] = {"voc": ("annotations", ".xml"), "yolo": ("labels", ".txt")}
_COCO, _RLE, _NAMES = "annotations/instances.json", "rle.csv", "data.yaml"


def folders_of(formats: tuple[LabelFormat, ...]) -> tuple[str, ...]:
    """Return the folders of the given formats."""
    folders = [_PER_SAMPLE[name][0] for name in formats if name in _PER_SAMPLE]
    return tuple(dict.fromkeys([*folders, *(["annotations"] if "coco" in formats else [])]))


def formats_in(output: Path) -> tuple[LabelFormat, ...]:
    """Return the formats that a folder already holds."""
    signs: dict[LabelFormat, bool] = {
        "voc": any((output / "annotations").glob("*.xml")),
        "coco": (output / _COCO).exists(),
        "yolo": (output / "labels").is_dir(),
        "rle": (output / _RLE).exists(),
    }
    return tuple(name for name in FORMATS if signs[name])


def files_of(index: int, formats: tuple[LabelFormat, ...]) -> tuple[str, ...]:
    """Return the annotation files of a sample, relative to the output folder."""
    places = (_PER_SAMPLE[name] for name in formats if name in _PER_SAMPLE)
    return tuple(f"{folder}/{index:06d}{suffix}" for folder, suffix in places)


def write_sample_files(job: GenerationJob, sample: SyntheticSample, name: str) -> None:
    """Write the annotation files of one sample.

    Args:
        job: Formats and output folder.
        sample: The sample.
        name: File name of its image.

    Raises:
        OutputError: If a file cannot be written.
    """
    shape = (sample.mask.shape[0], sample.mask.shape[1])
    encoded: dict[LabelFormat, bytes] = {}
    if "voc" in job.formats:
        boxes = [crack.box for crack in sample.cracks]
        encoded["voc"] = encode_voc(VocAnnotation("images", name, shape, boxes, CATEGORY))
    if "yolo" in job.formats:
        rings = [np.add(ring, crack.box[:2]) for crack in sample.cracks for ring in trace_rings(crack.mask, "touch")]
        encoded["yolo"] = encode_yolo([YoloObject(ring) for ring in rings], shape)
    for place, data in zip(files_of(sample.index, tuple(encoded)), encoded.values(), strict=True):
        write_bytes(job.output / place, data)


def write_documents(job: GenerationJob, journal: Journal) -> None:
    """Write the annotation files that hold all samples.

    One record is in memory at a time.

    Raises:
        OutputError: If a file cannot be written.
    """
    shape = (job.recipe.size, job.recipe.size)
    if "coco" in job.formats:

        def images() -> Iterator[CocoImage]:
            return (_coco_image(record, shape, polygons=job.polygons) for record in journal.records())

        make_folder((job.output / _COCO).parent)
        with replacing(job.output / _COCO) as temporary, temporary.open("w", encoding="ascii") as document:
            document.writelines(iter_coco(images, categories=[CATEGORY]))
    if "rle" in job.formats:
        head = encode_kaggle([])
        with replacing(job.output / _RLE) as temporary, temporary.open("wb") as table:
            table.write(head)
            for record in journal.records():
                table.write(encode_kaggle([_kaggle_row(record)]).removeprefix(head))
    if "yolo" in job.formats:
        write_bytes(job.output / _NAMES, encode_names([CATEGORY]))


def _coco_image(record: Record, shape: tuple[int, int], *, polygons: bool) -> CocoImage:
    objects = [
        CocoObject(_segmentation(crack, shape, polygons=polygons), crack["mask_px"], tuple(crack["box"]), CATEGORY)
        for crack in record["cracks"]
    ]
    return CocoImage(_file_name(record), shape, objects)


def _segmentation(crack: dict[str, Any], shape: tuple[int, int], *, polygons: bool) -> Any:
    if not polygons:
        return {"size": list(shape), "counts": crack["rle"]}
    row0, col0, row1, col1 = crack["box"]
    pixels = decode_counts(decompress_counts(crack["rle"]), shape)[row0:row1, col0:col1]
    return [flat_ring(np.add(ring, (row0, col0))) for ring in trace_rings(pixels, "centre")]


def _kaggle_row(record: Record) -> KaggleRow:
    """Return the row of an image with the union of its cracks."""
    runs = [_runs(crack["rle"]) for crack in record["cracks"]]
    if not runs:
        return KaggleRow(_file_name(record), None, "")
    starts, ends = np.concatenate(runs).T
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    apart = starts[1:] > ends[:-1]
    first, last = starts[np.append(True, apart)], ends[np.append(apart, True)]
    pairs = np.column_stack([first + 1, last - first]).ravel().tolist()
    return KaggleRow(_file_name(record), None, " ".join(map(str, pairs)))


def _runs(rle: str) -> NDArray[np.int64]:
    """Return the ``(n, 2)`` int64 half-open runs of a compressed string, in pixels."""
    ends = np.cumsum(decompress_counts(rle))
    return ends[: len(ends) // 2 * 2].reshape(-1, 2)


def _file_name(record: Record) -> str:
    return str(record["image"]).removeprefix("images/")
