"""Measure the cost of an evaluation apart from its network, and its memory.

    python benchmarks/evaluate_cost.py [--count 30] [--many 400] [--model MODEL]

Images of 256, 384 and 512 px are generated in equal parts. Processor seconds (user and system) are listed by step,
which holds on a shared machine. `headline` is the plain command. `native` and `all` are the protocols with a report;
their second prediction at 512 px counts as network. Aim: the network takes more than half. Every step except the
intervals grows with the number of images.

Then a quarter of `--many` images and all of them are evaluated with a report, each in a new process. The images
repeat. The operating system reports the largest resident memory of each process. A stand-in that marks dark pixels
replaces the network, whose memory does not grow.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import data_gen
from crackseg.datasets.samples import find_samples, read_sample
from crackseg.evaluation.counting import PredictedSample, count_image
from crackseg.evaluation.files import write_report
from crackseg.evaluation.gallery import Gallery
from crackseg.evaluation.report import evaluate_model
from crackseg.evaluation.request import EvaluationRequest
from crackseg.evaluation.run import resize_sample
from crackseg.evaluation.table import Evaluation
from crackseg.imaging.codec import ArrayImage, mask_pixels, write_png
from crackseg.metrics.protocols import Part, find_protocols
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.loading import load_model
from crackseg.prediction.model import Model
from crackseg.prediction.tiled import predict_probability

SIDES = (256, 384, 512)


class Darkness:
    """A stand-in for a network."""

    stride, context = 1, 0

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        return 1 - pixels.mean(axis=3, dtype=np.float32) / np.float32(255)


def write_images(folder: Path, count: int) -> None:
    """Generate a third of the images and cut each three times."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        if number % 3 == 0:
            sample = data_gen.generate_sample(data_gen.Recipe(size=512), seed=1, index=number // 3)
        side = SIDES[number % 3]
        write_png(folder / "images" / f"{number:04d}.png", sample.image[-side:, -side:].copy(), compression=1)
        write_png(folder / "masks" / f"{number:04d}.png", mask_pixels(sample.mask[-side:, -side:]))


def shares(model: Model, folder: Path, parts: frozenset[Part], *, figures: bool) -> dict[str, float]:
    """Processor seconds by step."""
    spent = dict.fromkeys(("read", "network", "metrics", "figures", "intervals"), 0.0)
    gallery, rows = Gallery(), []

    def lap(step: str, since: float) -> float:
        now = time.process_time()
        spent[step] += now - since
        return now

    for sample in find_samples(folder, "test"):
        clock = time.process_time()
        image, true = read_sample(sample)
        clock = lap("read", clock)
        probability = predict_probability(ArrayImage(image), model.predictor)
        resized = None
        if "sweep" in parts:
            small, mask = resize_sample(image, true)
            resized = (predict_probability(ArrayImage(small), model.predictor), mask)
        clock = lap("network", clock)
        predicted = PredictedSample(image, true, probability, probability >= model.card.threshold, resized)
        rows.append((sample, count_image(predicted, parts)))
        clock = lap("metrics", clock)
        if figures:
            gallery.add(sample, predicted)
            lap("figures", clock)
    if figures:
        clock = time.process_time()
        evaluation = Evaluation.of(rows, ())
        resampled = evaluation.resampled_sums()
        for protocol in find_protocols("all"):
            if set(protocol.parts) <= parts:
                evaluation.estimates(protocol.scores, resampled)
        lap("intervals", clock)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--many", type=int, default=400)
    parser.add_argument("--model")
    parser.add_argument("--measure", type=Path)
    options = parser.parse_args()
    if options.measure is not None:
        few = find_samples(options.measure, "test")
        samples = [few[number % len(few)] for number in range(options.many)]
        card = ModelCard(name="darkness", network={}, stride=1, context_px=0, threshold=0.6)
        request = EvaluationRequest("native", figures=True)
        write_report(options.measure / "report", evaluate_model(Model(Darkness(), card), samples, request))
        print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "set"
        write_images(folder, options.count)
        model = load_model(options.model)
        native = EvaluationRequest("native", figures=True).parts
        everything = frozenset(part for protocol in find_protocols("all") for part in protocol.parts)
        commands = {"headline": frozenset[Part](("pixels",)), "native": native, "all": everything}
        for name, parts in commands.items():
            spent = shares(model, folder, parts, figures=name != "headline")
            total = sum(spent.values())
            steps = "  ".join(f"{step} {100 * seconds / total:.1f} %" for step, seconds in spent.items())
            print(f"{name:<9} {1000 * total / options.count:6.0f} ms an image: {steps}", flush=True)
        for many in (options.many // 4, options.many):
            command = [sys.executable, __file__, "--many", str(many), "--measure", str(folder)]
            peak = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            print(f"{many} images: peak memory {peak:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
