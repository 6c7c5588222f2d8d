"""Time `crackseg generate` against writing the same PNG files and against the classic loop.

    python benchmarks/generate.py [--rounds 7] [--count 8] [--size 1024] [--only NAME ...]

One process, pinned to one core. Each round makes new samples, then writes the same images and masks to
another folder, so other work on the machine slows both alike. The numbers are medians over the rounds: processor
seconds, then wall seconds after the slash. Aims: a ratio of at most 1.3 in `binary` and 3 in `photo`.

The cost of a run that does not depend on its size is listed apart: recipe, first sample, manifest, preview.

The classic loop is the one from introductory courses: label the crack image, compare the whole image once per blob,
read one file per speck of noise, and compare once per pasted pixel.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.config import load_config
from crackseg.generation import AssetFolders, GenerationJob, generate
from crackseg.imaging.codec import mask_pixels, read_image, read_mask, write_png
from data_gen import Recipe, generate_sample

CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "generate"


@dataclass(frozen=True)
class Cost:
    """Seconds of the processor and of the clock."""

    processor_s: float
    wall_s: float


def timed(work: Callable[[], object]) -> Cost:
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return Cost(time.process_time() - processor, time.perf_counter() - wall)


def generated(job: GenerationJob) -> tuple[Cost, Cost]:
    """Time a run: later samples, and the fixed cost."""
    marks = [(time.process_time(), time.perf_counter())]
    generate(job, workers=1, progress=lambda _: marks.append((time.process_time(), time.perf_counter())))
    marks.append((time.process_time(), time.perf_counter()))
    before, samples, after = (
        Cost(b[0] - a[0], b[1] - a[1]) for a, b in pairwise([marks[0], marks[1], marks[-2], marks[-1]])
    )
    return samples, Cost(before.processor_s + after.processor_s, before.wall_s + after.wall_s)


def ratio(ours: list[Cost], theirs: list[Cost]) -> str:
    """Format the median ratio, by processor and by clock."""
    pairs = list(zip(ours, theirs, strict=True))
    processor = statistics.median(a.processor_s / b.processor_s for a, b in pairs)
    wall = statistics.median(a.wall_s / b.wall_s for a, b in pairs)
    return f"{processor:5.2f} / {wall:5.2f}"


def per_image(costs: list[Cost], count: int) -> str:
    """Median over rounds per image."""
    processor, wall = (statistics.median(getattr(cost, name) for cost in costs) for name in ("processor_s", "wall_s"))
    return f"{1000 * processor / count:6.1f} / {1000 * wall / count:6.1f} ms"


def against_writing(
    recipe: Recipe, folder: Path, *, rounds: int, count: int, folders: AssetFolders
) -> list[list[Cost]]:
    """Time generation, its fixed cost, and writing the same images."""
    steady, once, written = list[Cost](), list[Cost](), list[Cost]()
    for number in range(rounds):
        out, again = folder / f"made{number}", folder / f"again{number}"
        job = GenerationJob(recipe, out, count, seed=number, folders=folders)
        for costs, cost in zip((steady, once), generated(job), strict=True):
            costs.append(cost)
        images = [
            (path.name, read_image(path), mask_pixels(read_mask(out / "masks" / path.name)))
            for path in sorted((out / "images").iterdir())[1:]
        ]
        for name in ("images", "masks"):
            (again / name).mkdir(parents=True)

        def write(images: list[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]] = images, to: Path = again) -> None:
            for name, image, mask in images:
                write_png(to / "images" / name, image)
                write_png(to / "masks" / name, mask)

        written.append(timed(write))
    return [steady, once, written]


def write_material(folder: Path) -> AssetFolders:
    """Draw crack images and patches of noise for both sides."""
    rng = np.random.default_rng(0)
    for name in ("patterns", "noise/small", "noise/big"):
        (folder / name).mkdir(parents=True)
    for index in range(8):
        drawn = generate_sample(load_config(Recipe, None, overrides=["size=448", "mode=binary"]), seed=9, index=index)
        write_png(folder / "patterns" / f"{index}.png", mask_pixels(drawn.mask))
    for name, side in (("small", 15), ("big", 50)):
        for index in range(20):
            patch = cv2.GaussianBlur(rng.integers(0, 255, (side, side), dtype=np.uint8), (0, 0), 2)
            write_png(folder / "noise" / name / f"{index}.png", cv2.normalize(patch, None, 0, 255, cv2.NORM_MINMAX))
    return AssetFolders(patterns=folder / "patterns", noise=folder / "noise")


def paste(canvas: NDArray[np.uint8], pattern: NDArray[np.uint8], row: int, col: int) -> None:
    """Merge a pattern pixel by pixel."""
    for i in range(pattern.shape[0]):
        for j in range(pattern.shape[1]):
            if pattern[i, j] > 50:
                canvas[row + i, col + j] = max(canvas[row + i, col + j], pattern[i, j])


def classic(rng: np.random.Generator, folders: AssetFolders, size: int, target: Path, name: str) -> None:
    """Make one image as the classic pipeline does."""
    assert folders.patterns is not None
    assert folders.noise is not None
    canvas, boxes = np.zeros((size, size), np.uint8), []
    files = sorted(folders.patterns.iterdir())
    for _ in range(rng.integers(1, 4)):
        image = cv2.imread(str(files[rng.integers(len(files))]), cv2.IMREAD_GRAYSCALE)
        count, labels = cv2.connectedComponents((image > 50).astype(np.uint8), connectivity=8)
        blobs = []
        for label in range(1, count):
            rows, cols = np.where(labels == label)
            if len(rows) >= 30:
                blobs.append(image[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1])
        blob = blobs[rng.integers(len(blobs))]
        row, col = (int(rng.integers(0, size - side)) for side in blob.shape)
        paste(canvas, blob, row, col)
        boxes.append((row, col, row + blob.shape[0], col + blob.shape[1]))
    mask = canvas.copy()
    for kind, counts, heights, widths in (
        ("small", (100, 300), (10, 15), None),
        ("big", (3, 5), (30, 50), None),
        ("big", (3, 5), (30, 50), (10, 15)),
        ("big", (3, 5), (10, 15), (30, 50)),
    ):
        patches = sorted((folders.noise / kind).iterdir())
        for _ in range(rng.integers(counts[0], counts[1] + 1)):
            patch = cv2.imread(str(patches[rng.integers(len(patches))]), cv2.IMREAD_GRAYSCALE)
            height = int(rng.integers(heights[0], heights[1] + 1))
            width = height if widths is None else int(rng.integers(widths[0], widths[1] + 1))
            paste(
                canvas, cv2.resize(patch, (width, height)), *(int(rng.integers(0, size - s)) for s in (height, width))
            )
    canvas[canvas > 50] = 255
    canvas[canvas <= 50] = 0
    write_png(target / f"{name}.png", cv2.cvtColor(canvas, cv2.COLOR_GRAY2RGB))
    write_png(target / f"{name}_mask.png", np.where(mask > 50, 255, 0).astype(np.uint8))
    rows = [f"<object><name>crack</name><bndbox>{box}</bndbox></object>" for box in boxes]
    (target / f"{name}.xml").write_text(f"<annotation>{''.join(rows)}</annotation>", encoding="utf-8")


def against_classic(folder: Path, *, rounds: int, count: int, size: int) -> list[list[Cost]]:
    """Time generation and the classic loop on the same material."""
    folders = write_material(folder)
    off = dict.fromkeys(Recipe().cracks.mix.weights(), 0.0) | {"cutout": 1.0}
    recipe = load_config(Recipe, CONFIGS / "classic.yaml", overrides=[f"size={size}", f"cracks.mix={off}"])
    ours, plain = list[Cost](), list[Cost]()
    for number in range(rounds):
        job = GenerationJob(recipe, folder / f"ours{number}", count, seed=number, folders=folders)
        ours.append(generated(job)[0])
        target = folder / f"plain{number}"
        target.mkdir()
        rng = np.random.default_rng(number)

        def loop(rng: np.random.Generator = rng, target: Path = target) -> None:
            for index in range(1, count):
                classic(rng, folders, size, target, str(index))

        plain.append(timed(loop))
    return [ours, plain]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--size", type=int, default=1024)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    print("per image, and the ratio: processor / clock")
    for name in ("classic", "mixed", "concrete", "asphalt", "masonry", "tile", "metal"):
        if options.only and name not in options.only:
            continue
        recipe = load_config(Recipe, CONFIGS / f"{name}.yaml", overrides=[f"size={options.size}"])
        with tempfile.TemporaryDirectory(prefix="crackseg-") as folder:
            steady, once, written = against_writing(
                recipe, Path(folder), rounds=options.rounds, count=options.count, folders=AssetFolders()
            )
        most = options.count - 1
        sides = f"generate {per_image(steady, most)}, write {per_image(written, most)}"
        print(
            f"{name:9s} ({recipe.mode:6s}): {sides}, ratio {ratio(steady, written)}; once {per_image(once, 1)}",
            flush=True,
        )
    with tempfile.TemporaryDirectory(prefix="crackseg-") as folder:
        ours, plain = against_classic(Path(folder), rounds=options.rounds, count=options.count, size=options.size)
    sides = f"generate {per_image(ours, options.count - 1)}, loop {per_image(plain, options.count - 1)}"
    print(f"the classic loop on the same images: {sides}, ratio {ratio(ours, plain)}")


if __name__ == "__main__":
    main()
