"""Average predictions over mirrored or turned images (test-time augmentation)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crackseg.imaging.codec import ArrayImage
from crackseg.prediction.scales import SCALES, predict_scales
from crackseg.prediction.tiled import DEFAULT_MEMORY_GIB, TileLimits, predict_tiled
from crackseg.runtimes.predictor import Predictor, bytes_per_px_of, room_of

TtaName = Literal["none", "flips", "rotations", "scales"]
"""Images to average over: four mirror images, these and their quarter turns (eight), or four sizes."""

PASSES: Mapping[TtaName, float] = {
    "none": 1,
    "flips": 4,
    "rotations": 8,
    "scales": sum(scale**2 for scale in SCALES),
}
"""Pixels that the network computes for each pixel of an image."""


class AveragedPredictor:
    """A `Predictor` that returns the mean over mirrored, or also turned, inputs.

    Stride and context stay the same, since a turned tile still starts and ends on multiples of the stride. So the
    result does not depend on the tiles.

    Args:
        predictor: The network.
        turns: Also average over quarter turns.
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
        """Memory that the network needs per pixel of a tile, in bytes."""
        return bytes_per_px_of(self._predictor)

    def room_bytes(self) -> int:
        """Return the free memory of the device, in bytes; 0 for none."""
        return room_of(self._predictor)

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Return the mean crack probability of images of one size.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB pixels.

        Returns:
            ``(N, H, W)`` float32 crack probability, in [0, 1].
        """
        total = np.zeros(pixels.shape[:3], dtype=np.float32)
        for turn, flip in self._ways:
            turned = np.rot90(pixels, self._quarters * turn, axes=(1, 2))
            output = self._predictor(np.ascontiguousarray(turned[:, :, ::-1] if flip else turned))
            total += np.rot90(output[:, :, ::-1] if flip else output, -self._quarters * turn, axes=(1, 2))
        return total / np.float32(len(self._ways))


def predict_averaged(
    pixels: NDArray[np.uint8],
    predictor: Predictor,
    *,
    tta: TtaName = "none",
    tile_size: int | None = None,
    memory_gib: float = DEFAULT_MEMORY_GIB,
) -> NDArray[np.float32]:
    """Return the crack probability of an image with test-time augmentation.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB pixels.
        predictor: The network.
        tta: Images to average over.
        tile_size: Largest side of a tile, in pixels; no limit if None.
        memory_gib: Memory for one tile in the network, in GiB.

    Returns:
        ``(H, W)`` float32 crack probability, in [0, 1].
    """
    limits = TileLimits(tile_size, memory_gib)
    if tta == "scales":
        return predict_scales(ArrayImage(pixels), predictor, limits).probability
    return predict_tiled(ArrayImage(pixels), averaged(predictor, tta), limits).probability


def averaged(predictor: Predictor, tta: TtaName) -> Predictor:
    """Wrap a network to average over mirror images or turns, if requested."""
    return AveragedPredictor(predictor, turns=tta == "rotations") if tta in ("flips", "rotations") else predictor
