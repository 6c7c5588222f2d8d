"""Draw the images on which two models differ most, with the errors of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crackseg.datasets.samples import Sample
from crackseg.errors import display_text
from crackseg.evaluation.comparison import Change, Comparison
from crackseg.evaluation.gallery import draw_errors, encode_jpeg, shrink
from crackseg.evaluation.mask_folder import MaskFolder
from crackseg.evaluation.run import sample_predictor
from crackseg.prediction.model import Model

KEPT = 6
"""Number of images drawn on which the second model loses most; as many are drawn on which it gains most."""


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """Image with the hits and errors of two models.

    Attributes:
        change: Name of the image and both scores.
        image: JPEG file of the image.
        one: JPEG file of the image with the hit, missed and false pixels of the first model.
        other: JPEG file of the image with those of the second model.
    """

    change: Change
    image: bytes
    one: bytes
    other: bytes


def draw_contrasts(
    comparison: Comparison, models: tuple[Model | MaskFolder, Model | MaskFolder], samples: Sequence[Sample]
) -> list[Contrast]:
    """Predict and draw the images on which two models differ most.

    Args:
        comparison: Comparison of the two models.
        models: The first and the second model, or folder of masks.
        samples: Images with true masks that both models were scored on.

    Returns:
        First the images on which the second model loses most, then those on which it gains most, largest gain last.

    Example:
        >>> from pathlib import Path
        >>> from crackseg import load_model
        >>> from crackseg.datasets import find_samples
        >>> from crackseg.evaluation import EvaluationRequest, evaluate_model
        >>> samples, request = find_samples(Path("walls"), "test"), EvaluationRequest("native")
        >>> model = load_model()
        >>> comparison = Comparison(*(evaluate_model(model, samples, request) for _ in range(2)))
        >>> draw_contrasts(comparison, (model, model), samples)
        []
    """
    by_name = {(display_text(sample.group), display_text(sample.image.name)): sample for sample in samples}
    changes = comparison.changes()
    losses = [change for change in changes if change.value < 0][:KEPT]
    gains = [change for change in changes if change.value > 0][-KEPT:]
    threshold = comparison.one.request.threshold
    predict = [sample_predictor(model, threshold, {"pixels"}) for model in models]
    drawn = []
    for change in (*losses, *gains):
        sample = by_name[change.group, change.image]
        one, other = (function(sample) for function in predict)
        errors = (encode_jpeg(draw_errors(each.image, each.predicted, each.true)) for each in (one, other))
        drawn.append(Contrast(change, encode_jpeg(shrink(one.image)), *errors))
    return drawn
