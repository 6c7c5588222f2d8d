"""Define what an evaluation scores: protocols, threshold and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crackseg.errors import UsageError
from crackseg.evaluation.table import HEADLINE
from crackseg.metrics.protocols import Part, Protocol, ProtocolName, find_protocols
from crackseg.metrics.scores import Score


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """Options of an evaluation.

    Attributes:
        protocol: Protocol, or ``all`` of them; None for only the headline scores of ``native``.
        threshold: Lowest probability of a crack pixel, in (0, 1]; the model's own if None.
        figures: Whether to draw the worst images and to count the precision-recall curve.
        classes: Number of classes of the model. Above two, each class is also scored.
        probabilities: Whether there are probabilities to score, and not only masks.

    Raises:
        UsageError: If there is a threshold, but the protocol chooses its own; or if the protocol needs probabilities,
            and there are none.

    Example:
        >>> [protocol.name for protocol in EvaluationRequest("all").protocols]
        ['native', 'classic', 'centreline', 'resize512']
    """

    protocol: ProtocolName | Literal["all"] | None = None
    threshold: float | None = None
    figures: bool = False
    classes: int = 1
    probabilities: bool = True

    def __post_init__(self) -> None:
        protocols = self.protocols
        if self.threshold is not None and all(protocol.oracle for protocol in protocols):
            raise UsageError(
                f"protocol {self.protocol} chooses the best threshold on the test images",
                where="--threshold",
                hint="leave the option out, or use protocol native",
            )

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """Protocols to score by."""
        return find_protocols(self.protocol or "native", classes=self.classes, probabilities=self.probabilities)

    @property
    def detailed(self) -> bool:
        """True if the report holds more than the headline scores."""
        return self.protocol is not None or self.figures

    @property
    def parts(self) -> frozenset[Part]:
        """Parts of the protocols to count."""
        parts: set[Part] = {"pixels"}
        if self.detailed:
            parts.update(part for protocol in self.protocols for part in protocol.parts)
        if self.classes > 2:
            parts.add("classes")
        if self.figures and self.probabilities:
            parts.add("curve")
        return frozenset(parts)

    def scores(self, protocol: Protocol) -> tuple[Score, ...]:
        """Return the scores to report of a protocol."""
        return protocol.scores if self.detailed or protocol.name == "classes" else HEADLINE
