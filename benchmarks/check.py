"""Time `crackseg check` against reading the same files.

    python benchmarks/check.py [--data DIR ...]

Both sides read every image and mask by the policy of `crackseg.imaging.codec`. The check also compares the files and
searches for duplicates. One thread, seconds of processor time, rounds in turn, the fastest of each: other work on the
machine slows both sides alike. A third column is OpenCV's decoding time, which notices neither truncation nor
orientation.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from crackseg.datasets.check import check_dataset
from crackseg.datasets.pairs import find_pairs
from crackseg.generation import GenerationJob, generate
from crackseg.imaging.codec import read_file, read_image, read_mask
from data_gen import Recipe


def seconds(act: Callable[[], object]) -> float:
    start = time.process_time()
    act()
    return time.process_time() - start


def read_all(folder: Path) -> None:
    for pair in find_pairs(folder)[0]:
        read_image(folder / pair.image)
        read_mask(folder / pair.mask)


def decode_all(folder: Path) -> None:
    for pair in find_pairs(folder)[0]:
        cv2.imdecode(np.frombuffer(read_file(folder / pair.image), np.uint8), cv2.IMREAD_COLOR)
        cv2.imdecode(np.frombuffer(read_file(folder / pair.mask), np.uint8), cv2.IMREAD_GRAYSCALE)


def measure(folder: Path, rounds: int) -> None:
    acts = (lambda: check_dataset(folder), lambda: read_all(folder), lambda: decode_all(folder))
    times = [[seconds(act) for act in acts] for _ in range(rounds + 1)][1:]
    doctor_s, read_s, opencv_s = (min(column) for column in zip(*times, strict=True))
    count = len(find_pairs(folder)[0])
    rates = [f"{name} {count / spent_s:.0f}" for name, spent_s in (("doctor", doctor_s), ("reading", read_s))]
    ratios = f"ratio {doctor_s / read_s:.2f} (aim 2), to OpenCV only {doctor_s / opencv_s:.2f}"
    print(f"{folder.name}: {count} pairs, {', '.join(rates)} pairs/s, {ratios}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", action="append", type=Path, default=[])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for folder in options.data:
        measure(folder, options.rounds)
    if not options.data:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "generated"
            generate(GenerationJob(Recipe(size=512), output, 60), workers=1)
            measure(output, options.rounds)


if __name__ == "__main__":
    main()
