"""Small data, small configurations and one short run, for tests of training and commands."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from crackseg.config import load_config
from crackseg.datasets.samples import find_samples, hold_out
from crackseg.imaging.codec import mask_pixels, write_png
from crackseg.training.config import TrainConfig

if TYPE_CHECKING:
    from crackseg.training.run import TrainingData

REPOSITORY = Path(__file__).resolve().parents[1]

TINY = (
    "network.decoder_channels=[16, 8, 8]",
    "data.patch_px=64",
    "data.batch_size=2",
    "data.validation_fraction=0.25",
    "augment.confounders=0",
    "augment.scale=[0.9, 1.1]",
    "schedule.epochs=2",
    "schedule.steps_per_epoch=4",
    "precision=fp32",
    "workers=0",
)
"""A training of 8 steps on a network of stride 8 that anybody can wait for."""

# Enough steps for the network to find that dark is crack.
EASY = (*TINY, "schedule.epochs=3", "schedule.steps_per_epoch=16", "optimiser.learning_rate=0.01", "seed=3")

FILES = {
    "best.safetensors",
    "last.safetensors",
    "resume.safetensors",
    "model.onnx",
    "config.yaml",
    "metrics.csv",
    "curves.png",
    "samples.png",
    "card.json",
}
"""Files of a finished run folder."""
SAME = ("name=same", "schedule.epochs=3", "schedule.steps_per_epoch=2")
"""Settings shared by trainings that are compared to the byte."""


def tiny_config(*overrides: str) -> TrainConfig:
    """The tiny training with some values set, as ``--set`` does."""
    return load_config(TrainConfig, overrides=[*TINY, *overrides])


def settings(overrides: Sequence[str]) -> list[str]:
    """Overrides as arguments of ``crackseg train``."""
    return [part for override in overrides for part in ("--set", override)]


def line_sample(number: int, shape: tuple[int, int] = (64, 80)) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a light, noisy wall with one dark line, and its mask."""
    rng = np.random.default_rng(number)
    height, width = shape
    mask = np.zeros(shape, np.uint8)
    start, stop = (int(rng.integers(height)) for _ in range(2))
    cv2.line(mask, (0, start), (width - 1, stop), 1, 3 + number % 3)
    image = rng.integers(165, 200, (height, width, 1)) + rng.integers(-4, 5, (height, width, 3))
    image[mask > 0] -= 120
    return image.astype(np.uint8), mask.astype(np.bool_)


def write_sample(folder: Path, stem: str, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
    """Write one sample into ``folder/images`` and ``folder/masks``."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_png(folder / "images" / f"{stem}.png", image)
    write_png(folder / "masks" / f"{stem}.png", mask_pixels(mask))


def write_lines(folder: Path, count: int, *, first: int = 0, shape: tuple[int, int] = (64, 80)) -> Path:
    """Write a data folder of walls with a dark line each."""
    for number in range(first, first + count):
        write_sample(folder, f"wall{number:02d}", *line_sample(number, shape))
    return folder


def run_module(*arguments: str | Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run ``python -m crackseg`` and wait for it."""
    command = [sys.executable, "-m", "crackseg", *(str(argument) for argument in arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout_s, check=False)


def only_error(text: str) -> str:
    """Return the one line of a failed command, without its prefix."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("crackseg: error: "), text
    return lines[0].removeprefix("crackseg: error: ")


def training_data(data: Path) -> TrainingData:
    """A data folder, divided as the command line divides it."""
    from crackseg.training.run import TrainingData

    return TrainingData(*hold_out(find_samples(data, "train"), 0.25))


def rows(run: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics.csv."""
    text = (run / "metrics.csv").read_text(encoding="utf-8")
    return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(io.StringIO(text))]


def files_in(folder: Path) -> set[str]:
    """The names in a folder."""
    return {path.name for path in folder.iterdir()}


def command(data: Path, output: Path, *more: str, overrides: tuple[str, ...] = SAME) -> list[str]:
    """The arguments of a tiny ``crackseg train``."""
    return [
        "train",
        "--data",
        str(data),
        "--output",
        str(output),
        *settings([*TINY, *overrides]),
        "--device",
        "cpu",
        *more,
    ]


@functools.cache
def walls() -> Path:
    """Return a data folder of twelve walls with a dark line each."""
    return write_lines(_scratch() / "walls", 12)


@functools.cache
def trained_run() -> Path:
    """Return the run folder of one short training on `walls`."""
    from crackseg.training.run import train

    config = load_config(TrainConfig, overrides=EASY)
    result = train(config, training_data(walls()), _scratch() / "easy", device="cpu")
    if not result.finished:
        pytest.fail("the training that other tests need was stopped")
    return _scratch() / "easy"


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes when Python ends."""
    return tempfile.TemporaryDirectory(prefix="crackseg-tests-", ignore_cleanup_errors=True)


def _scratch() -> Path:
    return Path(_folder().name)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread, also in child processes: equal to the bit."""
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


def hear_ctrl_c() -> None:
    """Make a child process react to SIGINT even in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
