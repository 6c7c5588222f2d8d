"""Find the images of one site and cut patches from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crackseg.datasets.samples import Sample, check_sizes, find_samples, hash_samples
from crackseg.errors import UsageError
from crackseg.files import list_images
from crackseg.geometry import Region
from crackseg.imaging.codec import read_file, read_image
from crackseg.prediction.tiling import crop_mirrored

_PATCHES = 32
"""Number of patches for the statistics; each image gives at least one."""
_BATCH = 16
_MOST_IMAGES = 256


@dataclass(frozen=True, slots=True)
class Site:
    """Images of one site.

    Attributes:
        folder: Folder of the site.
        images: Image files.
        samples: The same images with their masks; empty without labels.
    """

    folder: Path
    images: tuple[Path, ...]
    samples: tuple[Sample, ...] = ()

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    def describe(self) -> dict[str, str | int]:
        """Return the entry of the site in a card."""
        if self.samples:
            return {"name": self.name, "images": len(self.images), "sha256": hash_samples(self.samples)}
        digest = hashlib.sha256()
        for path in self.images:
            digest.update(hashlib.sha256(read_file(path)).digest())
        return {"name": self.name, "images": len(self.images), "sha256": digest.hexdigest()}


def find_site(folder: Path) -> Site:
    """Find the images of a site, with masks if it has any.

    The layout is ``DIR/{images,masks}``, ``DIR/train/{images,masks}``, ``DIR/images``, or images in ``DIR`` itself.

    Raises:
        UsageError: If the folder is missing or holds no image.
        DatasetError: If there are masks and an image has none, or its mask has another size.
    """
    if not folder.is_dir():
        raise UsageError("no such folder of images", where=folder, hint="check the path")
    if any((folder / part / "masks").is_dir() for part in (".", "train")):
        samples = find_samples(folder, "train")
        check_sizes(samples)
        return Site(folder, tuple(sample.image for sample in samples), samples)
    root = next((path for path in (folder / "images", folder / "train" / "images") if path.is_dir()), folder)
    images = list_images(root)
    if not images:
        raise UsageError("no images here", where=root, hint="put images of the site there, for example as PNG or JPEG")
    return Site(folder, images)


def cut_batches(paths: Sequence[Path], side_px: int, *, seed: int) -> Iterator[Tensor]:
    """Cut random patches of equal numbers from all images.

    Args:
        paths: Image files; at most 256 of them, evenly spread, are read.
        side_px: Side of a patch, in pixels. Smaller images are mirrored.
        seed: Random seed.

    Yields:
        ``(N, side_px, side_px, 3)`` uint8 RGB pixels, at most 16 patches each.

    Raises:
        ImageError: If an image cannot be read.
    """
    step = -(-len(paths) // _MOST_IMAGES)
    chosen = paths[::step]
    rng = np.random.default_rng(seed)
    patches = []
    for path in chosen:
        image = read_image(path)
        for _ in range(max(1, _PATCHES // len(chosen))):
            row, col = (int(rng.integers(max(1, length - side_px + 1))) for length in image.shape[:2])
            patches.append(crop_mirrored(image, Region(row, col, row + side_px, col + side_px)))
            if len(patches) == _BATCH:
                yield torch.from_numpy(np.stack(patches))
                patches = []
    if patches:
        yield torch.from_numpy(np.stack(patches))
