"""Measure the error at seams of networks without a finite context.

These are networks with squeeze-excite, global pooling or attention.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crackseg.imaging.codec import ImageSource
from crackseg.prediction.tiled import predict_probability
from crackseg.prediction.tiling import plan_tiles
from crackseg.runtimes.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Seams:
    """Difference between an image predicted in tiles and in one piece.

    Attributes:
        context_px: Context of the tiles, in pixels.
        difference: Largest difference in probability, in [0, 1].
        changed: Share of the pixels whose mask value changes, in [0, 1].
    """

    context_px: int
    difference: float
    changed: float


def measure_seams(predictor: Predictor, image: ImageSource, *, threshold: float) -> Seams:
    """Compare an image predicted in small tiles and in one piece.

    The difference is 0, except for rounding, for a network with a finite context. For other networks, whose
    `ModelCard.context_exact` is false, it is the error of the tiles on this image.

    Args:
        predictor: The network.
        image: An image large enough for several tiles, and small enough for one.
        threshold: Probability from which a pixel counts as crack.

    Raises:
        ValueError: If the image is too small for several tiles.
    """
    stride = predictor.stride
    side = 2 * -(-predictor.context // stride) * stride + 2 * stride
    if len(plan_tiles(image.shape, context=predictor.context, stride=stride, size=side)) == 1:
        raise ValueError(f"expected an image of more than {side} px at one side, got {image.shape}")
    whole = predict_probability(image, predictor, memory_gib=1000)
    tiled = predict_probability(image, predictor, tile_size=side)
    return Seams(
        predictor.context,
        float(np.abs(whole - tiled).max()),
        float(np.count_nonzero((whole >= threshold) != (tiled >= threshold)) / whole.size),
    )
