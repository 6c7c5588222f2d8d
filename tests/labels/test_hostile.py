"""Tests of hostile and truncated files: a typed error within a second and 100 MB."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackseg.labels.annotation import LabelledImage, LabelledObject, as_polygons, mask_objects
from crackseg.labels.reading import Format
from crackseg.labels.writing import Layout, open_writer
from tests.labels.hostile import read_all
from tests.runs import REPOSITORY, line_sample

FORMATS: tuple[Format, ...] = get_args(Format)
MOST_S = 1.0
MOST_BYTES = 100_000_000


def measure(*arguments: str | Path) -> list[dict[str, float]]:
    """Measure the cost of reading files in a separate process."""
    command = [sys.executable, "-m", "tests.labels.hostile", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    costs: list[dict[str, float]] = json.loads(ended.stdout)
    return costs


def assert_cheap(costs: list[dict[str, float]]) -> None:
    assert max(cost["seconds"] for cost in costs) <= MOST_S
    assert max(cost["grown_bytes"] for cost in costs) <= MOST_BYTES


def sample_images() -> list[LabelledImage]:
    """Return an empty image and two with masks, polygons and boxes."""
    images = [LabelledImage("none.png", (64, 80))]
    for number in range(2):
        mask = line_sample(number)[1]
        mask[:3, :3] = mask[2, 5] = True
        first, *more = mask_objects(mask, "crack")
        polygon = [as_polygons(item, (64, 80), "centre") for item in more[:1]]
        objects = [first, *[item for item in polygon if item is not None], *more[1:]]
        objects += [LabelledObject("spall", (40, 50, 60, 70))] * number
        images.append(LabelledImage(f"wall{number}.png", (64, 80), tuple(objects)))
    return images


def write_samples(folder: Path, kinds: Sequence[Format] = FORMATS) -> Path:
    for kind in kinds:
        writer = open_writer(folder / kind, kind, Layout())
        for image in sample_images():
            writer.add(image)
        writer.finish()
    return folder


def test_a_file_truncated_anywhere_is_read_or_refused_cheaply(tmp_path: Path) -> None:
    costs = measure("cut", write_samples(tmp_path), "97")
    assert len(costs) > 400
    assert_cheap(costs)


@functools.cache
def samples() -> Path:
    """Write the samples of every format once for all tests."""
    return write_samples(_scratch() / "samples")


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="crackseg-hostile-", ignore_cleanup_errors=True)


def _scratch() -> Path:
    return Path(_folder().name)


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=25)
@given(data=st.data())
def test_a_file_with_changed_bytes_is_read_or_refused(kind: Format, data: st.DataObject) -> None:
    folder = samples() / kind
    path = data.draw(st.sampled_from(sorted(path for path in folder.rglob("*") if path.is_file())))
    whole = path.read_bytes()
    changed = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, max(0, len(whole) - 1)), min_size=1, max_size=4)):
        changed[place : place + 1] = data.draw(st.binary(min_size=0, max_size=3))
    path.write_bytes(bytes(changed))
    try:
        read, errors = read_all(folder, kind)
    finally:
        path.write_bytes(whole)
    assert read + len(errors) <= 2 * len(sample_images()) + 4, "what is damaged does not multiply"
    assert [error for error in errors if not error or "\n" in error] == [], "an error is one line"


HOSTILE: dict[str, tuple[Format, bytes]] = {
    "deep JSON": ("coco", b"[" * 1_000_000),
    "deep JSON objects": ("labelme", b'{"shapes":' * 300_000),
    "deep XML": ("cvat", b"<annotations>" + b"<image>" * 300_000),
    "entities in entities": (
        "voc",
        b"<!DOCTYPE a [<!ENTITY a0 'ha'>"
        + b"".join(b"<!ENTITY a%d '&a%d;&a%d;'>" % (n, n - 1, n - 1) for n in range(1, 40))
        + b"]><annotation><filename>&a39;</filename></annotation>",
    ),
    "an image without end in COCO": (
        "coco",
        b'{"images": [{"id": 1, "file_name": "a", "height": 1000000000, "width": 1000000000}], "annotations":'
        b' [{"image_id": 1, "segmentation": {"size": [1000000000, 1000000000], "counts": [0, 1000000000000000000]}}]}',
    ),
    "counts without end in COCO": (
        "coco",
        b'[{"image_id": 1, "segmentation": {"size": [64, 80], "counts": "' + b"oooooooooo" * 50_000 + b'0"}}]',
    ),
    "a polygon without end in COCO": (
        "coco",
        b'{"images": [{"id": 1, "file_name": "a", "height": 1000, "width": 1000}], "annotations": [{"image_id": 1,'
        b' "segmentation": [[' + b"0, 1, 1000, 2, " * 20_000 + b"5, 5]]}]}",
    ),
    "a mask without end in CVAT": (
        "cvat",
        b'<annotations><image name="a" width="1000000000" height="1000000000"><mask label="a" rle="1" left="0"'
        b' top="0" width="1000000000" height="1000000000"/></image></annotations>',
    ),
    "a brush without end": (
        "label-studio",
        b'[{"data": {"image": "a"}, "annotations": [{"result": [{"type": "brushlabels", "original_width": 60000,'
        b' "original_height": 60000, "value": {"rle": [255, 255, 255, 255, 57, 27, 254, 23, 0]}}]}]}]',
    ),
    "runs without end in CSV": ("kaggle-rle", b"ImageId,EncodedPixels\na," + b"1 99999999999999999999 " * 10_000),
    "names within names": ("yolo", b"[" * 100_000),
}


def test_a_hostile_file_is_a_cheap_typed_error(tmp_path: Path) -> None:
    named = []
    for number, (kind, data) in enumerate(HOSTILE.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / ("data.yaml" if kind == "yolo" else "hostile")
        path.write_bytes(data)
        (folder / "a.txt").write_bytes(b"")
        named.append(f"{kind}={folder if kind == 'yolo' else path}")
    costs = measure("read", *named)
    assert {name: (cost["read"], cost["errors"]) for name, cost in zip(HOSTILE, costs, strict=True)} == dict.fromkeys(
        HOSTILE, (0, 1)
    )
    assert_cheap(costs)


@pytest.mark.shared
def test_the_hostile_files_of_another_library_are_refused_cheaply(shared_folder: Path) -> None:
    paths = sorted((shared_folder / "badinputs" / "defusedxml" / "files").rglob("*.x*"))
    assert len(paths) >= 10
    costs = measure("read", *[f"{kind}={path}" for kind in FORMATS for path in paths])
    assert len(costs) == len(paths) * len(FORMATS)
    assert {(cost["read"], cost["errors"]) for cost in costs} == {(0, 1)}
    assert_cheap(costs)
