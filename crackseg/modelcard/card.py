"""Hold a model card: network, training data, scores and terms of a model, as one JSON object."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from crackseg.errors import ModelError

CARD_VERSION = 1
"""Version of the layout of a card."""

PrecisionName = Literal["fp32", "bf16", "int8"]
"""Number format of a network: float32, bfloat16, or 8-bit integers in its convolutions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """The description that is stored with the weights of a model.

    Attributes:
        name: Name of the model.
        network: Architecture, encoder and decoder widths, sufficient to build the network again.
        stride: Total downsampling, in pixels.
        context_px: Measured distance over which an input pixel can change the output, in pixels.
        context_exact: False if the network has no finite context; seams are then approximate.
        threshold: Probability from which a pixel counts as crack, chosen on validation images.
        data: One entry per training folder: name, number of images, sha256 over their bytes.
        scores: Scores, by data set and metric.
        terms: What the licences of the training data ask of users of the weights, in words.
        training: Seconds, steps, machine and versions of the training.
        limits: Known failures, one sentence each.
        domain: Statistics of the training images, for `Domain.from_dict`; empty if unknown.
        precision: Number format that the file was checked in: ``fp32``, ``bf16`` or ``int8``.
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
        """Output channels: 1 for crack, or K classes with background 0."""
        return int(self.network.get("classes", 1))

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the card as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, *, where: str) -> ModelCard:
        """Read a card from JSON text, ignoring unknown keys.

        Args:
            text: The JSON text.
            where: Name of the model or file in errors.

        Raises:
            ModelError: If ``text`` is not a card, or has a newer layout.
        """
        try:
            values = json.loads(text)
            if values["version"] > CARD_VERSION:
                raise ModelError(
                    f"expected a model card of layout {CARD_VERSION} or older, got {values['version']}",
                    where=where,
                    hint="upgrade crackseg",
                )
            if values.get("precision", "fp32") not in get_args(PrecisionName):
                raise ValueError("unknown precision")
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
            raise ModelError("holds no model card of crackseg", where=where, hint="train or export it again") from error
