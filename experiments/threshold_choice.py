"""Measure the F1 lost by choosing a threshold on few images.

    python experiments/threshold_choice.py --data DIR [--data DIR ...] [--model NAME] [--images 60] [--draws 200]

The model runs once over the test images of each folder, at most `--images`. Then a few of them are drawn and a
threshold is chosen on these. The loss is the highest F1 of any threshold on the rest, less the F1 of the chosen one.
The rule that trainings use is compared with the highest F1; it starts from the model's own threshold.

The script prints means over draws and folders. In brackets stands the least loss in the worst twentieth of the draws.
Nothing here depends on the machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tables import markdown

from crackseg.datasets.samples import find_samples, read_sample
from crackseg.imaging.codec import ArrayImage
from crackseg.metrics.histogram import BINS, ProbabilityHistogram
from crackseg.prediction.loading import load_model
from crackseg.prediction.model import Model
from crackseg.prediction.tiled import predict_probability

COUNTS = (1, 2, 5, 10, 20)
CHOICES = ("highest F1", "as trainings choose", "the model's own")


def count_images(model: Model, folder: Path, images: int) -> list[ProbabilityHistogram]:
    """Return the histogram of each image."""
    histograms = []
    for sample in find_samples(folder, "test")[:images]:
        image, true = read_sample(sample)
        histograms.append(ProbabilityHistogram.of(predict_probability(ArrayImage(image), model.predictor), true))
    return histograms


def pool(histograms: Sequence[ProbabilityHistogram]) -> ProbabilityHistogram:
    return sum(histograms, ProbabilityHistogram.empty())


def costs(histograms: list[ProbabilityHistogram], count: int, draws: int, start: float) -> np.ndarray:
    """Return the F1 lost by each choice, ``(draws, 3)``."""
    rng = np.random.default_rng(count)
    rows = []
    for _ in range(draws):
        order = rng.permutation(len(histograms))
        few, rest = (pool([histograms[index] for index in part]) for part in (order[:count], order[count:]))
        if not few.images or not rest.images:
            continue
        highest = rest.counts_at(rest.best_threshold()).f1
        # Thresholds are multiples of 1 / BINS where counts are evaluated.
        chosen = few.best_threshold(), few.steady_threshold(start), round(start * BINS) / BINS
        rows.append([highest - rest.counts_at(threshold).f1 for threshold in chosen])
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--model", default="crackseg-mobile")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--draws", type=int, default=200)
    options = parser.parse_args()
    model = load_model(options.model)
    sets = [count_images(model, folder, options.images) for folder in options.data]
    rows = []
    for count in COUNTS:
        losses = [costs(one, count, options.draws, model.card.threshold) for one in sets]
        means = np.mean([each.mean(axis=0) for each in losses], axis=0)
        worst = np.mean([np.quantile(each, 0.95, axis=0) for each in losses], axis=0)
        rows.append([str(count), *(f"{mean:.3f} ({high:.3f})" for mean, high in zip(means, worst, strict=True))])
    print(markdown(["images", *CHOICES], rows))


if __name__ == "__main__":
    main()
