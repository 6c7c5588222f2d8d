"""Pictures of the images on which two models differ most, with what each of them hits, misses and calls falsely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crackseg.datasets.samples import Sample
from crackseg.errors import display_text
from crackseg.evaluation.comparison import Change, Comparison
from crackseg.evaluation.gallery import draw_errors, encode_jpeg, shrink
from crackseg.evaluation.run import predict_sample
from crackseg.prediction.model import Model

KEPT = 6
"""Images drawn on which the second model loses most, and as many on which it gains most."""


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """An image and where each of two models is right and wrong about it.

    Attributes:
        change: Its name and both scores.
        photo: The image as JPEG.
        one: The image with the first model's hit, missed and false pixels drawn in, as JPEG.
        other: The same of the second model.
    """

    change: Change
    photo: bytes
    one: bytes
    other: bytes


def draw_contrasts(comparison: Comparison, models: tuple[Model, Model], samples: Sequence[Sample]) -> list[Contrast]:
    """Predict the images on which two models differ most once more, and draw them.

    Args:
        comparison: What came of both.
        models: The first and the second.
        samples: What they were asked about.

    Returns:
        Those first on which the second model loses most, then those on which it gains most, the largest gain last.
    """
    found = {(display_text(sample.group), display_text(sample.image.name)): sample for sample in samples}
    changes = comparison.changes()
    losses = [change for change in changes if change.value < 0][:KEPT]
    gains = [change for change in changes if change.value > 0][-KEPT:]
    thresholds = comparison.one.threshold, comparison.other.threshold
    drawn = []
    for change in (*losses, *gains):
        sample = found[change.group, change.image]
        one, other = (
            predict_sample(model, sample, threshold, {"pixels"})
            for model, threshold in zip(models, thresholds, strict=True)
        )
        errors = (encode_jpeg(draw_errors(each.image, each.predicted, each.true)) for each in (one, other))
        drawn.append(Contrast(change, encode_jpeg(shrink(one.image)), *errors))
    return drawn
