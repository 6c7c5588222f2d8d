"""Test-time augmentation: the answer for an image and its likenesses, averaged; more passes for a steadier answer."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.imaging.codec import ArrayImage
from crackseg.prediction.tiled import DEFAULT_MEMORY_GIB, TiledProbability, TileLimits, predict_tiled
from crackseg.runtimes.predictor import Predictor, bytes_per_px_of, room_of

TtaName = Literal["none", "flips", "rotations", "scales"]
"""What is averaged: the four mirror images, the eight of them and their quarter turns, or three sizes."""

SCALES = (0.75, 1.0, 1.5)


class AveragedPredictor:
    """A `Predictor` that answers with the mean over mirrored, or also turned, inputs.

    Stride and context stay what they are, since tiles begin and end on multiples of the stride whichever way they are
    turned: the result does not depend on the cut.

    Args:
        predictor: The network.
        turns: Quarter turns besides mirror images.
    """

    def __init__(self, predictor: Predictor, *, turns: bool) -> None:
        self._predictor = predictor
        self._ways = [(turn, flip) for turn in range(4 if turns else 2) for flip in (False, True)]
        self._quarters = 1 if turns else 2

    @property
    def stride(self) -> int:
        """Total downsampling, in pixels."""
        return self._predictor.stride

    @property
    def context(self) -> int:
        """Measured context, in pixels."""
        return self._predictor.context

    @property
    def bytes_per_px(self) -> int:
        """Memory needed for each pixel of a tile, in bytes."""
        return bytes_per_px_of(self._predictor)

    def room_bytes(self) -> int:
        """Return the memory that the device has free now, in bytes."""
        return room_of(self._predictor)

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Return the ``(N, H, W)`` crack probability of ``(N, H, W, 3)`` RGB pixels."""
        total = np.zeros(pixels.shape[:3], dtype=np.float32)
        for turn, flip in self._ways:
            turned = np.rot90(pixels, self._quarters * turn, axes=(1, 2))
            answer = self._predictor(np.ascontiguousarray(turned[:, :, ::-1] if flip else turned))
            total += np.rot90(answer[:, :, ::-1] if flip else answer, -self._quarters * turn, axes=(1, 2))
        return total / np.float32(len(self._ways))


def predict_averaged(
    pixels: NDArray[np.uint8],
    predictor: Predictor,
    *,
    tta: TtaName = "none",
    tile_size: int | None = None,
    memory_gib: float = DEFAULT_MEMORY_GIB,
) -> NDArray[np.float32]:
    """Run a network over an image, and over its likenesses if asked to.

    Args:
        pixels: ``(H, W, 3)`` RGB pixels.
        predictor: The network.
        tta: What is averaged.
        tile_size: Largest side of a tile, in pixels.
        memory_gib: Memory that a tile may take in the network, in GiB.

    Returns:
        ``(H, W)`` crack probability, in [0, 1].
    """
    limits = TileLimits(tile_size, memory_gib)
    if tta == "scales":
        return predict_scales(pixels, predictor, limits).probability
    return predict_tiled(ArrayImage(pixels), averaged(predictor, tta), limits).probability


def predict_scales(pixels: NDArray[np.uint8], predictor: Predictor, limits: TileLimits) -> TiledProbability:
    """Return the mean crack probability over three sizes of an image, with the tiles of its own size.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB pixels.
        predictor: The network.
        limits: Limits of a tile.
    """
    height, width = pixels.shape[:2]
    total = np.zeros((height, width), dtype=np.float32)
    plans = []
    for scale in SCALES:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        scaled = (
            pixels if size == (width, height) else np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8)
        )
        tiled = predict_tiled(ArrayImage(scaled), predictor, limits)
        total += cv2.resize(tiled.probability, (width, height), interpolation=cv2.INTER_LINEAR)
        plans.append(tiled.plan)
    return TiledProbability(total / np.float32(len(SCALES)), plans[SCALES.index(1.0)])


def averaged(predictor: Predictor, tta: TtaName) -> Predictor:
    """Return the network that averages over mirror images, or turns; the network itself for anything else."""
    return AveragedPredictor(predictor, turns=tta == "rotations") if tta in ("flips", "rotations") else predictor
