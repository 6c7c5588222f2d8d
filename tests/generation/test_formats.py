"""Tests of the annotations of generated samples, read by other libraries."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelformat.formats.pascalvoc import PascalVOCObjectDetectionInput
from labelformat.formats.yolov8 import YOLOv8InstanceSegmentationInput
from labelformat.model.multipolygon import MultiPolygon
from lxml import etree
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from crackseg.generation import FORMATS, GenerationJob, generate
from crackseg.labels.counts import compress_counts, encode_cutout
from crackseg.parallel import Progress
from data_gen import Recipe, SyntheticCrack, SyntheticSample, generate_sample

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE, COUNT, SEED = 96, 6, 5
# Crossing cracks share pixels, and rings of cracks have holes.
CROWDED = Recipe.model_validate(
    {
        "size": SIDE,
        "cracks": {
            "count": [2, 4],
            "width_px": [1.0, 6.0],
            "empty_probability": 0.15,
            "mix": {"network": 4, "crossing": 3, "hairline": 1},
        },
    }
)

Mask = NDArray[np.bool_]


def job(output: Path, *, count: int = COUNT, **kept: Any) -> GenerationJob:
    return GenerationJob(CROWDED, output, count, SEED, **{"formats": FORMATS, **kept})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate samples in all formats in one process."""
    folder = tmp_path_factory.mktemp("formats") / "generated"
    generate(job(folder), workers=1)
    return folder


@pytest.fixture(scope="module")
def samples() -> tuple[SyntheticSample, ...]:
    """Generate the same samples in memory."""
    samples = tuple(generate_sample(CROWDED, seed=SEED, index=index) for index in range(COUNT))
    assert any(sum(int(c.mask.sum()) for c in s.cracks) > s.mask.sum() for s in samples)
    assert any(
        cv2.connectedComponents((~c.mask).view(np.uint8), connectivity=4)[0] > 4 for s in samples for c in s.cracks
    )
    assert any(not s.cracks for s in samples)
    return samples


def whole(crack: SyntheticCrack) -> Mask:
    """Return the mask of a crack in its image."""
    row0, col0, row1, col1 = crack.box
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[row0:row1, col0:col1] = crack.mask
    return mask


def mask_of(folder: Path, index: int) -> Mask:
    with Image.open(folder / "masks" / f"{index:06d}.png") as image:
        return np.asarray(image) > 0


def test_all_formats_have_the_files_of_the_contract(generated: Path) -> None:
    names = [f"{index:06d}" for index in range(COUNT)]
    expected = {"manifest.jsonl", "recipe.yaml", "preview.png", "rle.csv", "data.yaml", "annotations/instances.json"}
    expected |= {f"images/{name}.png" for name in names} | {f"masks/{name}.png" for name in names}
    expected |= {f"annotations/{name}.xml" for name in names} | {f"labels/{name}.txt" for name in names}
    assert set(contents(generated)) == expected


@pytest.mark.parametrize("polygons", [False, True], ids=["run lengths", "polygons"])
def test_pycocotools_reads_every_crack_to_the_pixel(
    generated: Path,
    samples: tuple[SyntheticSample, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    polygons: bool,  # noqa: FBT001
) -> None:
    folder = generated
    if polygons:
        folder = tmp_path / "polygons"
        generate(job(folder, formats=("coco",), polygons=True), workers=1)
    coco = COCO(str(folder / "annotations" / "instances.json"))
    capsys.readouterr()
    for image, sample in zip(coco.loadImgs(coco.getImgIds()), samples, strict=True):
        assert (image["file_name"], image["height"], image["width"]) == (f"{sample.index:06d}.png", SIDE, SIDE)
        annotations = coco.loadAnns(coco.getAnnIds([image["id"]]))
        assert len(annotations) == len(sample.cracks)
        for annotation, crack in zip(annotations, sample.cracks, strict=True):
            drawn = coco.annToMask(annotation).astype(np.bool_)
            np.testing.assert_array_equal(drawn, whole(crack))
            assert isinstance(annotation["segmentation"], list) == polygons
            assert annotation["area"] == int(drawn.sum()) == crack.mask.sum()
            row0, col0, row1, col1 = crack.box
            assert annotation["bbox"] == [col0, row0, col1 - col0, row1 - row0]
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["crack"]


def test_another_voc_reader_reads_the_tight_boxes_of_all_cracks(
    generated: Path, samples: tuple[SyntheticSample, ...]
) -> None:
    labels = {
        label.image.filename: label
        for label in PascalVOCObjectDetectionInput(generated / "annotations", "crack").get_labels()
    }
    assert sorted(labels) == [f"{index:06d}.png" for index in range(COUNT)]
    for sample in samples:
        label = labels[f"{sample.index:06d}.png"]
        assert (label.image.width, label.image.height) == (SIDE, SIDE)
        for item, crack in zip(label.objects, sample.cracks, strict=True):
            rows, cols = np.nonzero(whole(crack))
            corners = [cols.min() + 1, rows.min() + 1, cols.max() + 1, rows.max() + 1]  # 1-based and inclusive
            assert [item.box.xmin, item.box.ymin, item.box.xmax, item.box.ymax] == corners
            assert item.category.name == "crack"


def test_voc_files_hold_every_field_of_the_development_kit(
    generated: Path, samples: tuple[SyntheticSample, ...]
) -> None:
    for sample in samples:
        root = etree.parse(generated / "annotations" / f"{sample.index:06d}.xml").getroot()
        assert root.findtext("path") == f"images/{sample.index:06d}.png"
        assert (generated / str(root.findtext("path"))).is_file()
        assert [root.findtext(f"size/{key}") for key in ("width", "height", "depth")] == [str(SIDE), str(SIDE), "3"]
        for item, crack in zip(root.findall("object"), sample.cracks, strict=True):
            at_edge = min(crack.box) == 0 or max(crack.box) == SIDE
            assert item.findtext("truncated") == str(int(at_edge))
            assert item.findtext("difficult") == "0"


def test_another_yolo_reader_reads_boxes_and_pixels_of_all_cracks(
    generated: Path, samples: tuple[SyntheticSample, ...]
) -> None:
    """Fill polygons like YOLO trainers: truncate points, then ``cv2.fillPoly``."""
    labels = {
        label.image.filename: label.objects
        for label in YOLOv8InstanceSegmentationInput(generated / "data.yaml", "train").get_labels()
    }
    assert sorted(labels) == [f"{index:06d}.png" for index in range(COUNT)]
    for sample in samples:
        for item, crack in zip(labels[f"{sample.index:06d}.png"], sample.cracks, strict=True):
            assert isinstance(item.segmentation, MultiPolygon)
            canvas = np.zeros((SIDE, SIDE), np.uint8)
            for polygon in item.segmentation.polygons:
                cv2.fillPoly(canvas, [np.array(polygon).astype(np.int32)], 1)
            np.testing.assert_array_equal(canvas.view(np.bool_), whole(crack))
            box = item.segmentation.bounding_box()
            row0, col0, row1, col1 = crack.box
            corners = [int(box.ymin), int(box.xmin), int(box.ymax) + 1, int(box.xmax) + 1]
            assert corners == [row0, col0, row1, col1]


def plain_decode(text: str) -> Mask:
    """Decode competition run lengths run by run."""
    flat = np.zeros(SIDE * SIDE, np.bool_)
    numbers = [int(word) for word in text.split()]
    last = -1
    for start, length in zip(numbers[0::2], numbers[1::2], strict=True):
        assert start - 1 > last, "runs ascend and do not touch"
        flat[start - 1 : start - 1 + length] = True
        last = start - 1 + length
    return flat.reshape((SIDE, SIDE), order="F")


def test_run_lengths_of_the_table_decode_to_the_mask_files(generated: Path) -> None:
    with (generated / "rle.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["ImageId"] for row in rows] == [f"{index:06d}.png" for index in range(COUNT)]
    for index, row in enumerate(rows):
        np.testing.assert_array_equal(plain_decode(row["EncodedPixels"]), mask_of(generated, index))


def test_the_manifest_holds_the_pixels_of_every_crack(generated: Path, samples: tuple[SyntheticSample, ...]) -> None:
    lines = (generated / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    for line, sample in zip(lines, samples, strict=True):
        record = json.loads(line)
        assert (record["surface"], record["cracks_left_out"]) == (sample.surface, sample.left_out)
        for described, crack in zip(record["cracks"], sample.cracks, strict=True):
            drawn = coco_mask.decode({"size": [SIDE, SIDE], "counts": described["rle"].encode()})
            np.testing.assert_array_equal(drawn.astype(np.bool_), whole(crack))
            assert described["mask_px"] == crack.mask.sum()


@given(seed=st.integers(0, 2**32), shape=st.tuples(st.integers(1, 9), st.integers(1, 9)), data=st.data())
def test_run_lengths_of_a_cutout_equal_those_of_pycocotools(
    seed: int, shape: tuple[int, int], data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    low = data.draw(st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1)))
    high = data.draw(st.tuples(st.integers(low[0] + 1, shape[0]), st.integers(low[1] + 1, shape[1])))
    mask = np.zeros(shape, np.bool_)
    mask[low[0] : high[0], low[1] : high[1]] = rng.random((high[0] - low[0], high[1] - low[1])) < rng.random()
    ours = compress_counts(encode_cutout(mask[low[0] : high[0], low[1] : high[1]], low, shape))
    assert ours == coco_mask.encode(np.asfortranarray(mask.view(np.uint8)))["counts"].decode()


# Resuming


def test_two_workers_write_the_same_annotations_as_one(generated: Path, tmp_path: Path) -> None:
    generate(job(tmp_path / "two"), workers=2)
    assert contents(tmp_path / "two") == contents(generated)


def test_a_resumed_run_in_all_formats_equals_an_unbroken_one(generated: Path, tmp_path: Path) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def stop_at_three(progress: Progress) -> None:
        if progress.done == 3:
            raise Stop

    out = tmp_path / "out"
    with pytest.raises(Stop):
        generate(job(out), workers=1, progress=stop_at_three)
    assert not (out / "annotations" / "instances.json").exists()
    assert not (out / "manifest.jsonl").exists()
    (out / "labels" / "000001.txt").unlink()
    (out / "annotations" / ".partial-0123456789abcdef.json").write_bytes(b"half")
    generate(job(out), workers=1, resume=True)
    assert contents(out) == contents(generated)


def test_resuming_with_more_formats_adds_them_and_completes_the_others(generated: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    generate(job(out, count=2, formats=("coco", "rle")), workers=1)
    generate(job(out, count=3, formats=("yolo",)), workers=1, resume=True)
    coco = json.loads((out / "annotations" / "instances.json").read_text(encoding="utf-8"))
    assert len(coco["images"]) == 3
    assert len((out / "rle.csv").read_text(encoding="utf-8").splitlines()) == 4
    assert sorted(path.name for path in (out / "labels").iterdir()) == [f"{index:06d}.txt" for index in range(3)]
    generate(job(out, formats=("voc",)), workers=1, resume=True)
    assert contents(out) == contents(generated)


def test_only_masks_contain_annotation_errors(tmp_path: Path) -> None:
    tired = {"enabled": True, "dilate_px": [2, 2], "erode_px": [0, 0]}
    recipe = Recipe.model_validate({**CROWDED.model_dump(), "annotator": tired})
    generate(GenerationJob(recipe, tmp_path / "out", 2, SEED, formats=("rle",)), workers=1)
    for index, line in enumerate((tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()):
        exact = generate_sample(CROWDED, seed=SEED, index=index).mask
        record = json.loads(line)
        with Image.open(tmp_path / "out" / record["exact_mask"]) as image:
            np.testing.assert_array_equal(np.asarray(image) > 0, exact)
        if exact.any():
            assert mask_of(tmp_path / "out", index).sum() > 1.2 * exact.sum()
    rows = (tmp_path / "out" / "rle.csv").read_text(encoding="utf-8").splitlines()[1:]
    for index, row in enumerate(rows):
        np.testing.assert_array_equal(
            plain_decode(row.partition(",")[2]), generate_sample(CROWDED, seed=SEED, index=index).mask
        )
