"""Images of one shape that go through the network together, where its device likes that."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.prediction.read_ahead import ReadImage
from crackseg.prediction.tiled import TileLimits, predict_alike
from crackseg.prediction.tta import TtaName, averaged, predict_averaged
from crackseg.runtimes.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Grouping:
    """How images go through a network.

    Attributes:
        predictor: The network.
        limits: What bounds a tile.
        tta: What the answer is averaged over.
    """

    predictor: Predictor
    limits: TileLimits
    tta: TtaName = "none"

    def probabilities(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Return the ``(H, W)`` crack probability of each of some ``(H, W, 3)`` images of one shape."""
        if self.tta != "scales":
            return predict_alike(images, averaged(self.predictor, self.tta), self.limits)
        side_px, memory_gib = self.limits.side_px, self.limits.memory_gib
        return [
            predict_averaged(pixels, self.predictor, tta=self.tta, tile_size=side_px, memory_gib=memory_gib)
            for pixels in images
        ]

    def together(self, shape: tuple[int, int]) -> int:
        """Return how many images of a height and width go through the network at a time, at most."""
        plan = self.limits.plan(shape, self.predictor)
        return self.limits.batch(plan, self.predictor) if len(plan) == 1 and self.tta != "scales" else 1

    def run(self, images: Iterable[ReadImage]) -> Iterator[tuple[ReadImage, NDArray[np.float32] | None]]:
        """Run the network over images as they come, those of one shape that follow each other together.

        Where one goes at a time, none is taken before the one before it is answered and handed out.

        Returns:
            Each image in its turn, with its probability; None for one without pixels.

        Raises:
            UsageError: If the limits leave no room beside the context of the network.
            ModelError: If the network answers with anything but finite numbers, or finds no memory for any tile.
        """
        waiting, held = iter(images), deque[ReadImage]()
        while (image := held.popleft() if held else next(waiting, None)) is not None:
            if not isinstance(image.pixels, np.ndarray):
                yield image, None
                continue
            group, alike = [image], [image.pixels]
            height, width, _ = image.pixels.shape
            for other in itertools.islice(waiting, self.together((height, width)) - 1):
                if not isinstance(other.pixels, np.ndarray) or other.pixels.shape != image.pixels.shape:
                    held.append(other)
                    break
                group.append(other)
                alike.append(other.pixels)
            yield from zip(group, self.probabilities(alike), strict=True)
