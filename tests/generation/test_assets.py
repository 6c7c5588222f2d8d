"""Tests of the user's assets: files of every kind, and full disks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crackseg.errors import OutputError, UsageError
from crackseg.generation import AssetFolders, GenerationJob, generate
from crackseg.generation.assets import load_assets
from crackseg.imaging.codec import mask_pixels, write_png
from data_gen import Recipe, generate_sample
from tests.conftest import RunPython

SMALL = Recipe(size=64)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def walls(tmp_path: Path) -> Path:
    """Write seven backgrounds, three of them unusable."""
    folder = tmp_path / "walls"
    folder.mkdir()
    rng = np.random.default_rng(0)
    grain = rng.integers(90, 160, (60, 90), dtype=np.uint8)
    Image.fromarray(grain).save(folder / "b_grey.png")
    write_png(folder / "c_deep.png", grain.astype(np.uint16) * 257)
    upright = Image.fromarray(np.stack([grain, grain, grain], axis=2))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.save(folder / "d_turned.jpg", exif=exif)
    upright.save(folder / "e_colour.png")
    (folder / "f_broken.png").write_bytes((folder / "e_colour.png").read_bytes()[:200])
    (folder / "g_empty.jpg").write_bytes(b"")
    write_png(folder / "h_tiny.png", np.full((4, 200, 3), 120, np.uint8))
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_unusable_backgrounds_are_named_and_the_others_are_upright_8_bit_images(walls: Path) -> None:
    skipped, assets = load_assets(AssetFolders(backgrounds=walls))
    assert [Path(line.split(": ")[0]).name for line in skipped] == ["f_broken.png", "g_empty.jpg", "h_tiny.png"]
    assert "got 4x200" in skipped[2]
    assert [image.shape for image in assets.backgrounds] == [(60, 90, 3), (60, 90, 3), (90, 60, 3), (60, 90, 3)]
    for image in assets.backgrounds:
        assert image.dtype == np.uint8
        assert 115 < image.mean() < 135
        np.testing.assert_array_equal(image[..., 0], image[..., 2])


def test_a_run_on_a_mixed_folder_of_backgrounds_ends_with_every_sample(walls: Path, tmp_path: Path) -> None:
    mix = dict.fromkeys(Recipe().surface.mix.weights(), 0.0) | {"background": 1.0}
    recipe = Recipe.model_validate({"size": 128, "surface": {"mix": mix}})
    job = GenerationJob(recipe, tmp_path / "out", 6, folders=AssetFolders(backgrounds=walls))
    assert len(generate(job, workers=1).skipped) == 3
    assert len(list((tmp_path / "out" / "images").iterdir())) == 6


def test_patterns_without_a_crack_are_named_and_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "patterns"
    folder.mkdir()
    line = np.zeros((80, 120), np.bool_)
    line[38:42, 10:110] = True
    write_png(folder / "a_empty.png", np.zeros((50, 50), np.uint8))
    write_png(folder / "b_full.png", np.full((50, 50), 255, np.uint8))
    specks = np.zeros((50, 50), np.uint8)
    specks[::10, ::10] = 255
    write_png(folder / "c_specks.png", specks)
    write_png(folder / "d_crack.png", mask_pixels(line))
    write_png(folder / "e_one.png", line.view(np.uint8))
    skipped, assets = load_assets(AssetFolders(patterns=folder))
    assert [Path(text.split(": ")[0]).name for text in skipped] == ["a_empty.png", "b_full.png", "c_specks.png"]
    assert all("holds no crack" in text for text in skipped)
    assert len(assets.patterns) == 2
    recipe = Recipe.model_validate(
        {"size": 128, "cracks": {"mix": dict.fromkeys(Recipe().cracks.mix.weights(), 0.0) | {"cutout": 1.0}}}
    )
    cracks = [crack for i in range(4) for crack in generate_sample(recipe, seed=0, index=i, assets=assets).cracks]
    assert {crack.kind for crack in cracks} == {"cutout"}


def test_a_folder_of_empty_patterns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "patterns").mkdir()
    write_png(tmp_path / "patterns" / "a.png", np.zeros((50, 50), np.uint8))
    job = GenerationJob(SMALL, tmp_path / "out", 1, folders=AssetFolders(patterns=tmp_path / "patterns"))
    with pytest.raises(UsageError, match=r"the folder holds no usable image \(.*holds no crack"):
        generate(job, workers=1)
    assert not (tmp_path / "out").exists()


def test_noise_patches_of_a_folder_are_used_and_read_once(tmp_path: Path) -> None:
    for name, side in (("small", 12), ("big", 400)):
        (tmp_path / "noise" / name).mkdir(parents=True)
        write_png(tmp_path / "noise" / name / "a.png", np.full((side, side, 3), (255, 40, 40), np.uint8))
    skipped, assets = load_assets(AssetFolders(noise=tmp_path / "noise"))
    assert skipped == []
    assert assets.noise_small[0] is assets.noise_small[0]
    assert max(assets.noise_big[0].shape) <= 128
    recipe = Recipe.model_validate({"size": 256, "mode": "binary", "noise": {"probability": 1}})
    sample = generate_sample(recipe, seed=0, index=0, assets=assets)
    assert len(sample.noise) > 5
    assert all((patch.grey == 255).all() for patch in sample.noise)


# Full disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 96 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)], capture_output=True, check=False
        )
        mounted = done.returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("a small disk can be mounted by the administrator only")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_one_error_and_the_run_can_be_resumed(disk: Path, tmp_path: Path) -> None:
    job = GenerationJob(SMALL, disk / "out", 12, seed=1, formats=("voc", "coco", "yolo", "rle"))
    with pytest.raises(OutputError, match="No space left on device"):
        generate(job, workers=1)
    written = contents(disk / "out")
    assert not [name for name in written if ".partial-" in name]
    assert "manifest.jsonl" not in written
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    generate(job, workers=1, resume=True)
    plain = GenerationJob(SMALL, tmp_path / "plain", 12, seed=1, formats=job.formats)
    generate(plain, workers=1)
    assert contents(disk / "out") == contents(tmp_path / "plain")


LIMITED = """
import resource, sys
from crackseg.cli import main
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, unlimited[1]))
code = main(["generate", sys.argv[1], "--count", "2", "--size", "64", "--workers", "1", "--quiet"])
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)  # a coverage report may be larger
sys.exit(code)
"""


def test_a_file_size_limit_is_one_error_and_exit_code_3(tmp_path: Path, run_python: RunPython) -> None:
    pytest.importorskip("resource")
    ended = run_python(LIMITED, tmp_path / "out")
    assert ended.returncode == 3, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert "cannot be written" in line or "cannot write" in line
    assert not [name for name in contents(tmp_path / "out") if name.startswith("images")]
