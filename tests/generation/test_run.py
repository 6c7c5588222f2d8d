"""Tests of samples on disk: reproducible bytes and an exact manifest."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from crackseg.datasets.samples import check_sizes, find_samples
from crackseg.errors import ConfigError, UsageError
from crackseg.generation import AssetFolders, GenerationJob, generate
from crackseg.imaging.codec import write_png
from crackseg.parallel import Progress
from data_gen import Recipe, generate_sample

SMALL = Recipe(size=64)
COUNT = 6


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def manifest_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def pixels_of(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate six samples in one process."""
    folder = tmp_path_factory.mktemp("generated") / "unbroken"
    assert generate(GenerationJob(SMALL, folder, COUNT, seed=5), workers=1).skipped == ()
    return folder


def test_a_run_leaves_exactly_the_files_of_the_contract(unbroken: Path) -> None:
    names = [f"{index:06d}" for index in range(COUNT)]
    expected = {"manifest.jsonl", "recipe.yaml", "preview.png"}
    expected |= {f"images/{name}.png" for name in names} | {f"masks/{name}.png" for name in names}
    expected |= {f"annotations/{name}.xml" for name in names}
    assert set(contents(unbroken)) == expected


def test_two_workers_write_the_same_bytes_as_one(unbroken: Path, tmp_path: Path) -> None:
    generate(GenerationJob(SMALL, tmp_path / "two", COUNT, seed=5), workers=2)
    assert contents(tmp_path / "two") == contents(unbroken)


def test_another_seed_gives_other_images(unbroken: Path, tmp_path: Path) -> None:
    generate(GenerationJob(SMALL, tmp_path / "other", 1, seed=6), workers=1)
    ours, theirs = contents(unbroken), contents(tmp_path / "other")
    assert ours["images/000000.png"] != theirs["images/000000.png"]


def test_images_and_masks_equal_those_of_the_generator(unbroken: Path) -> None:
    for index in range(COUNT):
        sample = generate_sample(SMALL, seed=5, index=index)
        image, mask = pixels_of(unbroken / f"images/{index:06d}.png"), pixels_of(unbroken / f"masks/{index:06d}.png")
        assert (image.shape, mask.shape) == ((64, 64, 3), (64, 64))
        np.testing.assert_array_equal(image, sample.image)
        np.testing.assert_array_equal(mask, np.where(sample.mask, 255, 0))


def test_boxes_are_tight_around_the_cracks_of_the_mask(tmp_path: Path) -> None:
    """Compare boxes with masks; with one crack the mask gives the box."""
    one = Recipe.model_validate(
        {"size": 96, "cracks": {"count": [1, 1], "empty_probability": 0, "mix": {"parallel": 0, "crossing": 0}}}
    )
    generate(GenerationJob(one, tmp_path / "out", 8, seed=1), workers=1)
    checked = 0
    for record in manifest_of(tmp_path / "out"):
        xml = ElementTree.parse(tmp_path / "out" / "annotations" / f"{record['index']:06d}.xml").getroot()
        boxes = []
        for item in xml.findall("object"):
            values = [int(item.findtext(f"bndbox/{key}", "")) for key in ("ymin", "xmin", "ymax", "xmax")]
            boxes.append([values[0] - 1, values[1] - 1, values[2], values[3]])
        assert boxes == [crack["box"] for crack in record["cracks"]]
        rows, cols = np.nonzero(pixels_of(tmp_path / "out" / record["mask"]))
        if len(boxes) == 1:
            assert boxes[0] == [rows.min(), cols.min(), rows.max() + 1, cols.max() + 1]
            checked += 1
        assert xml.findtext("filename") == f"{record['index']:06d}.png"
        assert (xml.findtext("size/width"), xml.findtext("size/height")) == ("96", "96")
    assert checked >= 5


def test_boxes_hold_all_crack_pixels_and_touch_the_mask_on_all_sides(unbroken: Path) -> None:
    for record in manifest_of(unbroken):
        mask = pixels_of(unbroken / record["mask"]) > 0
        outside = mask.copy()
        for crack in record["cracks"]:
            row0, col0, row1, col1 = crack["box"]
            outside[row0:row1, col0:col1] = False
            part = mask[row0:row1, col0:col1]
            assert all(side.any() for side in (part[0], part[-1], part[:, 0], part[:, -1]))
        assert not outside.any()


def test_the_manifest_describes_every_sample_exactly(unbroken: Path) -> None:
    records = manifest_of(unbroken)
    assert [record["index"] for record in records] == list(range(COUNT))
    assert {record["seed"] for record in records} == {5}
    assert any(record["cracks"] for record in records)
    for record in records:
        for exact, crack in zip(
            generate_sample(SMALL, seed=5, index=record["index"]).cracks, record["cracks"], strict=True
        ):
            assert (crack["box"], crack["kind"]) == (list(exact.box), exact.kind)
            for key in ("length_px", "width_mean_px", "width_max_px", "area_px"):
                assert crack[key] == pytest.approx(getattr(exact, key), abs=0.001)
            for line, widths in zip(crack["centrelines"], crack["widths_px"], strict=True):
                assert len(line) == len(widths)
            steps = [np.hypot(*np.diff(np.array(line), axis=0).T).sum() for line in crack["centrelines"]]
            assert crack["length_px"] == pytest.approx(sum(steps), rel=0.02, abs=0.2)


def test_the_recipe_of_the_output_folder_is_complete(unbroken: Path) -> None:
    text = (unbroken / "recipe.yaml").read_text(encoding="utf-8")
    assert Recipe.model_validate(yaml.safe_load(text)) == SMALL


def test_generated_samples_form_a_training_set(unbroken: Path) -> None:
    samples = find_samples(unbroken, "train")
    assert len(samples) == COUNT
    check_sizes(samples)


def test_progress_counts_every_sample_once(tmp_path: Path) -> None:
    steps: list[Progress] = []
    generate(GenerationJob(SMALL, tmp_path / "out", 3), workers=1, progress=steps.append)
    assert steps == [Progress(1, 3), Progress(2, 3), Progress(3, 3)]


def test_the_result_of_a_run_has_a_row_for_each_sample(tmp_path: Path) -> None:
    result = generate(GenerationJob(SMALL, tmp_path / "out", 3, seed=5), workers=1)
    assert repr(result) == f"GenerationResult({str(tmp_path / 'out')!r}, 3 samples, seed 5)"
    assert json.loads(json.dumps(result.to_dict())) == {
        "output": str(tmp_path / "out"),
        "count": 3,
        "seed": 5,
        "skipped": [],
    }
    rows, records = result.rows(), manifest_of(tmp_path / "out")
    assert [row["index"] for row in rows] == [0, 1, 2]
    assert [row["crack_count"] for row in rows] == [len(record["cracks"]) for record in records]
    assert [row["length_px"] for row in rows] == [sum(item["length_px"] for item in one["cracks"]) for one in records]
    assert all(isinstance(value, str | int | float) for row in rows for value in row.values())
    assert result._repr_png_() == (tmp_path / "out" / "preview.png").read_bytes()


# Resuming


def write_partial_run(source: Path, target: Path, *, kept: int, half_line: bool) -> None:
    """Write the files that a killed run leaves behind."""
    lines = (source / "manifest.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    target.mkdir()
    (target / "recipe.yaml").write_bytes((source / "recipe.yaml").read_bytes())
    for part, suffix in (("images", "png"), ("masks", "png"), ("annotations", "xml")):
        (target / part).mkdir()
        for index in range(kept):
            name = f"{part}/{index:06d}.{suffix}"
            (target / name).write_bytes((source / name).read_bytes())
    tail = lines[kept][:40] if half_line else ""
    (target / "manifest.partial.jsonl").write_text("".join(lines[:kept]) + tail, encoding="utf-8")


@pytest.mark.parametrize("kept", [0, 1, 4, 5])
@pytest.mark.parametrize("half_line", [False, True], ids=["whole lines", "half a line"])
def test_a_resumed_run_equals_an_unbroken_one(
    unbroken: Path,
    tmp_path: Path,
    kept: int,
    half_line: bool,  # noqa: FBT001
) -> None:
    write_partial_run(unbroken, tmp_path / "out", kept=kept, half_line=half_line)
    steps: list[Progress] = []
    generate(GenerationJob(SMALL, tmp_path / "out", COUNT, seed=5), workers=1, resume=True, progress=steps.append)
    assert contents(tmp_path / "out") == contents(unbroken)
    assert [step.done for step in steps] == list(range(kept + 1, COUNT + 1))


def test_resuming_removes_partial_files(unbroken: Path, tmp_path: Path) -> None:
    write_partial_run(unbroken, tmp_path / "out", kept=3, half_line=False)
    for part in ("images", "masks", "annotations"):
        (tmp_path / "out" / part / ".partial-0123456789abcdef.png").write_bytes(b"half")
    (tmp_path / "out" / ".partial-0123456789abcdef.yaml").write_bytes(b"half")
    generate(GenerationJob(SMALL, tmp_path / "out", COUNT, seed=5), workers=1, resume=True)
    assert contents(tmp_path / "out") == contents(unbroken)


def test_resuming_restores_deleted_files(unbroken: Path, tmp_path: Path) -> None:
    generate(GenerationJob(SMALL, tmp_path / "out", COUNT, seed=5), workers=1)
    for name in ("images/000005.png", "masks/000004.png", "annotations/000003.xml"):
        (tmp_path / "out" / name).unlink()
    generate(GenerationJob(SMALL, tmp_path / "out", COUNT, seed=5), workers=1, resume=True)
    assert contents(tmp_path / "out") == contents(unbroken)


def test_resuming_a_finished_run_changes_nothing_and_a_larger_count_adds(unbroken: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    generate(GenerationJob(SMALL, out, 2, seed=5), workers=1)
    before = {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    generate(GenerationJob(SMALL, out, 2, seed=5), workers=1, resume=True)
    assert {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()} == before
    generate(GenerationJob(SMALL, out, COUNT, seed=5), workers=1, resume=True)
    assert contents(out) == contents(unbroken)


KILLED = """
import sys
from pathlib import Path
from crackseg.generation import GenerationJob, generate
from data_gen import Recipe
generate(GenerationJob(Recipe(size=64), Path(sys.argv[1]), 20, seed=5), workers=1, resume=True)
"""


def test_a_killed_and_resumed_run_equals_an_unbroken_one(tmp_path: Path) -> None:
    out = tmp_path / "killed"
    for stop_at in (3, 7):
        with subprocess.Popen([sys.executable, "-c", KILLED, out]) as process:
            until = time.monotonic() + 60
            while time.monotonic() < until and process.poll() is None:
                if (out / "images").is_dir() and len(list((out / "images").iterdir())) >= stop_at:
                    break
                time.sleep(0.001)
            process.kill()
    assert not (out / "manifest.jsonl").exists()
    generate(GenerationJob(SMALL, out, 20, seed=5), workers=1, resume=True)
    generate(GenerationJob(SMALL, tmp_path / "unbroken", 20, seed=5), workers=1)
    assert contents(out) == contents(tmp_path / "unbroken")


# Refusals


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_1_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(UsageError, match="--count: expected 1 or more, got"):
        generate(GenerationJob(SMALL, tmp_path / "out", count))
    assert not (tmp_path / "out").exists()


def test_a_folder_with_samples_is_refused_and_not_changed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    generate(GenerationJob(SMALL, out, 1), workers=1)
    before = contents(out)
    with pytest.raises(UsageError, match="already holds samples; add --resume"):
        generate(GenerationJob(SMALL, out, 2), workers=1)
    assert contents(out) == before


def test_existing_images_of_the_user_are_not_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "out" / "images" / "000000.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"the only copy")
    for resume in (False, True):
        with pytest.raises((UsageError, ConfigError)):
            generate(GenerationJob(SMALL, tmp_path / "out", 1), workers=1, resume=resume)
        assert mine.read_bytes() == b"the only copy"


def test_a_folder_whose_recipe_has_an_old_key_is_resumed(tmp_path: Path) -> None:
    generate(GenerationJob(SMALL, tmp_path / "out", 1), workers=1)
    recipe = tmp_path / "out" / "recipe.yaml"
    new = recipe.read_text("utf-8")
    recipe.write_text(new.replace("changes_mask", "changes_truth"), encoding="utf-8")
    generate(GenerationJob(SMALL, tmp_path / "out", 2), workers=1, resume=True)
    assert recipe.read_text("utf-8") == new
    assert len((tmp_path / "out" / "manifest.jsonl").read_text("utf-8").splitlines()) == 2


@pytest.mark.parametrize(
    ("recipe", "seed", "message"),
    [
        pytest.param(Recipe(size=65), 0, "another recipe", id="recipe"),
        pytest.param(SMALL, 1, "another seed, 0 instead of 1", id="seed"),
    ],
)
def test_resuming_with_another_recipe_or_seed_is_refused(
    tmp_path: Path, recipe: Recipe, seed: int, message: str
) -> None:
    out = tmp_path / "out"
    generate(GenerationJob(SMALL, out, 1), workers=1)
    before = contents(out)
    with pytest.raises(ConfigError, match=message):
        generate(GenerationJob(recipe, out, 2, seed=seed), workers=1, resume=True)
    assert contents(out) == before


# Assets of the user


def plain_background(folder: Path) -> None:
    folder.mkdir(parents=True)
    write_png(folder / "a.png", np.full((80, 90, 3), (200, 60, 30), np.uint8))


def test_a_broken_background_is_named_and_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "walls"
    plain_background(folder)
    (folder / "b.jpg").write_bytes(b"not an image")
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes()[:-30])
    mix = dict.fromkeys(Recipe().surface.mix.weights(), 0.0) | {"background": 1.0}
    recipe = Recipe.model_validate({"size": 64, "surface": {"mix": mix}, "camera": {"grey_probability": 0}})
    job = GenerationJob(recipe, tmp_path / "out", 2, folders=AssetFolders(backgrounds=folder))
    skipped = generate(job, workers=1).skipped
    assert len(skipped) == 2
    assert [Path(line.split(": ")[0]).name for line in skipped] == ["b.jpg", "c.png"]
    means = [pixels_of(tmp_path / "out" / f"images/00000{index}.png").reshape(-1, 3).mean(axis=0) for index in (0, 1)]
    assert all(mean[0] > 1.5 * mean[2] for mean in means)


def test_assets_give_the_same_bytes_in_two_processes(tmp_path: Path) -> None:
    plain_background(tmp_path / "walls")
    for name, side in (("patterns", 60), ("noise/small", 12), ("noise/big", 40)):
        (tmp_path / name).mkdir(parents=True)
        write_png(tmp_path / name / "a.png", np.tri(side, dtype=np.uint8) * np.uint8(255))
    folders = AssetFolders(tmp_path / "walls", tmp_path / "patterns", tmp_path / "noise")
    recipe = Recipe.model_validate({"size": 64, "noise": {"probability": 1}, "cracks": {"mix": {"cutout": 50}}})
    for workers in (1, 2):
        generate(GenerationJob(recipe, tmp_path / f"out{workers}", 3, folders=folders), workers=workers)
    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")
    kinds = {crack["kind"] for record in manifest_of(tmp_path / "out1") for crack in record["cracks"]}
    assert "cutout" in kinds


@pytest.mark.parametrize("kind", ["backgrounds", "patterns"])
@pytest.mark.parametrize("broken", [False, True], ids=["empty", "nothing readable"])
def test_a_folder_without_usable_assets_is_refused(tmp_path: Path, kind: str, broken: bool) -> None:  # noqa: FBT001
    folder = tmp_path / "material"
    folder.mkdir()
    if broken:
        (folder / "a.png").write_bytes(b"not an image")
    folders = AssetFolders(**{kind: folder})
    with pytest.raises(UsageError, match="material: the folder holds no usable image"):
        generate(GenerationJob(SMALL, tmp_path / "out", 1, folders=folders), workers=1)
    assert not (tmp_path / "out").exists()


def test_a_missing_folder_of_assets_is_refused(tmp_path: Path) -> None:
    job = GenerationJob(SMALL, tmp_path / "out", 1, folders=AssetFolders(backgrounds=tmp_path / "gone"))
    with pytest.raises(UsageError, match="gone"):
        generate(job, workers=1)
    assert not (tmp_path / "out").exists()
