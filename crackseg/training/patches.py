"""Cut training patches that depend only on seed and number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from crackseg.datasets.class_masks import check_classes, read_class_sample, split_void
from crackseg.datasets.samples import Sample
from crackseg.errors import ConfigError
from crackseg.geometry import Region
from crackseg.imaging.samples import VOID
from crackseg.prediction.tiling import crop_mirrored
from crackseg.training.augment import Augmentation
from crackseg.training.config import TrainConfig
from crackseg.training.target_planes import needed_planes, target_planes
from crackseg.training.weight_map import cached_border_weights

_CRACK_PIXELS_KEPT = 4096
_COVERAGE = 0.4
"""Share of crack in a resized pixel that makes it crack; below a half, to keep hairlines when shrinking."""
_PRIOR_PATCHES = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    """A decoded sample.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB pixels.
        mask: ``(H, W)`` uint8 class numbers, `VOID` where pixels are not trained.
        crack_pixels: ``(N, 2)`` int32 rows and columns of some crack pixels.
        border: ``(H, W)`` float16 border weights, if a loss uses them.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    crack_pixels: NDArray[np.int32]
    border: NDArray[np.float16] | None

    @property
    def nbytes(self) -> int:
        return self.image.nbytes + self.mask.nbytes + (0 if self.border is None else self.border.nbytes)


class PatchDataset(Dataset[tuple[NDArray[np.uint8], NDArray[np.generic]]]):
    """Endless training patches; patch ``i`` is the same in all processes and runs of a seed.

    Args:
        samples: Samples to cut patches from.
        config: Configuration of the training.

    Raises:
        ImageError: If a sample cannot be read.
        DatasetError: If an image and its mask differ in size, or the mask holds other classes than the network.
    """

    def __init__(self, samples: Sequence[Sample], config: TrainConfig) -> None:
        self._samples = tuple(samples)
        self._seed = config.seed
        self._data = config.data
        self._loss = config.loss
        self._classes = config.network.classes
        self._scale = config.augment.scale
        self._augmentation = Augmentation(config.augment)
        groups: dict[str, list[int]] = {}
        for index, sample in enumerate(self._samples):
            groups.setdefault(sample.group, []).append(index)
        self._groups = tuple(tuple(members) for members in groups.values())
        self._bounds = _bounds({name: len(members) for name, members in groups.items()}, config.data.mix)
        self._decoded = self._decode_some()
        if len(self._decoded) == len(self._samples):
            check_classes((item.mask for item in self._decoded.values()), self._classes)

    def _decode_some(self) -> dict[int, _Decoded]:
        """Decode samples until the memory limit is reached."""
        decoded: dict[int, _Decoded] = {}
        left_bytes = self._data.cache_mb * 1_000_000
        for index, sample in enumerate(self._samples):
            item = self._decode(sample)
            left_bytes -= item.nbytes
            if left_bytes < 0:
                break
            decoded[index] = item
        return decoded

    def _decode(self, sample: Sample) -> _Decoded:
        image, mask = read_class_sample(sample, self._classes)
        numbers, _ = split_void(mask)
        rows, cols = np.nonzero(numbers)
        step = max(1, len(rows) // _CRACK_PIXELS_KEPT)
        term, border = self._loss.border, None
        if term.weight:
            border = cached_border_weights(numbers > 0, w0=term.w0, sigma=term.sigma).astype(np.float16)
        return _Decoded(image, mask, np.stack([rows[::step], cols[::step]], axis=1).astype(np.int32), border)

    def identity(self, index: int) -> int:
        """Return the number of the first patch equal to patch ``index``."""
        return index if self._data.distinct_patches is None else index % self._data.distinct_patches

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.generic]]:
        """Return the pixels and the target of patch ``index``.

        Returns:
            ``(P, P, 3)`` uint8 RGB pixels, and the ``(P, P)`` uint8 mask of class numbers. If the losses need more, the
            target is ``(1 + planes, P, P)`` float32, from `target_planes`.
        """
        rng, cut = self._draw(index)
        image, mask, border = self._augmentation(cut.image, cut.mask, rng, border=cut.border)
        if not needed_planes(self._loss, self._classes):
            return image, mask
        return image, target_planes(mask, self._loss, self._classes, border=border)

    def crack_prior(self) -> float:
        """Estimate the share of crack pixels, in [0, 1], from first patches."""
        shares = [float((split_void(self._draw(index)[1].mask)[0] > 0).mean()) for index in range(_PRIOR_PATCHES)]
        return sum(shares) / len(shares)

    def _draw(self, index: int) -> tuple[np.random.Generator, _Cut]:
        """Return the random generator and the cut of patch ``index`` before augmentation."""
        rng = np.random.default_rng((self._seed, self.identity(index)))
        number = self._choose(rng)
        decoded = self._decoded.get(number)
        if decoded is None:
            decoded = self._decode(self._samples[number])
        return rng, self._cut(decoded, rng)

    def _choose(self, rng: np.random.Generator) -> int:
        members = self._groups[int(np.searchsorted(self._bounds, rng.random(), side="right"))]
        return members[rng.integers(len(members))]

    def _cut(self, decoded: _Decoded, rng: np.random.Generator) -> _Cut:
        """Cut a square of random magnification, often around a crack pixel."""
        patch = self._data.patch_px
        height, width = decoded.mask.shape
        scale = math.exp(rng.uniform(math.log(self._scale[0]), math.log(self._scale[1])))
        side = max(8, round(patch / scale))
        if len(decoded.crack_pixels) and rng.random() < self._data.crack_share:
            row, col = decoded.crack_pixels[rng.integers(len(decoded.crack_pixels))]
            row0, col0 = (int(centre - rng.integers(side)) for centre in (row, col))
        else:
            row0, col0 = (
                int(rng.integers(min(0, length - side), max(0, length - side) + 1)) for length in (height, width)
            )
        row0, col0 = (_shift_inside(start, side, length) for start, length in ((row0, height), (col0, width)))
        region = Region(row0, col0, row0 + side, col0 + side)
        image, mask = resize_pair(crop_mirrored(decoded.image, region), crop_mirrored(decoded.mask, region), patch)
        border: NDArray[np.float32] | None = None
        if decoded.border is not None:
            whole = crop_mirrored(decoded.border, region).astype(np.float32)
            resized = cv2.resize(whole, (patch, patch), interpolation=cv2.INTER_LINEAR)
            border = np.asarray(resized, dtype=np.float32)
        return _Cut(image, mask, border)


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """A square of a sample, resized to a patch.

    Attributes:
        image: ``(P, P, 3)`` uint8 RGB pixels.
        mask: ``(P, P)`` uint8 class numbers.
        border: ``(P, P)`` float32 border weights, if a loss uses them.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    border: NDArray[np.float32] | None


def _bounds(sizes: dict[str, int], mix: str | dict[str, float]) -> NDArray[np.float64]:
    """Return the cumulative shares of the data folders.

    Args:
        sizes: Number of images of each data folder.
        mix: ``size``, ``even``, or a share for folders by name.

    Returns:
        ``(folders,)`` float64 cumulative shares in (0, 1].

    Raises:
        ConfigError: If the mix names an unknown folder, or all shares are 0.
    """
    if isinstance(mix, dict):
        for name in mix:
            if name not in sizes:
                raise ConfigError(
                    f"no data folder is named '{name}'", where="data.mix", hint=f"use the names {', '.join(sizes)}"
                )
        shares = [mix.get(name, 1.0) for name in sizes]
        if not sum(shares):
            raise ConfigError("all data folders have a share of 0", where="data.mix", hint="set one of them above 0")
    else:
        shares = [float(size) if mix == "size" else 1.0 for size in sizes.values()]
    ends = np.cumsum(np.asarray(shares, np.float64))
    return np.asarray(ends / ends[-1])


def resize_pair(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], side: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Resize a square image and its mask, and keep thin cracks.

    Args:
        image: ``(P, P, 3)`` uint8 RGB pixels.
        mask: ``(P, P)`` uint8 class numbers.
        side: New side, in pixels.

    Returns:
        ``(side, side, 3)`` uint8 pixels and ``(side, side)`` uint8 class numbers.
    """
    if image.shape[0] == side:
        return image, mask
    method = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_LINEAR
    pixels = cv2.resize(image, (side, side), interpolation=method)
    classes = np.zeros((side, side), np.uint8)
    best = np.full((side, side), _COVERAGE, np.float32)
    numbers, void = split_void(mask)
    for number in (*range(1, int(numbers.max()) + 1), *([VOID] if void.any() else [])):
        coverage = cv2.resize((mask == number).astype(np.float32), (side, side), interpolation=method)
        covers = coverage >= best
        classes[covers] = number
        best[covers] = coverage[covers]
    return pixels.astype(np.uint8, copy=False), classes


def _shift_inside(start: int, side: int, length: int) -> int:
    """Shift a span of ``side`` pixels into ``[0, length)`` as far as possible."""
    if side >= length:
        return min(max(start, length - side), 0)
    return min(max(start, 0), length - side)
