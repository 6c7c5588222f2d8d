"""Whole validation images through a network: the threshold, the scores, and the pictures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.class_masks import read_truth
from crackseg.datasets.samples import Sample
from crackseg.errors import ModelError
from crackseg.imaging.codec import ArrayImage
from crackseg.metrics.histogram import ProbabilityHistogram
from crackseg.networks.checkpoint import read_card
from crackseg.prediction.classes import predict_classes
from crackseg.prediction.model import predict_probability
from crackseg.runtimes.torch import TorchPredictor
from crackseg.training.plots import Judged


@dataclass(frozen=True, slots=True, eq=False)
class Validated:
    """What a network says about the pixels of some images; those of several images add up with ``+``.

    Attributes:
        crack: By the probability of crack, or of any defect.
        by_class: The same of each class but the background, where there are several: a pixel counts with its
            probability where it is called this class, and with 0 elsewhere.
    """

    crack: ProbabilityHistogram
    by_class: tuple[ProbabilityHistogram, ...] = ()

    def __add__(self, other: Validated) -> Validated:
        none = ProbabilityHistogram.empty()
        pairs = itertools.zip_longest(self.by_class, other.by_class, fillvalue=none)
        return Validated(self.crack + other.crack, tuple(one + two for one, two in pairs))

    def scores_at(self, threshold: float) -> dict[str, float]:
        """Return the scores at a threshold: ``f1``, ``precision``, ``recall``, ``iou``, 0 where they are undefined.

        Of several classes also ``f1_class1`` and so on, each class against all else, NaN for one that is neither there
        nor called, and ``f1_macro``, the mean of the others.
        """
        counts = self.crack.counts_at(threshold)
        values = {"f1": counts.f1, "precision": counts.precision, "recall": counts.recall, "iou": counts.iou}
        scores = {key: 0.0 if math.isnan(value) else value for key, value in values.items()}
        if self.by_class:
            single = [histogram.counts_at(threshold).f1 for histogram in self.by_class]
            scores |= {f"f1_class{number}": value for number, value in enumerate(single, start=1)}
            defined = [value for value in single if not math.isnan(value)]
            scores["f1_macro"] = sum(defined) / len(defined) if defined else math.nan
        return scores


def validate(predictor: TorchPredictor, samples: Sequence[Sample], *, classes: int = 1) -> list[Validated]:
    """Run a network over samples and count, for each of them, its probabilities on crack and on background.

    Args:
        predictor: The network.
        samples: What to run it over.
        classes: Classes that the masks tell apart; all but the background count as crack.

    Returns:
        As many as samples, in their order.

    Raises:
        ModelError: If the network answers with NaN.
    """
    found = []
    for _, _, truth, probability, told in _predictions(predictor, samples, classes):
        single = (
            ProbabilityHistogram.of(np.where(told == number, probability, np.float32(0)), truth == number)
            for number in range(1, classes if classes > 2 else 1)
        )
        found.append(Validated(ProbabilityHistogram.of(probability, truth > 0), tuple(single)))
    return found


def pooled(found: Iterable[Validated]) -> Validated:
    """Return the sum of all images."""
    return reduce(Validated.__add__, found, Validated(ProbabilityHistogram.empty()))


def by_group(samples: Sequence[Sample], found: Sequence[Validated]) -> dict[str, Validated]:
    """Return the sum of the images of each data set.

    Args:
        samples: The images.
        found: What `validate` says of each.
    """
    groups: dict[str, list[Validated]] = {}
    for sample, of_image in zip(samples, found, strict=True):
        groups.setdefault(sample.group, []).append(of_image)
    return {group: pooled(members) for group, members in groups.items()}


def telling(samples: Sequence[Sample], found: Sequence[Validated], threshold: float, *, count: int = 4) -> list[Sample]:
    """Return the worst, the median and the best images by F1, so many of each; an image without crack or call has 1.

    Args:
        samples: The images.
        found: What `validate` says of each.
        threshold: Probability from which a pixel counts as crack.
        count: How many of each kind; an image that is of two kinds is returned once.
    """
    scores = [of_image.crack.counts_at(threshold).f1 for of_image in found]
    ranked = sorted(range(len(samples)), key=lambda at: (_or_one(scores[at]), samples[at].image.name))
    middle = max(0, (len(ranked) - count) // 2)
    chosen = [*ranked[:count], *ranked[middle : middle + count], *ranked[-count:]]
    return [samples[at] for at in dict.fromkeys(chosen)]


def _or_one(score: float) -> float:
    return 1.0 if math.isnan(score) else score


def starting_threshold(weights: Path | None) -> float:
    """Return the threshold of the model that a training starts from; 0.5 where it starts from none.

    Args:
        weights: A checkpoint or an ONNX model, which hold a card, or weights without one, such as an encoder's.
    """
    try:
        return 0.5 if weights is None else read_card(weights).threshold
    except ModelError:
        return 0.5


def judge(predictor: TorchPredictor, samples: Sequence[Sample], threshold: float, *, classes: int = 1) -> list[Judged]:
    """Return samples with what a network says about them at a threshold."""
    return [
        Judged(sample.image.name, image, truth > 0, probability >= threshold, mistaken=(truth > 0) & (told != truth))
        for sample, image, truth, probability, told in _predictions(predictor, samples, classes)
    ]


def _predictions(
    predictor: TorchPredictor, samples: Sequence[Sample], classes: int
) -> Iterator[tuple[Sample, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8]]]:
    """Yield samples with image, true class numbers, probability, and the class of each pixel if it is a defect."""
    for sample in samples:
        image, truth = read_truth(sample, classes)
        probability = predict_probability(ArrayImage(image), predictor)
        everywhere = np.ones(truth.shape, np.bool_)
        yield sample, image, truth, probability, predict_classes(image, everywhere, predictor, predictor.card)
