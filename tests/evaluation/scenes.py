"""Data folders, and a network without weights to which dark pixels are cracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.samples import Sample, find_samples
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.model import Model
from tests.metrics.shapes import scribbles, shaken
from tests.runs import write_sample

Mask = NDArray[np.bool_]


@dataclass
class Darkness:
    """Network whose crack probability is the darkness of a pixel; it records the shapes of its inputs."""

    gain: float = 1.0
    stride: int = 1
    context: int = 0
    shapes: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        self.shapes += [(image.shape[0], image.shape[1]) for image in pixels]
        darkness = 1 - pixels.mean(axis=3, dtype=np.float32) / 255
        return np.asarray(np.minimum(darkness * self.gain, 1), dtype=np.float32)


def model(threshold: float = 0.5, *, gain: float = 1.0, name: str = "darkness") -> Model:
    """A model without weights."""
    return Model(Darkness(gain), ModelCard(name=name, network={}, stride=1, context_px=0, threshold=threshold))


def draw_image(predicted: Mask, faint: Mask | None = None) -> NDArray[np.uint8]:
    """An image with probability 0.8 in ``predicted``, 0.4 in ``faint``, 0.1 elsewhere."""
    grey = np.full(predicted.shape, 230, np.uint8)
    if faint is not None:
        grey[faint] = 153
    grey[predicted] = 51
    return np.repeat(grey[..., None], 3, axis=2)


def write_set(folder: Path, pairs: Sequence[tuple[Mask, Mask]]) -> tuple[Sample, ...]:
    """Write images that `model` predicts as the first mask, with the second."""
    for number, (predicted, true) in enumerate(pairs):
        write_sample(folder, f"wall{number:02d}", draw_image(predicted), true)
    return find_samples(folder, "test")


def scribbled(count: int, first: int = 0) -> list[tuple[Mask, Mask]]:
    """Predicted and true masks of crooked lines.

    The third image has no crack, the fourth has neither crack nor prediction.
    """
    pairs = []
    for seed in range(first, first + count):
        true = scribbles(seed)
        predicted = shaken(true, seed)
        if seed % 5 == 2:
            true = np.zeros_like(true)
        if seed % 5 == 3:
            predicted, true = np.zeros_like(true), np.zeros_like(true)
        pairs.append((predicted, true))
    return pairs
