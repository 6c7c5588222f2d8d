"""Which class of defect each pixel of an image is of, for networks that tell several."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from crackseg.imaging.codec import ArrayImage
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.tiled import DEFAULT_MEMORY_GIB, predict_probability
from crackseg.runtimes.predictor import ClassPredictor, OfCard, Predictor, tells_no_classes


class _ClassesAsAnswer(OfCard):
    """A `Predictor` that answers with the class instead of the probability; tiles cut it as they cut that."""

    def __init__(self, predictor: ClassPredictor, card: ModelCard) -> None:
        self._predictor = predictor
        self.card = card

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Return the ``(N, H, W)`` class of ``(N, H, W, 3)`` RGB pixels."""
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
    """Tell of each pixel of a mask which class of defect it is of: the likeliest beside the background.

    The network runs once more over the image, without test-time augmentation.

    Args:
        pixels: ``(H, W, 3)`` RGB pixels.
        mask: ``(H, W)`` pixels that are a defect.
        predictor: The network.
        card: Of the model; where it tells but one class, that is the answer.
        tile_size: Largest side of a tile, in pixels.
        memory_gib: Memory that a tile may take in the network, in GiB.

    Returns:
        ``(H, W)`` class numbers, 0 outside the mask.

    Raises:
        ModelError: If the model tells no classes though its card says so.
    """
    if card.classes <= 2 or not mask.any():
        return mask.astype(np.uint8)
    if not hasattr(predictor, "classes"):
        raise tells_no_classes(card)
    asked = _ClassesAsAnswer(cast(ClassPredictor, predictor), card)
    answer = predict_probability(ArrayImage(pixels), asked, tile_size=tile_size, memory_gib=memory_gib)
    return np.where(mask, answer, 0).astype(np.uint8)
