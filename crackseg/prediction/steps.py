"""Turn an image into its result: decode, run, threshold, result."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ImageError
from crackseg.geometry import ScaleSource
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.batching import BatchedNetwork
from crackseg.prediction.decoding import DecodedImage
from crackseg.prediction.result import Prediction, PredictionFailure, PredictionResult
from crackseg.prediction.segmentation import apply_threshold, predict_classes
from crackseg.prediction.tiled import TiledProbability
from crackseg.prediction.tiling import TilePlan
from crackseg.runtimes.predictor import Predictor


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """The cracks of an image, not yet measured.

    Attributes:
        probability: ``(H, W)`` float32 crack probability, in [0, 1].
        mask: ``(H, W)`` bool crack mask.
        plan: Tiles in which the network computed the image.
        classes: ``(H, W)`` uint8 defect class of each mask pixel, 0 outside; None for a model without classes.
    """

    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]
    plan: TilePlan
    classes: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The steps after decoding, with all that they need to know.

    Attributes:
        network: The network.
        card: Card of the model.
        cut: Probability from which a pixel counts as crack, in (0, 1].
        low: Lower threshold of the hysteresis; none if None.
        scale: Source of the millimetres per pixel, if known.
    """

    network: BatchedNetwork
    card: ModelCard
    cut: float
    low: float | None = None
    scale: ScaleSource | None = None

    def with_predictor(self, predictor: Predictor) -> Steps:
        """Return these steps with another form of the network."""
        return dataclasses.replace(self, network=dataclasses.replace(self.network, predictor=predictor))

    def run(self, image: DecodedImage) -> TiledProbability:
        """Return the crack probability of an image.

        Raises:
            UsageError: If the limits leave no room for the context of the network.
            ModelError: If the network returns NaN or infinity, or finds no memory for any tile.
        """
        return self.network.run_together([image.pixels])[0]

    def threshold(self, image: DecodedImage, tiled: TiledProbability) -> Segmentation:
        """Return the mask, and the defect classes of a multi-class model."""
        mask = apply_threshold(tiled.probability, threshold=self.cut, low=self.low)
        if self.card.classes <= 2:
            return Segmentation(tiled.probability, mask, tiled.plan)
        limits = self.network.limits
        classes = predict_classes(
            image.pixels,
            mask,
            self.network.predictor,
            self.card,
            tile_size=limits.side_px,
            memory_gib=limits.memory_gib,
        )
        return Segmentation(tiled.probability, mask, tiled.plan, classes)

    def result(self, image: DecodedImage, segmentation: Segmentation) -> Prediction:
        """Return the prediction of an image, its cracks not yet measured.

        Raises:
            ImageError: If the scale comes from markers and the image shows none.
        """
        return Prediction(
            name=image.name,
            model=self.card.name,
            terms=self.card.terms,
            threshold=self.cut,
            image=image.pixels,
            probability=segmentation.probability,
            mask=segmentation.mask,
            plan=segmentation.plan,
            scale=None if self.scale is None else self.scale.scale_of(image.pixels, name=image.name),
            classes=segmentation.classes,
        )

    def result_or_failure(self, image: DecodedImage, segmentation: Segmentation) -> PredictionResult:
        """Return the prediction of an image, or the error of its scale."""
        try:
            return self.result(image, segmentation)
        except ImageError as error:
            return PredictionFailure(image.name, error)
