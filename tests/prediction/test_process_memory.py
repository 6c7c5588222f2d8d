"""A limit of the memory of a process, kept by small tiles."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crackseg.errors import UsageError
from crackseg.imaging.codec import write_png
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.loading import load_model
from crackseg.prediction.model import Model
from crackseg.prediction.process_memory import limit_process_memory
from crackseg.runtimes.predictor import PROCESS_BYTES
from tests.local_network import LocalNetwork

MIB = 2**20


def write_image(path: Path, side: int) -> Path:
    write_png(path, np.zeros((side, side), np.uint8))
    return path


def model() -> Model:
    return Model(LocalNetwork(1), ModelCard(name="local", network={}, stride=1, context_px=1))


def test_a_tile_gets_what_the_process_and_the_image_leave(tmp_path: Path) -> None:
    image = write_image(tmp_path / "wall.png", 1024)
    limited = limit_process_memory(model(), 0.5, [image])
    assert limited.limits.memory_bytes == 512 * MIB - PROCESS_BYTES - 28 * MIB
    assert limited.memory_stated


def test_several_sizes_of_an_image_leave_less_for_a_tile(tmp_path: Path) -> None:
    image = write_image(tmp_path / "wall.png", 1024)
    limited = limit_process_memory(model(), 0.5, [image], resizes=True)
    assert limited.limits.memory_bytes == 512 * MIB - PROCESS_BYTES - (28 + 34) * MIB


def test_several_images_get_smaller_tiles(tmp_path: Path) -> None:
    images = [write_image(tmp_path / f"{side}.png", side) for side in (512, 1024)]
    several = limit_process_memory(model(), 0.5, images).limits.memory_bytes
    assert several == 512 * MIB - PROCESS_BYTES - 3 * 28 * MIB
    small = limit_process_memory(model(), 0.5, images[:1] * 2).limits.memory_bytes
    assert small == pytest.approx((512 * MIB - PROCESS_BYTES) / 1.27, abs=1)


def test_an_image_that_is_missing_takes_no_memory(tmp_path: Path) -> None:
    limited = limit_process_memory(model(), 0.5, [tmp_path / "missing.png"])
    assert limited.limits.memory_bytes == 512 * MIB - PROCESS_BYTES


def test_a_limit_that_is_too_low_is_an_error_with_the_least_one(tmp_path: Path) -> None:
    image = write_image(tmp_path / "wall.png", 2048)
    with pytest.raises(UsageError, match=r"--memory: expected more than 0\.36 GiB for these images, got 0\.3"):
        limit_process_memory(model(), 0.3, [image])


def test_the_shipped_model_stays_below_the_limit(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    rng = np.random.default_rng(0)
    image, shape = tmp_path / "wall.png", (1600, 1600)
    write_png(image, rng.integers(0, 255, (*shape, 3), dtype=np.uint8))
    limit_gib = 0.65
    assert len(limit_process_memory(load_model("crackseg-synthetic"), limit_gib, [image]).plan(shape)) > 1
    words = ["predict", str(image), "-o", str(tmp_path / "out"), "--model", "crackseg-synthetic", "--quiet"]
    code = (
        f"from crackseg.cli import main\nassert main({[*words, '--memory', str(limit_gib)]}) == 0\n"
        "from crackseg.machine import peak_memory_bytes\nprint(peak_memory_bytes())"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert int(ended.stdout.splitlines()[-1]) < limit_gib * 2**30
