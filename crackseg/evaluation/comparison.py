"""Compare two models on the same images: both scores, their difference and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from crackseg.evaluation.report import EvaluationReport
from crackseg.evaluation.table import Evaluation
from crackseg.metrics.bootstrap import interval, resample
from crackseg.metrics.protocols import Protocol, ProtocolName
from crackseg.metrics.scores import Score


@dataclass(frozen=True, slots=True)
class Difference:
    """One score of two models.

    Attributes:
        one: Score of the first model; None where it is undefined.
        other: Score of the second model; None where it is undefined.
        interval: Bounds of the 95 % bootstrap interval of the second minus the first; None where the images allow none.

    Example:
        >>> gain = Difference(0.5, 0.75, (0.1, 0.3))
        >>> gain.value, gain.certain
        (0.25, True)
    """

    one: float | None
    other: float | None
    interval: tuple[float, float] | None

    @property
    def value(self) -> float | None:
        """Second score minus the first."""
        return None if self.one is None or self.other is None else self.other - self.one

    @property
    def certain(self) -> bool:
        """True if the interval excludes 0."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]

    def to_dict(self) -> dict[str, float | None]:
        """Return both scores, the difference and its interval, ready for JSON."""
        low, high = self.interval or (None, None)
        return {"a": self.one, "b": self.other, "difference": self.value, "low": low, "high": high}


@dataclass(frozen=True, slots=True)
class Change:
    """F1 of two models on one image.

    Attributes:
        group: Name of the data set.
        image: Name of the image file.
        one: F1 of the first model; None where there is no crack and none is predicted.
        other: F1 of the second model; None likewise.
    """

    group: str
    image: str
    one: float | None
    other: float | None

    @property
    def value(self) -> float:
        """Second F1 minus the first, where an undefined F1 counts as 1."""
        return (1.0 if self.other is None else self.other) - (1.0 if self.one is None else self.one)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Two models that were evaluated by the same request on the same images.

    Attributes:
        one: Report of the first model.
        other: Report of the second model.

    Example:
        >>> from pathlib import Path
        >>> from crackseg import load_model
        >>> from crackseg.datasets import find_samples
        >>> from crackseg.evaluation import EvaluationRequest, evaluate_model
        >>> samples, request = find_samples(Path("walls"), "test"), EvaluationRequest()
        >>> names = ("crackseg-mobile", "crackseg-synthetic")
        >>> comparison = Comparison(*(evaluate_model(load_model(name), samples, request) for name in names))
        >>> sorted(comparison.differences["native"]["walls"])
        ['f1', 'f1_2px', 'false_alarm', 'iou', 'precision', 'precision_2px', 'recall', 'recall_2px']
    """

    one: EvaluationReport
    other: EvaluationReport

    @classmethod
    def on_common_images(cls, one: EvaluationReport, other: EvaluationReport) -> Comparison:
        """Compare two evaluations on the images that both could score."""
        return cls(*(_restrict(report, other if report is one else one) for report in (one, other)))

    def __repr__(self) -> str:
        return f"Comparison({self.one!r}, {self.other!r})"

    @property
    def errors(self) -> tuple[str, ...]:
        """Errors of the files that could not be scored."""
        return tuple(dict.fromkeys(self.one.errors + self.other.errors))

    @cached_property
    def differences(self) -> dict[ProtocolName, dict[str, dict[str, Difference]]]:
        """Scores of both models, by protocol, data set and key."""
        request = self.one.request
        return {
            protocol.name: {
                name: compare_scores(result, self.other.results[name], request.scores(protocol))
                for name, result in self.one.results.items()
            }
            for protocol in request.protocols
        }

    def changes(self) -> list[Change]:
        """Return the change of each image, largest loss first."""
        others = {(entry["data"], entry["image"]): entry["f1"] for entry in self.other.by_image()}
        changes = [
            Change(entry["data"], entry["image"], entry["f1"], others[entry["data"], entry["image"]])
            for entry in self.one.by_image()
        ]
        return sorted(changes, key=lambda change: (change.value, change.group, change.image))

    def card(self, protocol: Protocol) -> dict[str, str]:
        """Return the rules behind the scores of a protocol, by title."""
        card, other = self.one.card(protocol), self.other.card(protocol)
        return card if protocol.oracle else card | {"threshold": f"A {card['threshold']}, B {other['threshold']}"}

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison and both reports, ready for JSON."""
        protocols = {
            protocol.name: {
                "card": self.card(protocol),
                "oracle": protocol.oracle,
                "data": {
                    name: {key: difference.to_dict() for key, difference in differences.items()}
                    for name, differences in self.differences[protocol.name].items()
                },
            }
            for protocol in self.one.request.protocols
        }
        return {
            "compared": {"a": self.one.model, "b": self.other.model, "difference": "b - a"},
            "protocols": protocols,
            "a": self.one.to_dict(),
            "b": self.other.to_dict(),
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a dictionary per score, ready for a data frame."""
        models = {"model_a": self.one.model, "model_b": self.other.model}
        return [
            {**models, "protocol": protocol, "data": name, "score": key, **difference.to_dict()}
            for protocol, by_data in self.differences.items()
            for name, differences in by_data.items()
            for key, difference in differences.items()
        ]


def _restrict(report: EvaluationReport, other: EvaluationReport) -> EvaluationReport:
    """Return a report without the images that another one lacks."""
    results = {name: result.restrict(set(other.results[name].samples)) for name, result in report.results.items()}
    return replace(report, results=results)


def compare_scores(one: Evaluation, other: Evaluation, scores: Sequence[Score]) -> dict[str, Difference]:
    """Compare scores of two evaluations of the same images.

    The bootstrap draws the same images for both, so that the interval is that of the difference.

    Raises:
        ValueError: If the evaluations are of different images.
    """
    if one.samples != other.samples:
        raise ValueError(f"expected evaluations of the same images, got {one.images} and {other.images} images")
    values, others = one.scores(scores), other.scores(scores)
    if one.images < 2:
        return {key: Difference(value, others[key], None) for key, value in values.items()}
    sums, other_sums = resample(one.columns), resample(other.columns)
    return {
        score.key: Difference(
            values[score.key], others[score.key], interval(score.formula(other_sums) - score.formula(sums))
        )
        for score in scores
    }
