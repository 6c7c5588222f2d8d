"""Whole validation images through a network: the threshold, the scores, and the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crackseg.dataset import Sample
from crackseg.errors import ModelError
from crackseg.images import ArrayImage
from crackseg.metrics.histogram import ProbabilityHistogram
from crackseg.nn.checkpoint import read_card
from crackseg.nn.report import Judged
from crackseg.prediction import predict_probability
from crackseg.runtimes.predictor import Predictor
from crackseg.truth import read_truth


def validate(predictor: Predictor, samples: Sequence[Sample], *, classes: int = 1) -> dict[str, ProbabilityHistogram]:
    """Run a network over samples and count, by data set, its probabilities on crack and on background.

    Args:
        predictor: The network.
        samples: What to run it over.
        classes: Classes that the masks tell apart; all but the background count as crack.

    Raises:
        ModelError: If the network answers with NaN.
    """
    histograms: dict[str, ProbabilityHistogram] = {}
    for sample, _, true, probability in _predictions(predictor, samples, classes):
        counted = histograms.get(sample.group, ProbabilityHistogram.empty())
        histograms[sample.group] = counted + ProbabilityHistogram.of(probability, true)
    return histograms


def pooled(histograms: Mapping[str, ProbabilityHistogram]) -> ProbabilityHistogram:
    """Return the sum of the histograms of all data sets."""
    return reduce(ProbabilityHistogram.__add__, histograms.values(), ProbabilityHistogram.empty())


def starting_threshold(weights: Path | None) -> float:
    """Return the threshold of the model that a training starts from; 0.5 where it starts from none.

    Args:
        weights: A checkpoint or an ONNX model, which hold a card, or weights without one, such as an encoder's.
    """
    try:
        return 0.5 if weights is None else read_card(weights).threshold
    except ModelError:
        return 0.5


def judge(predictor: Predictor, samples: Sequence[Sample], threshold: float, *, classes: int = 1) -> list[Judged]:
    """Return samples with what a network says about them at a threshold."""
    return [
        Judged(sample.image.name, image, true, probability >= threshold)
        for sample, image, true, probability in _predictions(predictor, samples, classes)
    ]


def _predictions(
    predictor: Predictor, samples: Sequence[Sample], classes: int
) -> Iterator[tuple[Sample, NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float32]]]:
    for sample in samples:
        image, truth = read_truth(sample, classes)
        yield sample, image, truth > 0, predict_probability(ArrayImage(image), predictor)
