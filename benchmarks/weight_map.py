"""Time the border weights of the U-Net paper against one distance transform per component.

    python benchmarks/weight_map.py [--rounds 5] [--figure docs/weight-map.png]

The plain way stacks the distance transforms of all components and takes the two smallest, as published code does. It
runs once with OpenCV's transform and once with SciPy's. Rounds take turns and the fastest of each are compared. Aim:
at least 10 times faster than the plain way with the same transform, at 200 components of 512x512 px.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crackseg.imaging.codec import write_png
from crackseg.training.weight_map import border_weights
from data_gen import Recipe, generate_sample

SIDE = 512
W0, SIGMA = 10.0, 5.0


def lines(count: int) -> NDArray[np.bool_]:
    """Draw short crooked lines until they form a number of components."""
    rng = np.random.default_rng(0)
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    while True:
        start = rng.uniform(0, SIDE, 2)
        points = start + np.cumsum(rng.normal(0, 6, (6, 2)), axis=0)
        cv2.polylines(canvas, [points.astype(np.int32)], isClosed=False, color=1, thickness=2)
        count_labels, labels = cv2.connectedComponents(canvas)
        if count_labels > count:
            keep = np.isin(labels, np.arange(1, count + 1))
            return np.asarray(keep, dtype=np.bool_)


def long_lines(count: int) -> NDArray[np.bool_]:
    """Draw nested open rings, the worst case for cropped boxes."""
    rows, cols = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    radius, angle = np.hypot(rows, cols), np.arctan2(rows, cols)
    period = SIDE / 2 / (count / 4)
    ring = (radius % period) < 0.5 * period
    return np.asarray(ring & (np.abs(np.sin(2 * angle)) > 0.05))


def opencv_distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    source = (~mask).view(np.uint8)
    return np.asarray(cv2.distanceTransform(source, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), dtype=np.float32)


def scipy_distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.asarray(ndimage.distance_transform_edt(~mask), dtype=np.float32)


def plain(
    mask: NDArray[np.bool_], transform: Callable[[NDArray[np.bool_]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    count_labels, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    distances = np.stack([transform(labels == number) for number in range(1, count_labels)])
    nearest = np.partition(distances, 1, axis=0)[:2]
    return np.asarray(W0 * np.exp(-((nearest[0] + nearest[1]) ** 2) / (2 * SIGMA**2)), dtype=np.float32)


def measure(mask: NDArray[np.bool_], rounds: int) -> dict[str, float]:
    ways: dict[str, Callable[[], NDArray[np.float32]]] = {
        "here": lambda: border_weights(mask, w0=W0, sigma=SIGMA),
        "OpenCV": lambda: plain(mask, opencv_distance),
        "SciPy": lambda: plain(mask, scipy_distance),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    maps = {}
    for round_number in range(rounds):
        for name, way in ways.items():
            if name == "SciPy" and round_number:
                continue
            start = time.perf_counter()
            maps[name] = way()
            times[name].append(time.perf_counter() - start)
    worst = max(float(np.abs(maps["here"] - other).max()) for other in maps.values())
    return {**{name: min(values) for name, values in times.items()}, "difference": worst}


def draw(path: Path) -> None:
    """Draw a generated mask, its border weights, and both together."""
    size = 320
    masks = [generate_sample(Recipe(size=size), seed=11, index=index).mask for index in range(40)]
    mask = max(masks, key=lambda one: int((border_weights(one, w0=W0, sigma=8.0) > 3).sum()))
    weights = border_weights(mask, w0=W0, sigma=8.0)
    level = np.rint(np.clip(weights / W0, 0, 1) * 255).astype(np.uint8)
    heat = cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    black = np.repeat(np.where(mask, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)
    both = np.where(mask[..., None], np.uint8(255), heat)
    gap = np.full((size, 8, 3), 255, np.uint8)
    write_png(path, np.hstack([black, gap, heat, gap, both]).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    print("| mask of 512x512 px | components | here | OpenCV, each | SciPy, each | OpenCV / here | difference |")
    print("|---|---|---|---|---|---|---|")
    for name, mask in (("short lines", lines(200)), ("rings", long_lines(50)), ("few lines", lines(10))):
        count = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
        row = measure(mask, options.rounds)
        print(
            f"| {name} | {count} | {1000 * row['here']:.1f} ms | {1000 * row['OpenCV']:.0f} ms | "
            f"{1000 * row['SciPy']:.0f} ms | {row['OpenCV'] / row['here']:.0f} | {row['difference']:.1e} |"
        )
    if options.figure is not None:
        draw(options.figure)


if __name__ == "__main__":
    main()
