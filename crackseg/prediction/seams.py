"""What seams cost where no context is enough: networks with squeeze-excite, global pooling or attention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crackseg.imaging.codec import ImageSource
from crackseg.prediction.tiled import predict_probability
from crackseg.prediction.tiling import plan_tiles
from crackseg.runtimes.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Seams:
    """How far an image cut into tiles is from the same image in one piece.

    Attributes:
        context_px: Context of the tiles, in pixels.
        difference: Largest difference in probability.
        changed: Share of the pixels that change sides of the threshold.
    """

    context_px: int
    difference: float
    changed: float


def measure_seams(predictor: Predictor, image: ImageSource, *, threshold: float) -> Seams:
    """Compare an image in the smallest tiles that the context allows with the same image in one piece.

    For a network with a finite context that is 0 but for rounding. For others it is what `ModelCard.context_exact`
    being false stands for, on this image.

    Args:
        predictor: The network.
        image: An image large enough to be cut, and small enough not to be.
        threshold: Probability from which a pixel counts as crack.

    Raises:
        ValueError: If the image is too small to be cut.
    """
    stride = predictor.stride
    side = 2 * -(-predictor.context // stride) * stride + 2 * stride
    if len(plan_tiles(image.shape, context=predictor.context, stride=stride, size=side)) == 1:
        raise ValueError(f"expected an image of more than {side} px at one side, got {image.shape}")
    whole = predict_probability(image, predictor, memory_gib=1000)
    cut = predict_probability(image, predictor, tile_size=side)
    return Seams(
        predictor.context,
        float(np.abs(whole - cut).max()),
        float(np.count_nonzero((whole >= threshold) != (cut >= threshold)) / whole.size),
    )
