"""Whole validation images through a network: the threshold, the scores, and the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from crackseg.dataset import Sample, read_sample
from crackseg.images import ArrayImage
from crackseg.metrics.histogram import ProbabilityHistogram
from crackseg.nn.report import Judged
from crackseg.prediction import predict_probability
from crackseg.runtimes.predictor import Predictor


def validate(predictor: Predictor, samples: Sequence[Sample]) -> dict[str, ProbabilityHistogram]:
    """Run a network over samples and count, by data set, its probabilities on crack and on background.

    Raises:
        ModelError: If the network answers with NaN.
    """
    histograms: dict[str, ProbabilityHistogram] = {}
    for sample, _, true, probability in _predictions(predictor, samples):
        counted = histograms.get(sample.group, ProbabilityHistogram.empty())
        histograms[sample.group] = counted + ProbabilityHistogram.of(probability, true)
    return histograms


def pooled(histograms: Mapping[str, ProbabilityHistogram]) -> ProbabilityHistogram:
    """Return the sum of the histograms of all data sets."""
    return reduce(ProbabilityHistogram.__add__, histograms.values(), ProbabilityHistogram.empty())


def judge(predictor: Predictor, samples: Sequence[Sample], threshold: float) -> list[Judged]:
    """Return samples with what a network says about them at a threshold."""
    return [
        Judged(sample.image.name, image, true, probability >= threshold)
        for sample, image, true, probability in _predictions(predictor, samples)
    ]


def _predictions(
    predictor: Predictor, samples: Sequence[Sample]
) -> Iterator[tuple[Sample, NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float32]]]:
    for sample in samples:
        image, true = read_sample(sample)
        yield sample, image, true, predict_probability(ArrayImage(image), predictor)
