"""Evaluate a model and hold its scores, intervals and worst images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from crackseg.datasets.samples import Sample
from crackseg.errors import display_text
from crackseg.evaluation.gallery import ErrorFigure, Gallery
from crackseg.evaluation.mask_folder import MaskFolder
from crackseg.evaluation.request import EvaluationRequest
from crackseg.evaluation.run import count_predictions, sample_predictor
from crackseg.evaluation.table import HEADLINE, Estimate, Evaluation
from crackseg.metrics.protocols import Protocol, ProtocolName
from crackseg.parallel import ProgressCallback
from crackseg.prediction.model import Model

_BY_IMAGE = ("f1", "precision", "recall", "iou", "f1_2px")


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationReport:
    """Scores of a model on one or several data sets.

    Attributes:
        model: Name of the model.
        terms: Terms of use of the model, from its card.
        threshold: Lowest probability of a crack pixel; None for masks.
        threshold_from: Origin of the threshold, in words.
        request: Options of the evaluation.
        results: Counts by data set. Where there are several sets, also their sum.
        total: Key of the sum in ``results``; None for a single data set.
        figures: Figures of the worst images, worst first.
        left_over: Errors of files that belong to no image.
    """

    model: str
    terms: str
    threshold: float | None
    threshold_from: str
    request: EvaluationRequest
    results: dict[str, Evaluation]
    total: str | None = None
    figures: tuple[ErrorFigure, ...] = ()
    left_over: tuple[str, ...] = ()

    def __repr__(self) -> str:
        result = self.results[self.total] if self.total else next(iter(self.results.values()), Evaluation())
        return repr(result).replace("Evaluation(", f"EvaluationReport({self.model!r}, ")

    @property
    def errors(self) -> tuple[str, ...]:
        """Errors of the files that could not be scored."""
        failed = (str(error) for result in self.results.values() for _, error in result.failed)
        return tuple(dict.fromkeys((*failed, *self.left_over)))

    @property
    def threshold_text(self) -> str:
        """Threshold and its origin, in words."""
        return self.threshold_from if self.threshold is None else f"{self.threshold:g} ({self.threshold_from})"

    def card(self, protocol: Protocol) -> dict[str, str]:
        """Return the rules behind the scores of a protocol, by title."""
        return protocol.card(self.threshold_text)

    @cached_property
    def estimates(self) -> dict[ProtocolName, dict[str, dict[str, Estimate]]]:
        """Scores with their intervals, by protocol, data set and key."""
        sums = {name: result.resampled_sums() for name, result in self.results.items()}
        return {
            protocol.name: {
                name: result.estimates(self.request.scores(protocol), sums[name])
                for name, result in self.results.items()
            }
            for protocol in self.request.protocols
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON.

        ``data`` holds the values of the first protocol.
        """
        first = self.request.protocols[0]
        content: dict[str, Any] = {
            "model": self.model,
            "terms": self.terms,
            "protocol": self.request.protocol or first.name,
            "threshold": None if first.oracle else self.threshold,
            "threshold_from": first.threshold if first.oracle else self.threshold_from,
            "data": {name: self._values(first, result) for name, result in self.results.items()},
        }
        if self.request.detailed or self.request.classes > 2:
            content["protocols"] = {protocol.name: self._protocol(protocol) for protocol in self.request.protocols}
        if self.request.detailed:
            content["images"] = self.by_image()
        return content

    def rows(self) -> list[dict[str, Any]]:
        """Return a dictionary per score, ready for a data frame."""
        return [
            {"model": self.model, "protocol": protocol, "data": name, "score": key, **estimate.to_dict()}
            for protocol, by_data in self.estimates.items()
            for name, estimates in by_data.items()
            for key, estimate in estimates.items()
        ]

    def _values(self, protocol: Protocol, result: Evaluation) -> dict[str, Any]:
        if protocol.name == "native":
            return result.to_dict()
        failed = [str(error) for _, error in result.failed]
        return {"images": result.images, **result.scores(protocol.scores), "failed": failed}

    def _protocol(self, protocol: Protocol) -> dict[str, Any]:
        data = {
            name: {key: estimate.to_dict() for key, estimate in estimates.items()}
            for name, estimates in self.estimates[protocol.name].items()
        }
        return {"card": self.card(protocol), "oracle": protocol.oracle, "data": data}

    def by_image(self) -> list[dict[str, Any]]:
        """Return the scores of each image, lowest F1 first.

        Images of equal F1 are sorted by their wrong pixels, most first. An undefined score is None.
        """
        scores = {score.key: score for score in HEADLINE}
        entries: list[tuple[float, int, dict[str, Any]]] = []
        for group, result in self.results.items():
            if group == self.total or not result.samples:
                continue
            values = {key: result.by_image(scores[key]).tolist() for key in _BY_IMAGE}
            crack = result.columns["true_positive"] + result.columns["false_negative"]
            predicted = result.columns["true_positive"] + result.columns["false_positive"]
            for index, sample in enumerate(result.samples):
                entry: dict[str, Any] = {"data": group, "image": display_text(sample.image.name)}
                entry |= {key: None if math.isnan(each[index]) else each[index] for key, each in values.items()}
                entry |= {"crack_px": int(crack[index]), "called_px": int(predicted[index])}
                right = 2 * int(result.columns["true_positive"][index])
                wrong = entry["crack_px"] + entry["called_px"] - right
                entries.append((1.0 if entry["f1"] is None else entry["f1"], -wrong, entry))
        return [entry for _, _, entry in sorted(entries, key=lambda item: item[:2])]


def evaluate_model(
    model: Model,
    samples: Sequence[Sample],
    request: EvaluationRequest,
    *,
    name: str | None = None,
    progress: ProgressCallback | None = None,
) -> EvaluationReport:
    """Predict samples with a model and score the predictions.

    Args:
        model: The model.
        samples: Images with true masks.
        request: Options of the evaluation.
        name: Name of the model in the report; the name in its card if None.
        progress: Called after each sample; the unit is samples.

    Raises:
        UsageError: If the threshold is outside (0, 1].
        ModelError: If the network returns NaN.

    Example:
        >>> from pathlib import Path
        >>> from crackseg import load_model
        >>> from crackseg.datasets import find_samples
        >>> samples = find_samples(Path("walls"), "test")
        >>> report = evaluate_model(load_model(), samples, EvaluationRequest())
        >>> report.model, report.results["walls"].images
        ('crackseg-mobile', 2)
        >>> [row["score"] for row in report.rows()][:4]
        ['f1', 'precision', 'recall', 'iou']
    """
    results, total, figures = _count(model, samples, request, progress)
    return EvaluationReport(
        model=name or model.card.name,
        terms=model.card.terms,
        threshold=model.threshold(request.threshold),
        threshold_from=_describe_threshold(model, request),
        request=request,
        results=results,
        total=total,
        figures=figures,
    )


def evaluate_masks(
    masks: MaskFolder,
    samples: Sequence[Sample],
    request: EvaluationRequest,
    *,
    progress: ProgressCallback | None = None,
) -> EvaluationReport:
    """Score masks that any program made.

    An image without such a mask, a mask of another size and a mask without an image are errors of the report.

    Args:
        masks: Masks by sample, from `match_masks`.
        samples: Images with true masks.
        request: Options of the evaluation, with ``probabilities=False``.
        progress: Called after each sample; the unit is samples.

    Example:
        >>> from pathlib import Path
        >>> from crackseg.datasets import find_samples
        >>> from crackseg.evaluation import match_masks
        >>> samples = find_samples(Path("walls"), "test")
        >>> masks = match_masks(Path("walls/masks"), samples)
        >>> evaluate_masks(masks, samples, EvaluationRequest(probabilities=False)).results["walls"].scores()["f1"]
        1.0
    """
    results, total, figures = _count(masks, samples, request, progress)
    return EvaluationReport(
        model=masks.name,
        terms="those of the program that made the masks",
        threshold=None,
        threshold_from="none: the masks as they are, crack from half of full scale",
        request=request,
        results=results,
        total=total,
        figures=figures,
        left_over=masks.left_over,
    )


def _count(
    model: Model | MaskFolder,
    samples: Sequence[Sample],
    request: EvaluationRequest,
    progress: ProgressCallback | None,
) -> tuple[dict[str, Evaluation], str | None, tuple[ErrorFigure, ...]]:
    """Return counts by data set, the key of their sum and figures."""
    gallery = Gallery()
    by_group = count_predictions(
        samples,
        sample_predictor(model, request.threshold, request.parts),
        request.parts,
        progress=progress,
        on_prediction=gallery.add if request.figures else None,
    )
    results = {display_text(group): result for group, result in by_group.items()}
    total = None
    if len(results) > 1:
        total = "all" if "all" not in results else "all together"
        results[total] = sum(by_group.values(), Evaluation())
    return results, total, gallery.worst_first()


def _describe_threshold(model: Model, request: EvaluationRequest) -> str:
    """Describe the origin of the threshold, and options that change the mask."""
    parts = ["the model's validation images" if request.threshold is None else "--threshold"]
    if model.hysteresis is not None:
        parts.append(f"hysteresis from {model.hysteresis:g}")
    if model.tta != "none":
        parts.append(f"mean over {model.tta}")
    return ", ".join(parts)
