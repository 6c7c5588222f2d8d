"""An evaluation with its protocols, thresholds and intervals: what is printed, written and compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from crackseg.datasets.samples import Sample
from crackseg.errors import UsageError, display_text
from crackseg.evaluation.gallery import Gallery, Picture
from crackseg.evaluation.run import evaluate
from crackseg.evaluation.table import HEADLINE, Estimate, Evaluation
from crackseg.metrics.protocols import Part, Protocol, ProtocolName, find_protocols
from crackseg.metrics.scores import Score
from crackseg.prediction.model import Model

_BY_IMAGE = ("f1", "precision", "recall", "iou", "f1_2px")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a model.

    Attributes:
        protocol: Which protocols; None for the headline scores of ``native`` alone.
        threshold: Probability from which a pixel counts as crack; the model's own if None.
        pictures: Whether to draw the worst images, and to trace the precision-recall curve.
        classes: Classes that the model tells apart; of more than two, each is scored besides.

    Raises:
        UsageError: If a threshold is given where only an oracle's is used.
    """

    protocol: ProtocolName | Literal["all"] | None = None
    threshold: float | None = None
    pictures: bool = False
    classes: int = 1

    def __post_init__(self) -> None:
        if self.threshold is not None and all(protocol.oracle for protocol in self.protocols):
            raise UsageError(
                f"protocol {self.protocol} takes the best threshold on the test images",
                where="--threshold",
                hint="leave it out, or take protocol native",
            )

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols."""
        return find_protocols(self.protocol or "native", classes=self.classes)

    @property
    def detailed(self) -> bool:
        """Whether more is wanted than the headline scores."""
        return self.protocol is not None or self.pictures

    @property
    def parts(self) -> frozenset[Part]:
        """What is to be counted."""
        parts: set[Part] = {"pixels"}
        if self.detailed:
            parts.update(part for protocol in self.protocols for part in protocol.parts)
        if self.classes > 2:
            parts.add("classes")
        return frozenset(parts | ({"curve"} if self.pictures else set()))

    def scores(self, protocol: Protocol) -> tuple[Score, ...]:
        """Return the scores of a protocol that are wanted."""
        return protocol.scores if self.detailed or protocol.name == "classes" else HEADLINE


@dataclass(frozen=True, eq=False)
class Report:
    """What came of it.

    Attributes:
        model: Name of the model.
        threshold: Probability from which a pixel counts as crack.
        threshold_from: Where it came from.
        question: What was asked.
        results: Counts by data set, and of all of them together where there are several.
        total: Under which name all of them together stand; None for a single data set.
        pictures: The worst images, worst first.
    """

    model: str
    threshold: float
    threshold_from: str
    question: Question
    results: dict[str, Evaluation]
    total: str | None = None
    pictures: tuple[Picture, ...] = ()

    @property
    def errors(self) -> tuple[str, ...]:
        """What went wrong with which files."""
        return tuple(dict.fromkeys(str(error) for result in self.results.values() for _, error in result.failed))

    def card(self, protocol: Protocol) -> dict[str, str]:
        """Return what must be told beside the scores of a protocol."""
        return protocol.card(f"{self.threshold:g} ({self.threshold_from})")

    @cached_property
    def estimates(self) -> dict[ProtocolName, dict[str, dict[str, Estimate]]]:
        """The scores with their intervals, by protocol, data set and key."""
        drawn = {name: result.drawn() for name, result in self.results.items()}
        return {
            protocol.name: {
                name: result.estimates(self.question.scores(protocol), drawn[name])
                for name, result in self.results.items()
            }
            for protocol in self.question.protocols
        }

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON; what is under ``data`` are the values of the first protocol."""
        first = self.question.protocols[0]
        told: dict[str, Any] = {
            "model": self.model,
            "protocol": self.question.protocol or first.name,
            "threshold": None if first.oracle else self.threshold,
            "threshold_from": first.threshold if first.oracle else self.threshold_from,
            "data": {name: self._values(first, result) for name, result in self.results.items()},
        }
        if self.question.detailed or self.question.classes > 2:
            told["protocols"] = {protocol.name: self._protocol(protocol) for protocol in self.question.protocols}
        if self.question.detailed:
            told["images"] = self.by_image()
        return told

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
        """Return the scores of every image alone; None where one is undefined.

        Worst F1 first, of equal ones that with more wrong pixels, as the pictures come.
        """
        scores = {score.key: score for score in HEADLINE}
        entries: list[tuple[float, int, dict[str, Any]]] = []
        for group, result in self.results.items():
            if group == self.total or not result.samples:
                continue
            values = {key: result.by_image(scores[key]).tolist() for key in _BY_IMAGE}
            crack = result.columns["true_positive"] + result.columns["false_negative"]
            called = result.columns["true_positive"] + result.columns["false_positive"]
            for index, sample in enumerate(result.samples):
                entry: dict[str, Any] = {"data": group, "image": display_text(sample.image.name)}
                entry |= {key: None if math.isnan(each[index]) else each[index] for key, each in values.items()}
                entry |= {"crack_px": int(crack[index]), "called_px": int(called[index])}
                right = 2 * int(result.columns["true_positive"][index])
                wrong = entry["crack_px"] + entry["called_px"] - right
                entries.append((1.0 if entry["f1"] is None else entry["f1"], -wrong, entry))
        return [entry for _, _, entry in sorted(entries, key=lambda item: item[:2])]


def make_report(
    model: Model,
    samples: Sequence[Sample],
    question: Question,
    *,
    name: str | None = None,
    report: Callable[[int], None] = lambda _: None,
) -> Report:
    """Evaluate a model and put together what is to be told.

    Args:
        model: The model.
        samples: Images with true masks.
        question: What is asked.
        name: What to call the model; its card's name if None.
        report: Called with the number of samples done.

    Raises:
        UsageError: If the threshold is outside (0, 1].
        ModelError: If the network answers with NaN.
    """
    gallery = Gallery()
    counted = evaluate(
        model,
        samples,
        threshold=question.threshold,
        parts=question.parts,
        report=report,
        look=gallery.look if question.pictures else lambda _, __: None,
    )
    results = {display_text(group): result for group, result in counted.items()}
    total = None
    if len(results) > 1:
        total = "all" if "all" not in results else "all together"
        results[total] = sum(counted.values(), Evaluation())
    return Report(
        model=name or model.card.name,
        threshold=model.threshold(question.threshold),
        threshold_from=_origin(model, question),
        question=question,
        results=results,
        total=total,
        pictures=gallery.worst_first(),
    )


def _origin(model: Model, question: Question) -> str:
    """Return where the threshold comes from, and what else the model was told to do."""
    parts = ["the model's validation images" if question.threshold is None else "--threshold"]
    if model.hysteresis is not None:
        parts.append(f"hysteresis from {model.hysteresis:g}")
    if model.tta != "none":
        parts.append(f"mean over {model.tta}")
    return ", ".join(parts)
