"""Run a network on images, several of one shape at a time where its device gains from that."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.imaging.codec import ArrayImage
from crackseg.prediction.decoding import DecodedImage
from crackseg.prediction.result import PredictionFailure
from crackseg.prediction.scales import predict_scales
from crackseg.prediction.tiled import TiledProbability, TileLimits, predict_alike
from crackseg.prediction.tiling import TilePlan
from crackseg.prediction.tta import TtaName, averaged
from crackseg.runtimes.predictor import Predictor


@dataclass(frozen=True, slots=True)
class BatchedNetwork:
    """A network with the limits of its tiles and its test-time augmentation.

    Attributes:
        predictor: The network.
        limits: Limits of a tile.
        tta: Test-time augmentation.
    """

    predictor: Predictor
    limits: TileLimits
    tta: TtaName = "none"

    def plan(self, shape: tuple[int, int]) -> TilePlan:
        """Return the tiles of an image of height and width ``shape``.

        Raises:
            UsageError: If no tile is small enough for the limits.
        """
        return self.limits.plan(shape, self.predictor)

    def batch_size(self, shape: tuple[int, int]) -> int:
        """Return the number of images of a shape to compute together."""
        plan = self.plan(shape)
        return self.limits.batch(plan, self.predictor) if len(plan) == 1 and self.tta != "scales" else 1

    def run_together(self, images: Sequence[NDArray[np.uint8]]) -> list[TiledProbability]:
        """Return the crack probability of each of some images of one shape.

        Args:
            images: ``(H, W, 3)`` uint8 RGB pixels each.

        Raises:
            UsageError: If the limits leave no room for the context of the network.
            ModelError: If the network returns NaN or infinity, or finds no memory for any tile.
        """
        if self.tta == "scales":
            return [predict_scales(ArrayImage(pixels), self.predictor, self.limits) for pixels in images]
        return predict_alike(images, averaged(self.predictor, self.tta), self.limits)

    def run_each(
        self, images: Iterable[DecodedImage | PredictionFailure]
    ) -> Iterator[tuple[DecodedImage, TiledProbability] | PredictionFailure]:
        """Run the network on images in their order.

        Neighbours of one shape are computed together.

        Where one image goes at a time, the next is only taken after its result is handed out.

        Returns:
            Each image with its probability, or why there is none.

        Raises:
            UsageError: As `run_together` does.
            ModelError: As `run_together` does.
        """
        waiting, held = iter(images), deque[DecodedImage | PredictionFailure]()
        while (image := held.popleft() if held else next(waiting, None)) is not None:
            if isinstance(image, PredictionFailure):
                yield image
                continue
            group = [image]
            for other in itertools.islice(waiting, self.batch_size(image.shape) - 1):
                if isinstance(other, PredictionFailure) or other.shape != image.shape:
                    held.append(other)
                    break
                group.append(other)
            yield from zip(group, self.run_together([member.pixels for member in group]), strict=True)
