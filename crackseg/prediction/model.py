"""Predict the cracks of images with a network and its card."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from crackseg.errors import UsageError
from crackseg.geometry import ScaleSource, as_scale_source
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.batching import BatchedNetwork
from crackseg.prediction.decoding import decode
from crackseg.prediction.result import Prediction, PredictionResult
from crackseg.prediction.scheduling import predict_each
from crackseg.prediction.steps import Steps
from crackseg.prediction.tiled import TileLimits
from crackseg.prediction.tiling import TilePlan
from crackseg.prediction.tta import TtaName
from crackseg.runtimes.predictor import Predictor

if TYPE_CHECKING:
    from crackseg.prediction.decoding import ImageInput

DEFAULT_TILE_PX = 2048
"""Largest side of a tile for callers whose tiles must not depend on the image, in pixels."""


class Model:
    """A network with its card, ready to predict; loaded by `crackseg.load_model`.

    Args:
        predictor: The network.
        card: Its model card.
        tile_size: Largest side of a tile, in pixels; no limit if None.
        memory_gib: Memory for one tile in the network, in GiB; chosen for the device if None.
    """

    def __init__(
        self,
        predictor: Predictor,
        card: ModelCard,
        *,
        tile_size: int | None = None,
        memory_gib: float | None = None,
    ) -> None:
        self.predictor = predictor
        self.card = card
        self.limits = TileLimits.of(predictor, side_px=tile_size, memory_gib=memory_gib)
        self.memory_stated = memory_gib is not None
        self.tta: TtaName = "none"
        self.hysteresis: float | None = None

    def __repr__(self) -> str:
        return f"Model({self.card.name!r}, threshold {self.card.threshold:g})"

    @property
    def tile_size(self) -> int | None:
        """Largest side of a tile, in pixels; no limit if None."""
        return self.limits.side_px

    @property
    def memory_gib(self) -> float:
        """Memory for one tile in the network, in GiB."""
        return self.limits.memory_gib

    def with_options(self, *, tta: TtaName = "none", hysteresis: float | None = None) -> Model:
        """Return a copy of this model with other options.

        Args:
            tta: Test-time augmentation: ``none``, ``flips``, ``rotations`` or ``scales``.
            hysteresis: Lower threshold, in (0, 1]: also keep pixels >= this probability that are connected to a crack.

        Raises:
            UsageError: If ``hysteresis`` is outside (0, 1].

        Examples:
            >>> import crackseg
            >>> model = crackseg.load_model().with_options(tta="flips", hysteresis=0.2)
            >>> model.tta, model.hysteresis
            ('flips', 0.2)
        """
        if hysteresis is not None and not 0 < hysteresis <= 1:
            raise UsageError(f"expected a threshold above 0 and at most 1, got {hysteresis:g}", where="--hysteresis")
        other = copy.copy(self)
        other.tta, other.hysteresis = tta, hysteresis
        return other

    @property
    def network(self) -> BatchedNetwork:
        """The network with the limits of its tiles and these options."""
        return BatchedNetwork(self.predictor, self.limits, self.tta)

    def plan(self, shape: tuple[int, int]) -> TilePlan:
        """Return the tiles of an image of height and width ``shape``.

        Raises:
            UsageError: If no tile is small enough for the limits.
        """
        return self.limits.plan(shape, self.predictor)

    def threshold(self, threshold: float | None = None) -> float:
        """Return a threshold after a check, or the model's own if None.

        Raises:
            UsageError: If it is outside (0, 1].
        """
        cut = self.card.threshold if threshold is None else threshold
        if not 0 < cut <= 1:
            raise UsageError(f"expected a threshold above 0 and at most 1, got {cut:g}", where="--threshold")
        return cut

    def steps(self, *, threshold: float | None = None, scale: float | ScaleSource | None = None) -> Steps:
        """Return the steps of a prediction, for `crackseg.prediction.scheduling.predict_each`.

        Args:
            threshold: Probability from which a pixel counts as crack, in (0, 1]; the model's own if None.
            scale: Millimetres per pixel, a `Scale`, or markers in the image that give it; None if unknown.

        Raises:
            UsageError: If the threshold is outside (0, 1], or the scale is not positive.
        """
        return Steps(
            network=self.network,
            card=self.card,
            cut=self.threshold(threshold),
            low=self.hysteresis,
            scale=as_scale_source(scale),
        )

    def predict(
        self,
        image: ImageInput,
        *,
        threshold: float | None = None,
        scale: float | ScaleSource | None = None,
        name: str | None = None,
    ) -> Prediction:
        """Find the cracks of one image.

        Args:
            image: A path, the bytes of an image file, a PIL image, or an ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` RGB
                or ``(H, W, 4)`` RGBA array of uint8 or uint16.
            threshold: Probability from which a pixel counts as crack, in (0, 1]; the model's own if None.
            scale: Millimetres per pixel, a `Scale`, or markers in the image that give it; None if unknown.
            name: Name of the image in the result; the file's name, or "image", if None.

        Returns:
            Mask, probability and measured cracks, in the size of the image.

        Raises:
            UsageError: If there is no such file, the array is no image, or the threshold is outside (0, 1].
            ImageError: If the image cannot be decoded, or shows no marker for the scale.
            ModelError: If the network returns NaN or infinity, or finds no memory for any tile.

        Examples:
            >>> import crackseg, numpy as np
            >>> wall = np.full((64, 96, 3), 170, np.uint8)
            >>> result = crackseg.load_model().predict(wall, scale=0.2, name="wall.png")
            >>> result
            Prediction('wall.png', 0 cracks, 0.00 %)
            >>> result.mask.shape, result.scale.mm_per_px
            ((64, 96), 0.2)
        """
        steps = self.steps(threshold=threshold, scale=scale)
        decoded = decode(image, name=name)
        tiled = steps.run(decoded)
        segmentation = steps.threshold(decoded, tiled)
        return steps.result(decoded, segmentation)

    def predict_many(
        self,
        images: Iterable[str | os.PathLike[str]],
        *,
        threshold: float | None = None,
        scale: float | ScaleSource | None = None,
    ) -> Iterator[PredictionResult]:
        """Find the cracks of image files and yield results in order.

        The next images are computed while the caller uses a result. A file that cannot be read becomes a
        `PredictionFailure`, whose ``error`` is the reason; all other results have ``error`` None.

        Args:
            images: Paths.
            threshold: Probability from which a pixel counts as crack, in (0, 1]; the model's own if None.
            scale: Millimetres per pixel, a `Scale`, or markers in each image that give it; None if unknown.

        Raises:
            UsageError: If a single path is given, the threshold is outside (0, 1], or the tiles are too small.
            ModelError: If the network returns NaN or infinity, or finds no memory for any tile.

        Examples:
            >>> import crackseg
            >>> for result in crackseg.load_model().predict_many(["missing.png"]):
            ...     print(result if result.error is None else result.error)
            missing.png: no such file; check the path
        """
        if isinstance(images, (str, bytes, os.PathLike)):
            raise UsageError(f"expected several paths, got {images!r}", hint="pass a list, or call predict")
        return predict_each(self.steps(threshold=threshold, scale=scale), images, _measure)


def _measure(result: PredictionResult) -> PredictionResult:
    """Measure the cracks of a result in the thread that computed it."""
    if isinstance(result, Prediction):
        _ = result.cracks
    return result
