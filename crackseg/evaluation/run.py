"""Predicting samples and counting their pixels, image after image."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.class_masks import read_truth
from crackseg.datasets.samples import Sample
from crackseg.errors import CracksegError, ModelError
from crackseg.evaluation.counting import HEADLINE_PARTS, Judged, Tally, tally
from crackseg.evaluation.table import Evaluation
from crackseg.metrics.protocols import RESIZED_PX, Part
from crackseg.prediction.classes import predict_classes
from crackseg.prediction.model import Model
from crackseg.prediction.tiled import apply_threshold
from crackseg.prediction.tta import predict_averaged


def evaluate(
    model: Model,
    samples: Sequence[Sample],
    *,
    threshold: float | None = None,
    parts: Collection[Part] = HEADLINE_PARTS,
    report: Callable[[int], None] = lambda _: None,
    look: Callable[[Sample, Judged], None] = lambda _, __: None,
) -> dict[str, Evaluation]:
    """Predict every sample and count its pixels.

    An image is predicted once at its own size, and once more at 512x512 px if the part ``sweep`` is asked for and it
    has another size. Only counts are kept of it.

    Args:
        model: The model.
        samples: Images with true masks; where the model tells more than two classes, of class numbers.
        threshold: Probability from which a pixel counts as crack; the model's own, chosen on validation, if None.
        parts: What to count; the protocols say what they need.
        report: Called with the number of samples done.
        look: Called with each sample and what the model says about it, for whoever draws pictures.

    Returns:
        One evaluation per data set, in the order of the samples.

    Raises:
        UsageError: If the threshold is outside (0, 1].
        ModelError: If the network answers with NaN.
    """
    cut = model.threshold(threshold)
    rows: dict[str, list[tuple[Sample, Tally]]] = {}
    failed: dict[str, list[tuple[Sample, CracksegError]]] = {}
    for done, sample in enumerate(samples, start=1):
        rows.setdefault(sample.group, [])
        try:
            judged = judge_sample(model, sample, cut, parts)
            rows[sample.group].append((sample, tally(judged, parts)))
            look(sample, judged)
        except ModelError:
            raise
        except CracksegError as error:
            failed.setdefault(sample.group, []).append((sample, error))
        report(done)
    return {group: Evaluation.of(found, failed.get(group, ())) for group, found in rows.items()}


def judge_sample(model: Model, sample: Sample, threshold: float, parts: Collection[Part]) -> Judged:
    """Read a sample and predict it.

    Args:
        model: The model.
        sample: The image with its true mask.
        threshold: Probability from which a pixel counts as crack.
        parts: What will be counted of it.

    Raises:
        ImageError: If image or mask cannot be read.
        DatasetError: If their sizes differ.
        ModelError: If the network answers with NaN.
    """
    image, truth = read_truth(sample, model.card.classes)
    true = truth > 0
    native = not {"sweep"}.issuperset(parts)
    resized = resize_sample(image, true) if "sweep" in parts else None
    same = image.shape[:2] == (RESIZED_PX, RESIZED_PX)
    probability = _predict(model, image) if native or same else np.zeros(true.shape, np.float32)
    swept = None
    if resized is not None:
        swept = (probability if same else _predict(model, resized[0])), resized[1]
    predicted = apply_threshold(probability, threshold=threshold, low=model.hysteresis)
    told = None
    if "classes" in parts:
        limits = model.limits
        called = predict_classes(
            image, predicted, model.predictor, model.card, tile_size=limits.side_px, memory_gib=limits.memory_gib
        )
        told = called, truth, model.card.classes
    return Judged(image, true, probability, predicted, swept, told)


def _predict(model: Model, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return predict_averaged(
        image, model.predictor, tta=model.tta, tile_size=model.tile_size, memory_gib=model.memory_gib
    )


def resize_sample(image: NDArray[np.uint8], true: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return an image and its mask as protocol ``resize512`` wants them.

    Args:
        image: ``(H, W, 3)`` RGB pixels.
        true: ``(H, W)`` true mask.

    Returns:
        Both at 512x512 px.
    """
    side = (RESIZED_PX, RESIZED_PX)
    levels = cv2.resize(true.astype(np.uint8) * np.uint8(255), side, interpolation=cv2.INTER_CUBIC)
    pixels = cv2.resize(image, side, interpolation=cv2.INTER_CUBIC)
    return np.asarray(pixels, dtype=np.uint8), np.asarray(levels > 127)
