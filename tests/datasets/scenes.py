"""Small textured walls, and data folders of them without faults."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crackseg.datasets.check import check_dataset
from crackseg.datasets.findings import Finding
from tests.runs import write_sample

SHAPE = (96, 128)


def wall(seed: int, shape: tuple[int, int] = SHAPE) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A stained wall with a crooked dark crack, and its mask."""
    rng = np.random.default_rng(seed)
    height, width = shape
    light = np.full((height, width), 150, np.float32)
    for side, strength in ((5, 25), (24, 14), (64, 8)):
        coarse = rng.normal(0, strength, (side, side)).astype(np.float32)
        light += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    rows = np.linspace(0.2, 0.8, 6) * height + rng.uniform(-0.18, 0.18, 6) * height
    points = np.stack([np.linspace(0, width - 1, 6), rows], axis=1).round().astype(np.int32)
    crack = np.zeros(shape, np.uint8)
    cv2.polylines(crack, [points], isClosed=False, color=1, thickness=4)
    light[crack > 0] -= 80
    grey = np.clip(light, 0, 255).astype(np.uint8)
    return np.stack([grey, grey, np.clip(light - 10, 0, 255).astype(np.uint8)], axis=2), crack.astype(np.bool_)


def write_walls(folder: Path, count: int = 4, *, first: int = 0) -> Path:
    """Write a data folder of walls without faults."""
    for seed in range(first, first + count):
        write_sample(folder, f"{seed:02d}", *wall(seed))
    return folder


def save(path: Path, pixels: NDArray[np.generic], **options: object) -> None:
    """Write pixels with Pillow in the format of the suffix."""
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]


def save_turned(path: Path, pixels: NDArray[np.generic], orientation: int) -> None:
    """Write pixels unchanged with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(path, pixels, exif=exif.tobytes())


def as_jpeg(pixels: NDArray[np.uint8], quality: int = 75) -> bytes:
    """Pixels as the bytes of a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def find(folder: Path) -> dict[str, list[Finding]]:
    """The findings of a check, by kind."""
    groups: dict[str, list[Finding]] = {}
    for finding in check_dataset(folder).findings:
        groups.setdefault(finding.kind, []).append(finding)
    return groups
