"""Time the prediction of a folder against the network only.

    python benchmarks/prediction_folder.py [--count 200] [--side 1024] [--batch 20] [--runtime onnx] [--precision fp32]

Batches of images are predicted and written as `crackseg predict` does: with one image per core, and with all cores on
one image. The network runs in turn on as many images, with all threads and with one thread per core. The ratio
holds on a shared machine. Processor time stands next to wall time. Aim: at most 1.05 of the network with all threads.
"Each core its own" is the mode that `crackseg predict` picks for several images of this size on several cores.
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
from crackseg.imaging.codec import ArrayImage, write_png
from crackseg.machine import usable_cores
from crackseg.prediction.decoding import ReadAhead
from crackseg.prediction.loading import load_model
from crackseg.prediction.scheduling import predict_each
from crackseg.prediction.tiling import read_mirrored


def clocked(work: Callable[[], None]) -> np.ndarray:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - wall, time.process_time() - processor])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--runtime", choices=("onnx", "openvino"), default="onnx")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    options = parser.parse_args()
    model = load_model(runtime=options.runtime, precision=options.precision)
    recipe = data_gen.Recipe(size=options.side)
    images = [data_gen.generate_sample(recipe, seed=0, index=index).image for index in range(4)]
    (tile,) = model.plan((options.side, options.side))
    tiles = [read_mirrored(ArrayImage(image), tile.read)[None] for image in images]
    cores = usable_cores()
    split = model.predictor.one_thread()
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place) / f"wall{index}.png" for index in range(options.batch)]
        for index, path in enumerate(paths):
            write_png(path, images[index % len(images)])
        out = Path(place) / "out"

        def one_after_the_other() -> None:
            list(predict_each(model.steps(), ReadAhead(paths), lambda result: result.save(out)))

        def each_core_its_own() -> None:
            list(predict_each(model.steps(), paths, lambda result: result.save(out)))

        def network() -> None:
            for index in range(options.batch):
                model.predictor(tiles[index % len(tiles)])

        def network_for_each_core() -> None:
            with ThreadPoolExecutor(cores) as pool:
                list(pool.map(lambda index: split(tiles[index % len(tiles)]), range(options.batch)))

        ways = {
            "network, all threads": network,
            "network, one thread for each core": network_for_each_core,
            "folder, one image after the other": one_after_the_other,
            "folder, each core its own": each_core_its_own,
        }
        network()
        network_for_each_core()
        taken = {name: np.zeros(2) for name in ways}
        batches = max(1, options.count // options.batch)
        for _ in range(batches):
            for name, way in ways.items():
                taken[name] += clocked(way)
    report(batches * options.batch, taken)


def report(images: int, taken: dict[str, np.ndarray]) -> None:
    print(f"{images} images, {usable_cores()} cores; seconds for an image, and over the network with all threads:")
    base = next(iter(taken.values()))
    for name, seconds in taken.items():
        wall, processor = seconds / images
        ratios = seconds / base
        print(f"{name:36} wall {wall:.3f} s, {ratios[0]:.3f}; processor {processor:.3f} s, {ratios[1]:.3f}")


if __name__ == "__main__":
    main()
