"""A folder of images over as many times the network alone; and one network with all threads against one for each core.

    python benchmarks/prediction_folder.py [--count 200] [--side 1024] [--batch 20]

Batches of images are predicted and written as `crackseg predict` does, each followed by the network alone on as many
images, so that a machine shared with other work still gives a usable ratio. Beside the time on the wall stands that on
the processors. Aim: at most 1.05.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import data_gen
from crackseg.images import ArrayImage, write_png
from crackseg.machine import usable_cores
from crackseg.models import find_model, load_model
from crackseg.runtimes.onnx import OnnxPredictor
from crackseg.tiling import read_mirrored


def clocked(work: Callable[[], None]) -> np.ndarray:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - wall, time.process_time() - processor])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=20)
    options = parser.parse_args()
    model = load_model()
    recipe = data_gen.Recipe(size=options.side)
    images = [data_gen.generate_sample(recipe, seed=0, index=index).image for index in range(4)]
    (tile,) = model.plan((options.side, options.side))
    tiles = [read_mirrored(ArrayImage(image), tile.read)[None] for image in images]
    cores = usable_cores()
    data = find_model().read()
    singles = [OnnxPredictor(data, name="single", threads=1) for _ in range(cores)]
    folder_s, network_s, each_s = np.zeros(2), np.zeros(2), np.zeros(2)
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place) / f"wall{index}.png" for index in range(options.batch)]
        for index, path in enumerate(paths):
            write_png(path, images[index % len(images)])
        out = Path(place) / "out"

        def folder() -> None:
            for result in model.predict_many(paths):
                result.save(out)

        def network() -> None:
            for index in range(options.batch):
                model.predictor(tiles[index % len(tiles)])

        def network_for_each_core() -> None:
            with ThreadPoolExecutor(cores) as pool:
                list(pool.map(lambda i: singles[i % cores](tiles[i % len(tiles)]), range(options.batch)))

        network()
        for _ in range(max(1, options.count // options.batch)):
            network_s += clocked(network)
            folder_s += clocked(folder)
            if cores > 1:
                each_s += clocked(network_for_each_core)
    report(max(1, options.count // options.batch) * options.batch, folder_s, network_s)
    if cores > 1:
        print(f"one network for each core: {each_s[0]:.2f} s, one with all threads: {network_s[0]:.2f} s")


def report(images: int, folder_s: np.ndarray, network_s: np.ndarray) -> None:
    print(f"{images} images, {usable_cores()} cores")
    for number, clock in enumerate(("wall", "processor")):
        print(
            f"{clock}: folder {folder_s[number]:.2f} s, network alone {network_s[number]:.2f} s, "
            f"ratio {folder_s[number] / network_s[number]:.3f} (aim 1.05)"
        )


if __name__ == "__main__":
    main()
