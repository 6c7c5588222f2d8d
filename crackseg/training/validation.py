"""Score a network on whole validation images."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.class_masks import read_class_sample, split_void
from crackseg.datasets.samples import Sample
from crackseg.errors import ModelError
from crackseg.imaging.codec import ArrayImage
from crackseg.metrics.histogram import ProbabilityHistogram
from crackseg.networks.checkpoint import read_card
from crackseg.prediction.segmentation import predict_classes
from crackseg.prediction.tiled import predict_probability
from crackseg.runtimes.torch import TorchPredictor
from crackseg.training.plots import Example


@dataclass(frozen=True, slots=True, eq=False)
class ValidatedImage:
    """A validation image with its true mask and the output of a network.

    Attributes:
        sample: Files of the image and its mask.
        image: ``(H, W, 3)`` uint8 RGB pixels.
        true: ``(H, W)`` uint8 true class numbers, 0 for the background.
        probability: ``(H, W)`` float32 crack probability in [0, 1].
        predicted_class: ``(H, W)`` uint8 likeliest defect class of each pixel, from 1; the background is left out.
    """

    sample: Sample
    image: NDArray[np.uint8]
    true: NDArray[np.uint8]
    probability: NDArray[np.float32]
    predicted_class: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ValidationCounts:
    """Pixel counts of one or more validation images, by predicted probability; add them with ``+``.

    Attributes:
        crack: Counts by the probability of crack, or of any defect.
        by_class: Counts of each defect class, where a model has several. A pixel has its probability in the class
            predicted for it, and 0 in all others.
    """

    crack: ProbabilityHistogram
    by_class: tuple[ProbabilityHistogram, ...] = ()

    def __add__(self, other: ValidationCounts) -> ValidationCounts:
        none = ProbabilityHistogram.empty()
        pairs = itertools.zip_longest(self.by_class, other.by_class, fillvalue=none)
        return ValidationCounts(self.crack + other.crack, tuple(one + two for one, two in pairs))

    def scores_at(self, threshold: float) -> dict[str, float]:
        """Return the scores at a threshold: ``f1``, ``precision``, ``recall``, ``iou``.

        Undefined scores are 0. With several classes there are also ``f1_class1`` and so on, each class against
        everything else. They are NaN for a class that is neither present nor predicted. ``f1_macro`` is the mean of
        the defined ones.
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


def validate(predictor: TorchPredictor, samples: Sequence[Sample], *, classes: int = 1) -> list[ValidationCounts]:
    """Run a network on samples and count pixels by probability.

    Args:
        predictor: The network.
        samples: Validation samples.
        classes: Number of classes in the masks. All but the background count as crack.

    Returns:
        The counts of each sample, in the order of the samples.

    Raises:
        ModelError: If the network returns NaN.
    """
    counts = []
    for validated in _predict(predictor, samples, classes):
        single = (
            ProbabilityHistogram.of(
                np.where(validated.predicted_class == number, validated.probability, np.float32(0)),
                validated.true == number,
            )
            for number in range(1, classes if classes > 2 else 1)
        )
        crack = ProbabilityHistogram.of(validated.probability, validated.true > 0)
        counts.append(ValidationCounts(crack, tuple(single)))
    return counts


def sum_counts(counts: Iterable[ValidationCounts]) -> ValidationCounts:
    """Return the sum of the counts of all images."""
    return reduce(ValidationCounts.__add__, counts, ValidationCounts(ProbabilityHistogram.empty()))


def sum_by_group(samples: Sequence[Sample], counts: Sequence[ValidationCounts]) -> dict[str, ValidationCounts]:
    """Return the sum of the counts of each data set.

    Args:
        samples: Validation samples.
        counts: Counts of each sample, from `validate`.
    """
    groups: dict[str, list[ValidationCounts]] = {}
    for sample, of_sample in zip(samples, counts, strict=True):
        groups.setdefault(sample.group, []).append(of_sample)
    return {group: sum_counts(members) for group, members in groups.items()}


def pick_examples(
    samples: Sequence[Sample], counts: Sequence[ValidationCounts], threshold: float, *, count: int = 4
) -> list[Sample]:
    """Return the samples with the worst, the median and the best F1.

    An image with neither a true nor a predicted crack has an F1 of 1.

    Args:
        samples: Validation samples.
        counts: Counts of each sample, from `validate`.
        threshold: Probability from which a pixel counts as crack.
        count: Samples of each kind. A sample of two kinds is returned once.
    """
    scores = [of_sample.crack.counts_at(threshold).f1 for of_sample in counts]
    ranked = sorted(range(len(samples)), key=lambda at: (_or_one(scores[at]), samples[at].image.name))
    middle = max(0, (len(ranked) - count) // 2)
    chosen = [*ranked[:count], *ranked[middle : middle + count], *ranked[-count:]]
    return [samples[at] for at in dict.fromkeys(chosen)]


def _or_one(score: float) -> float:
    return 1.0 if math.isnan(score) else score


def starting_threshold(weights: Path | None) -> float:
    """Return the threshold of the initial model; 0.5 without one.

    Args:
        weights: A checkpoint or an ONNX model, which hold a card, or weights without a card, such as an encoder's.
    """
    try:
        return 0.5 if weights is None else read_card(weights).threshold
    except ModelError:
        return 0.5


def predict_examples(
    predictor: TorchPredictor, samples: Sequence[Sample], threshold: float, *, classes: int = 1
) -> list[Example]:
    """Predict samples and return their true and predicted masks.

    Args:
        predictor: The network.
        samples: Validation samples.
        threshold: Probability from which a pixel counts as crack.
        classes: Number of classes in the masks.

    Raises:
        ModelError: If the network returns NaN.
    """
    return [
        Example(
            validated.sample.image.name,
            validated.image,
            validated.true > 0,
            validated.probability >= threshold,
            wrong_class=(validated.true > 0) & (validated.predicted_class != validated.true),
        )
        for validated in _predict(predictor, samples, classes)
    ]


def _predict(predictor: TorchPredictor, samples: Sequence[Sample], classes: int) -> Iterator[ValidatedImage]:
    for sample in samples:
        image, numbers = read_class_sample(sample, classes)
        true, void = split_void(numbers)
        probability = np.where(void, np.float32(0), predict_probability(ArrayImage(image), predictor))
        everywhere = np.ones(true.shape, np.bool_)
        yield ValidatedImage(
            sample, image, true, probability, predict_classes(image, everywhere, predictor, predictor.card)
        )
