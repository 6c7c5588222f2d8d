"""Turn a crack probability into a mask and the defect class of each pixel."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.imaging.codec import ArrayImage
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.tiled import DEFAULT_MEMORY_GIB, predict_probability
from crackseg.runtimes.predictor import ClassPredictor, Predictor, WithCard, no_classes_error


def apply_threshold(
    probability: NDArray[np.float32], *, threshold: float, low: float | None = None
) -> NDArray[np.bool_]:
    """Return the pixels that are crack.

    Args:
        probability: ``(H, W)`` float32 crack probability, in [0, 1].
        threshold: Probability from which a pixel counts as crack.
        low: Lower threshold: also keep pixels >= ``low`` that are connected, over eight neighbours, to a crack.

    Returns:
        ``(H, W)`` bool crack mask.

    Source:
        Canny, "A Computational Approach to Edge Detection", PAMI 1986, section VII: thresholding with hysteresis.
    """
    certain = probability >= threshold
    if low is None or low >= threshold:
        return certain
    count, labels = cv2.connectedComponents((probability >= low).view(np.uint8), connectivity=8)
    kept = np.zeros(count, dtype=np.bool_)
    kept[np.asarray(labels)[certain]] = True
    return np.asarray(kept[labels])


class _ClassAsProbability(WithCard):
    """A `Predictor` that returns the defect class instead of the probability, so that tiles cut it alike."""

    def __init__(self, predictor: ClassPredictor, card: ModelCard) -> None:
        self._predictor = predictor
        self.card = card

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Return the class number of each pixel as float32.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB pixels.

        Returns:
            ``(N, H, W)`` float32 class numbers, from 1.
        """
        return self._predictor.classes(pixels).astype(np.float32)


def predict_classes(
    pixels: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    predictor: Predictor,
    card: ModelCard,
    *,
    tile_size: int | None = None,
    memory_gib: float = DEFAULT_MEMORY_GIB,
) -> NDArray[np.uint8]:
    """Return the likeliest defect class of each mask pixel.

    The network runs once more on the image, without test-time augmentation.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB pixels.
        mask: ``(H, W)`` bool mask of the defects.
        predictor: The network.
        card: Its model card; a model without classes has class 1 only.
        tile_size: Largest side of a tile, in pixels; no limit if None.
        memory_gib: Memory for one tile in the network, in GiB.

    Returns:
        ``(H, W)`` uint8 class numbers, 0 outside the mask.

    Raises:
        ModelError: If the card names several classes and the network returns none.
    """
    if card.classes <= 2 or not mask.any():
        return mask.astype(np.uint8)
    if not hasattr(predictor, "classes"):
        raise no_classes_error(card)
    as_probability = _ClassAsProbability(cast(ClassPredictor, predictor), card)
    classes = predict_probability(ArrayImage(pixels), as_probability, tile_size=tile_size, memory_gib=memory_gib)
    return np.where(mask, classes, 0).astype(np.uint8)
