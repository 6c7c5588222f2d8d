"""Training patches, each determined by seed and number alone: a resumed run sees what an unbroken one does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from crackseg.dataset import Sample, read_sample
from crackseg.geometry import Region
from crackseg.nn.augment import Augmentation
from crackseg.nn.train_config import TrainConfig
from crackseg.tiling import crop_mirrored

_CRACK_PIXELS_KEPT = 4096
_COVERAGE = 0.4
"""Share of a resized pixel from which it is crack; below one half, so that hairlines survive being shrunk."""


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    """A sample in memory: image, mask, and some of its crack pixels as ``(n, 2)`` rows and columns."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    crack_pixels: NDArray[np.int32]


class PatchDataset(Dataset[tuple[NDArray[np.uint8], NDArray[np.uint8]]]):
    """Patches without end: number ``i`` is the same in every process and every run with the same seed.

    Args:
        samples: Where to cut them from.
        config: The training.

    Raises:
        ImageError: If a sample cannot be read.
        DatasetError: If an image and its mask differ in size.
    """

    def __init__(self, samples: Sequence[Sample], config: TrainConfig) -> None:
        self._samples = tuple(samples)
        self._seed = config.seed
        self._data = config.data
        self._scale = config.augment.scale
        self._augmentation = Augmentation(config.augment)
        groups: dict[str, list[int]] = {}
        for index, sample in enumerate(self._samples):
            groups.setdefault(sample.group, []).append(index)
        self._groups = tuple(tuple(members) for members in groups.values())
        self._decoded = self._decode_some()

    def _decode_some(self) -> dict[int, _Decoded]:
        """Decode samples until the memory set aside for them is full."""
        decoded: dict[int, _Decoded] = {}
        left_bytes = self._data.cache_mb * 1_000_000
        for index, sample in enumerate(self._samples):
            item = _decode(sample)
            left_bytes -= item.image.nbytes + item.mask.nbytes
            if left_bytes < 0:
                break
            decoded[index] = item
        return decoded

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return patch ``index``: ``(P, P, 3)`` RGB pixels and the ``(P, P)`` mask of 0 and 1."""
        rng = np.random.default_rng((self._seed, index))
        number = self._choose(rng)
        decoded = self._decoded.get(number)
        if decoded is None:
            decoded = _decode(self._samples[number])
        image, mask = self._cut(decoded, rng)
        image, mask = self._augmentation(image, mask, rng)
        return image, mask.astype(np.uint8)

    def _choose(self, rng: np.random.Generator) -> int:
        if self._data.mix == "even":
            members = self._groups[rng.integers(len(self._groups))]
            return members[rng.integers(len(members))]
        return int(rng.integers(len(self._samples)))

    def _cut(self, decoded: _Decoded, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Cut a square of random magnification, around a crack pixel as often as asked."""
        patch = self._data.patch_px
        height, width = decoded.mask.shape
        scale = math.exp(rng.uniform(math.log(self._scale[0]), math.log(self._scale[1])))
        side = max(8, round(patch / scale))
        if len(decoded.crack_pixels) and rng.random() < self._data.crack_share:
            row, col = decoded.crack_pixels[rng.integers(len(decoded.crack_pixels))]
            row0, col0 = (int(place - rng.integers(side)) for place in (row, col))
        else:
            row0, col0 = (
                int(rng.integers(min(0, length - side), max(0, length - side) + 1)) for length in (height, width)
            )
        row0, col0 = (_inside(start, side, length) for start, length in ((row0, height), (col0, width)))
        region = Region(row0, col0, row0 + side, col0 + side)
        return resize_pair(crop_mirrored(decoded.image, region), crop_mirrored(decoded.mask, region), patch)


def resize_pair(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], side: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Resize a square image and its mask to ``(side, side)``; thin cracks stay."""
    if image.shape[0] == side:
        return image, mask
    method = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_LINEAR
    coverage = cv2.resize(mask.astype(np.float32), (side, side), interpolation=method)
    pixels = cv2.resize(image, (side, side), interpolation=method)
    return pixels.astype(np.uint8, copy=False), coverage >= _COVERAGE


def _inside(start: int, side: int, length: int) -> int:
    """Move a span of ``side`` pixels into ``[0, length)`` as far as it fits."""
    if side >= length:
        return min(max(start, length - side), 0)
    return min(max(start, 0), length - side)


def _decode(sample: Sample) -> _Decoded:
    image, mask = read_sample(sample)
    rows, cols = np.nonzero(mask)
    step = max(1, len(rows) // _CRACK_PIXELS_KEPT)
    return _Decoded(image, mask, np.stack([rows[::step], cols[::step]], axis=1).astype(np.int32))
