"""Time the cleaning of 1024x1024 px masks with about 3,000 components.

    python benchmarks/cleaning.py

Compared with the usual code, which compares the whole image with every label in a loop. Compared also with that loop
over the kept labels only, and with OpenCV's connectedComponentsWithStats on the opened mask. Aims: at least 6 times
as fast as the loop, at most 1.5 times the cost of the statistics.

One mask is full of cracks, most of which are kept. The other holds 60 cracks among specks.

One thread. Every line is timed once per round in processor seconds, and the fastest round counts: the machine may be
shared, and the ratios still hold.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.masks.cleaning import Cleaning, clean, preset

SIDE = 1024
OPEN_PX = 3
LEAST_PX = 51
STATISTICS, CLASSIC = "statistics of OpenCV", "classic denoising"
LOOPS = ("  by the loop", "  by the loop, kept only")


def noisy_mask(*, lines: int, components: int = 3000) -> NDArray[np.uint8]:
    """Draw grey lines and specks that outlast opening."""
    rng = np.random.default_rng(0)
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    step = SIDE / int(np.ceil(np.sqrt(components)))
    cells = [(row, col) for row in np.arange(step / 2, SIDE, step) for col in np.arange(step / 2, SIDE, step)]
    for number in rng.permutation(len(cells)):
        row, col = cells[int(number)]
        reach = rng.uniform(3, step / 2 - 4, 2) if number < lines else np.zeros(2)
        start = (round(col - reach[0]), round(row - reach[1]))
        stop = (round(col + reach[0]), round(row + reach[1] * rng.choice([-1, 1])))
        cv2.line(canvas, start, stop, 1, int(rng.integers(4, 6)) if number < lines else 3)
    specks = rng.random(canvas.shape) < 0.002
    grey = rng.integers(140, 256, canvas.shape, dtype=np.uint8)
    return np.where((canvas > 0) | specks, grey, 0).astype(np.uint8)


def opened(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    plane = cv2.threshold(levels, 127, 255, cv2.THRESH_BINARY)[1]
    return np.asarray(cv2.morphologyEx(plane, cv2.MORPH_OPEN, np.ones((OPEN_PX, OPEN_PX), np.uint8)), dtype=np.uint8)


def by_loop(levels: NDArray[np.uint8], *, kept_only: bool) -> NDArray[np.uint8]:
    """Clean a mask with the usual loop over labels."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened(levels), connectivity=8)
    kept = np.zeros_like(levels)
    for label in range(1, count):
        if kept_only and stats[label, cv2.CC_STAT_AREA] < LEAST_PX:
            continue
        where = labels == label
        if kept_only or np.count_nonzero(where) >= LEAST_PX:
            kept[where] = 255
    return np.asarray(cv2.bitwise_and(levels, kept), dtype=np.uint8)


def tasks(levels: NDArray[np.uint8]) -> dict[str, Callable[[], object]]:
    plane = opened(levels)
    classic = preset("classic")
    return {
        STATISTICS: lambda: cv2.connectedComponentsWithStats(plane, connectivity=8),
        CLASSIC: lambda: clean(levels, classic),
        LOOPS[0]: lambda: by_loop(levels, kept_only=False),
        LOOPS[1]: lambda: by_loop(levels, kept_only=True),
        "holes": lambda: clean(levels, Cleaning(fill_holes=True)),
        "lengths": lambda: clean(levels, Cleaning(open_px=OPEN_PX, min_length_px=12)),
    }


def measure(levels: NDArray[np.uint8], rounds: int) -> None:
    expected = by_loop(levels, kept_only=False)
    assert np.array_equal(clean(levels, preset("classic")).pixels, expected)
    timed = tasks(levels)
    best = dict.fromkeys(timed, float("inf"))
    for _ in range(rounds):
        for name, run in timed.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    count = cv2.connectedComponents(opened(levels))[0] - 1
    kept = cv2.connectedComponents((expected > 0).view(np.uint8))[0] - 1
    print(f"{SIDE}x{SIDE} pixels, {count} components once opened, {kept} kept, fastest of {rounds} rounds")
    mine, stats = best[CLASSIC], best[STATISTICS]
    for name, spent_s in best.items():
        print(f"{name:26} {1000 * spent_s:9.2f} ms  {spent_s / mine:7.2f} x {CLASSIC}")
    slow = [f"{best[name] / mine:.1f}" for name in LOOPS]
    print(f"loops take {' and '.join(slow)} times as long (aim 6); it costs {mine / stats:.2f} x OpenCV (aim 1.5)\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    for lines in (3000, 60):
        measure(noisy_mask(lines=lines), rounds)


if __name__ == "__main__":
    main()
