"""Predict samples and count their pixels, image by image."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.class_masks import read_class_sample, split_void
from crackseg.datasets.samples import Sample
from crackseg.errors import CracksegError, ModelError
from crackseg.evaluation.counting import HEADLINE_PARTS, ImageCounts, PredictedSample, count_image
from crackseg.evaluation.mask_folder import MaskFolder
from crackseg.evaluation.table import Evaluation
from crackseg.metrics.protocols import RESIZED_PX, Part
from crackseg.parallel import Progress, ProgressCallback
from crackseg.prediction.model import Model
from crackseg.prediction.segmentation import apply_threshold, predict_classes


def count_samples(
    model: Model,
    samples: Sequence[Sample],
    *,
    threshold: float | None = None,
    parts: Collection[Part] = HEADLINE_PARTS,
    progress: ProgressCallback | None = None,
    on_prediction: Callable[[Sample, PredictedSample], None] | None = None,
) -> dict[str, Evaluation]:
    """Predict every sample and count its pixels.

    An image is predicted once at its own size. The part ``sweep`` needs a second prediction at 512x512 px, unless the
    image has that size. Only the counts are kept.

    Args:
        model: The model.
        samples: Images with true masks; for a model of more than two classes, with class masks.
        threshold: Lowest probability of a crack pixel, in (0, 1]; the model's own, chosen on validation, if None.
        parts: Parts of the protocols to count.
        progress: Called after each sample; the unit is samples.
        on_prediction: Called with each sample and its prediction, for example to draw figures.

    Returns:
        One evaluation per data set, in the order of the samples.

    Raises:
        UsageError: If the threshold is outside (0, 1].
        ModelError: If the network returns NaN.

    Example:
        >>> from pathlib import Path
        >>> from crackseg import load_model
        >>> from crackseg.datasets import find_samples
        >>> counts = count_samples(load_model(), find_samples(Path("walls"), "test"))
        >>> counts["walls"].images
        2
    """
    predict = sample_predictor(model, threshold, parts)
    return count_predictions(samples, predict, parts, progress=progress, on_prediction=on_prediction)


def sample_predictor(
    model: Model | MaskFolder, threshold: float | None, parts: Collection[Part]
) -> Callable[[Sample], PredictedSample]:
    """Return the function that predicts a sample or reads its mask.

    Args:
        model: Model or folder of masks.
        threshold: Lowest probability of a crack pixel, in (0, 1]; the model's own if None.
        parts: Parts of the protocols that will be counted.

    Raises:
        UsageError: If the threshold is outside (0, 1].
    """
    if isinstance(model, MaskFolder):
        return model.predict_sample
    return partial(predict_sample, model, threshold=model.threshold(threshold), parts=parts)


def count_predictions(
    samples: Sequence[Sample],
    predict: Callable[[Sample], PredictedSample],
    parts: Collection[Part],
    *,
    progress: ProgressCallback | None = None,
    on_prediction: Callable[[Sample, PredictedSample], None] | None = None,
) -> dict[str, Evaluation]:
    """Count the pixels of every sample that a function predicts.

    Args:
        samples: Images with true masks.
        predict: Function that returns a sample with its prediction.
        parts: Parts of the protocols to count.
        progress: Called after each sample; the unit is samples.
        on_prediction: Called with each sample and its prediction.

    Returns:
        One evaluation per data set, in the order of the samples.

    Raises:
        ModelError: If the network returns NaN.
    """
    rows: dict[str, list[tuple[Sample, ImageCounts]]] = {}
    failed: dict[str, list[tuple[Sample, CracksegError]]] = {}
    for done, sample in enumerate(samples, start=1):
        rows.setdefault(sample.group, [])
        try:
            predicted = predict(sample)
            rows[sample.group].append((sample, count_image(predicted, parts)))
            if on_prediction is not None:
                on_prediction(sample, predicted)
        except ModelError:
            raise
        except CracksegError as error:
            failed.setdefault(sample.group, []).append((sample, error))
        if progress is not None:
            progress(Progress(done, len(samples)))
    return {group: Evaluation.of(counted, failed.get(group, ())) for group, counted in rows.items()}


def predict_sample(model: Model, sample: Sample, threshold: float, parts: Collection[Part]) -> PredictedSample:
    """Read a sample and predict it.

    Void pixels count as background in the true and the predicted mask, so that they enter no score of cracks.

    Args:
        model: The model.
        sample: Image with its true mask.
        threshold: Lowest probability of a crack pixel.
        parts: Parts of the protocols that will be counted.

    Raises:
        ImageError: If image or mask cannot be read.
        DatasetError: If their sizes differ.
        ModelError: If the network returns NaN.
    """
    image, numbers = read_class_sample(sample, model.card.classes)
    class_mask, void = split_void(numbers)
    true = class_mask > 0
    native = not {"sweep"}.issuperset(parts)
    resized = resize_sample(image, true) if "sweep" in parts else None
    same = image.shape[:2] == (RESIZED_PX, RESIZED_PX)
    probability = _predict(model, image) if native or same else np.zeros(true.shape, np.float32)
    probability = np.where(void, np.float32(0), probability)
    swept = None
    if resized is not None:
        side = (RESIZED_PX, RESIZED_PX)
        void_512 = void if same else cv2.resize(void.view(np.uint8), side, interpolation=cv2.INTER_NEAREST) > 0
        swept = np.where(void_512, np.float32(0), probability if same else _predict(model, resized[0])), resized[1]
    predicted = apply_threshold(probability, threshold=threshold, low=model.hysteresis)
    classes = None
    if "classes" in parts:
        limits = model.limits
        predicted_classes = predict_classes(
            image, predicted, model.predictor, model.card, tile_size=limits.side_px, memory_gib=limits.memory_gib
        )
        classes = predicted_classes, class_mask, model.card.classes
    return PredictedSample(image, true, probability, predicted, swept, classes)


def _predict(model: Model, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return model.network.run_together([image])[0].probability


def resize_sample(image: NDArray[np.uint8], true: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Resize an image and its mask for protocol ``resize512``.

    Args:
        image: ``(H, W, 3)`` uint8 RGB image.
        true: ``(H, W)`` bool true mask.

    Returns:
        ``(512, 512, 3)`` uint8 RGB image and ``(512, 512)`` bool mask.
    """
    side = (RESIZED_PX, RESIZED_PX)
    levels = cv2.resize(true.astype(np.uint8) * np.uint8(255), side, interpolation=cv2.INTER_CUBIC)
    pixels = cv2.resize(image, side, interpolation=cv2.INTER_CUBIC)
    return np.asarray(pixels, dtype=np.uint8), np.asarray(levels > 127)
