"""Two models on the same images: both scores, their difference, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from crackseg.evaluation.report import EvaluationReport
from crackseg.evaluation.table import Evaluation
from crackseg.metrics.bootstrap import interval, resample
from crackseg.metrics.protocols import Protocol, ProtocolName
from crackseg.metrics.scores import Score


@dataclass(frozen=True, slots=True)
class Difference:
    """A score of two models.

    Attributes:
        one: Of the first model; None where it is undefined.
        other: Of the second.
        interval: From where to where the second minus the first would be on other images like these, at a confidence
            of 95 %; None where the images are too few to say.
    """

    one: float | None
    other: float | None
    interval: tuple[float, float] | None

    @property
    def value(self) -> float | None:
        """The second minus the first."""
        return None if self.one is None or self.other is None else self.other - self.one

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]

    def to_dict(self) -> dict[str, float | None]:
        """Return it ready for JSON."""
        low, high = self.interval or (None, None)
        return {"a": self.one, "b": self.other, "difference": self.value, "low": low, "high": high}


@dataclass(frozen=True, slots=True)
class Change:
    """What two models made of one image.

    Attributes:
        group: Its data set.
        image: Its name.
        one: F1 of the first model on it; None where there is no crack and none is called.
        other: F1 of the second.
    """

    group: str
    image: str
    one: float | None
    other: float | None

    @property
    def value(self) -> float:
        """The second minus the first; no crack and none called counts as 1, for it is as good as can be."""
        return (1.0 if self.other is None else self.other) - (1.0 if self.one is None else self.one)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models that were asked the same about the same images.

    Attributes:
        one: What came of the first.
        other: What came of the second.
    """

    one: EvaluationReport
    other: EvaluationReport

    @property
    def errors(self) -> tuple[str, ...]:
        """What went wrong with which files."""
        return tuple(dict.fromkeys(self.one.errors + self.other.errors))

    @cached_property
    def differences(self) -> dict[ProtocolName, dict[str, dict[str, Difference]]]:
        """The scores of both models, by protocol, data set and key."""
        request = self.one.request
        return {
            protocol.name: {
                name: compare_scores(result, self.other.results[name], request.scores(protocol))
                for name, result in self.one.results.items()
            }
            for protocol in request.protocols
        }

    def changes(self) -> list[Change]:
        """Return the images, those first on which the second model loses most."""
        others = {(entry["data"], entry["image"]): entry["f1"] for entry in self.other.by_image()}
        found = [
            Change(entry["data"], entry["image"], entry["f1"], others[entry["data"], entry["image"]])
            for entry in self.one.by_image()
        ]
        return sorted(found, key=lambda change: (change.value, change.group, change.image))

    def card(self, protocol: Protocol) -> dict[str, str]:
        """Return what must be told beside the scores of a protocol."""
        card, other = self.one.card(protocol), self.other.card(protocol)
        return card if protocol.oracle else card | {"threshold": f"A {card['threshold']}, B {other['threshold']}"}

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        protocols = {
            protocol.name: {
                "card": self.card(protocol),
                "oracle": protocol.oracle,
                "data": {
                    name: {key: difference.to_dict() for key, difference in found.items()}
                    for name, found in self.differences[protocol.name].items()
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


def compare_scores(one: Evaluation, other: Evaluation, scores: Sequence[Score]) -> dict[str, Difference]:
    """Compare two evaluations of the same images, which are drawn in pairs.

    Raises:
        ValueError: If they are not of the same images.
    """
    if one.samples != other.samples:
        raise ValueError(f"expected evaluations of the same images, got {one.images} and {other.images} of them")
    values, others = one.scores(scores), other.scores(scores)
    if one.images < 2:
        return {key: Difference(value, others[key], None) for key, value in values.items()}
    drawn, drawn_others = resample(one.columns), resample(other.columns)
    return {
        score.key: Difference(
            values[score.key], others[score.key], interval(score.formula(drawn_others) - score.formula(drawn))
        )
        for score in scores
    }
