"""A model against true masks: pooled scores at the images' own size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from crackseg.dataset import Sample, read_sample
from crackseg.errors import CracksegError, ModelError
from crackseg.images import ArrayImage
from crackseg.metrics.counts import Counts
from crackseg.metrics.tolerance import ToleranceCounts
from crackseg.prediction import Model, predict_probability

TOLERANCE_PX = 2.0
"""Distance forgiven by the tolerant scores, in pixels."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Pooled counts over images. Evaluations add up with ``+``.

    Attributes:
        images: Images counted.
        counts: Their pixels, no tolerance.
        tolerant: Their pixels, within `TOLERANCE_PX`.
        failed: Samples that could not be read, with the reason.
    """

    images: int = 0
    counts: Counts = field(default_factory=Counts)
    tolerant: ToleranceCounts = field(default_factory=ToleranceCounts)
    failed: tuple[tuple[Sample, CracksegError], ...] = ()

    def __add__(self, other: Evaluation) -> Evaluation:
        return Evaluation(
            self.images + other.images,
            self.counts + other.counts,
            self.tolerant + other.tolerant,
            self.failed + other.failed,
        )

    def scores(self) -> dict[str, float | None]:
        """Return the scores by name; None where one is undefined, as F1 is where no crack is and none is called."""
        values = {
            "f1": self.counts.f1,
            "precision": self.counts.precision,
            "recall": self.counts.recall,
            "iou": self.counts.iou,
            "f1_2px": self.tolerant.f1,
            "precision_2px": self.tolerant.precision,
            "recall_2px": self.tolerant.recall,
            "false_alarm": self.counts.false_alarm,
        }
        return {key: None if math.isnan(value) else value for key, value in values.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return scores, counts and failures, ready for JSON."""
        return {
            "images": self.images,
            **self.scores(),
            "crack_px": self.counts.true_positive + self.counts.false_negative,
            "called_px": self.counts.true_positive + self.counts.false_positive,
            "failed": [str(error) for _, error in self.failed],
        }


def evaluate(
    model: Model,
    samples: Sequence[Sample],
    *,
    threshold: float | None = None,
    report: Callable[[int], None] = lambda _: None,
) -> dict[str, Evaluation]:
    """Predict every sample and count its pixels.

    Protocol ``native``: images at their own size, one threshold for all, pixels pooled over the images of a data set.

    Args:
        model: The model.
        samples: Images with true masks.
        threshold: Probability from which a pixel counts as crack; the model's own, chosen on validation, if None.
        report: Called with the number of samples done.

    Returns:
        One evaluation per data set, in the order of the samples.

    Raises:
        UsageError: If the threshold is outside (0, 1].
        ModelError: If the network answers with NaN.
    """
    cut = model.threshold(threshold)
    results: dict[str, Evaluation] = {}
    for done, sample in enumerate(samples, start=1):
        try:
            single = _evaluate_one(model, sample, cut)
        except ModelError:
            raise
        except CracksegError as error:
            single = Evaluation(failed=((sample, error),))
        results[sample.group] = results.get(sample.group, Evaluation()) + single
        report(done)
    return results


def _evaluate_one(model: Model, sample: Sample, threshold: float) -> Evaluation:
    image, true = read_sample(sample)
    predicted = predict_probability(ArrayImage(image), model.predictor, tile_size=model.tile_size) >= threshold
    return Evaluation(1, Counts.of(predicted, true), ToleranceCounts.of(predicted, true, tolerance_px=TOLERANCE_PX))
