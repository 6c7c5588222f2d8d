"""The model card: what a model is, what it needs, what it saw and how well it does; one JSON object."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from crackseg.errors import ModelError

CARD_VERSION = 1

PrecisionName = Literal["fp32", "bf16", "int8"]
"""What a network computes in: float32, bfloat16, or integers of 8 bits in its convolutions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What travels with the weights of a model.

    Attributes:
        name: What to call the model.
        network: Architecture, encoder and decoder widths: enough to build the network again.
        stride: Total downsampling, in pixels.
        context_px: How far, measured, a pixel of the input can change the output, in pixels.
        context_exact: False if no finite context was found; then seams are approximate.
        threshold: Probability from which a pixel counts as crack, chosen on validation images.
        data: One entry per training folder: name, images, sha256 over their bytes.
        scores: Scores, by data set and metric.
        terms: What the licences of the training data ask of a user of the weights.
        training: Seconds, steps, machine, versions.
        limits: Where it fails, as far as that is known: a sentence each.
        domain: What the training images look like, for `Domain.from_dict`; empty if that is not known.
        precision: What the file is to be computed in, and was checked in: ``fp32``, ``bf16`` or ``int8``.
        version: Version of this layout.
    """

    name: str
    network: Mapping[str, Any]
    stride: int
    context_px: int
    context_exact: bool = True
    threshold: float = 0.5
    data: tuple[Mapping[str, Any], ...] = ()
    scores: Mapping[str, Any] = field(default_factory=dict)
    terms: str = "not stated"
    training: Mapping[str, Any] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    domain: Mapping[str, Any] = field(default_factory=dict)
    precision: PrecisionName = "fp32"
    version: int = CARD_VERSION

    @property
    def classes(self) -> int:
        """Channels of the network's output: 1 is crack or not, K classes of which 0 is the background."""
        return int(self.network.get("classes", 1))

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the card as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, *, where: str) -> ModelCard:
        """Read a card back; keys it does not know, such as a sha256 beside the card, are left aside.

        Raises:
            ModelError: If ``text`` is no card, or one of a newer layout.
        """
        try:
            values = json.loads(text)
            if values["version"] > CARD_VERSION:
                raise ModelError(
                    f"the model card has layout {values['version']}, newer than {CARD_VERSION}",
                    where=where,
                    hint="upgrade crackseg",
                )
            if values.get("precision", "fp32") not in get_args(PrecisionName):
                raise ValueError("no such precision")
            known = {item.name for item in dataclasses.fields(cls)}
            card = cls(**{key: value for key, value in values.items() if key in known})
            return dataclasses.replace(
                card,
                stride=int(card.stride),
                context_px=int(card.context_px),
                threshold=float(card.threshold),
                data=tuple(card.data),
                domain=dict(card.domain),
                limits=tuple(str(sentence) for sentence in card.limits),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                "no model card of crackseg inside", where=where, hint="train or export it again"
            ) from error
