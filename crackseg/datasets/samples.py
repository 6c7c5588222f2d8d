"""Samples: an image with its mask, found in the folders people have."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import DatasetError, UsageError, display_text
from crackseg.files import list_images
from crackseg.imaging.codec import image_size, read_image, read_mask

Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True)
class Sample:
    """An image file and its mask file.

    Attributes:
        image: The image.
        mask: Its mask: the file of the same stem in the folder ``masks``.
        group: Name of the data set it belongs to.
    """

    image: Path
    mask: Path
    group: str


def find_samples(folder: Path, split: Split, *, group: str | None = None) -> tuple[Sample, ...]:
    """Find the samples of a data folder.

    Understood are ``DIR/{images,masks}`` and ``DIR/{train,val,test}/{images,masks}``, and so what ``crackseg generate``
    writes. A folder without splits serves any split.

    Args:
        folder: The data folder.
        split: Which part of it, where it has parts. Where ``val`` is asked for and absent, ``test`` serves.
        group: What to call the data set; the folder's name if None.

    Returns:
        Its samples, sorted by file name.

    Raises:
        UsageError: If the folder is missing, has no such part, or holds no image.
        DatasetError: If an image has no mask, or two masks or images share a stem.
    """
    root = _split_folder(folder, split)
    images = list_images(root / "images")
    if not images:
        raise UsageError("holds no image", where=root / "images", hint="put images there, as PNG or JPEG for example")
    masks = _by_stem(list_images(root / "masks"))
    stems = _by_stem(images)
    missing = [path for stem, path in stems.items() if stem not in masks]
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(images)} images have no mask",
            where=missing[0],
            hint=f"expected a file named {display_text(missing[0].stem)}.png in {display_text(root / 'masks')}",
        )
    return tuple(Sample(path, masks[stem], group or folder.resolve().name) for stem, path in stems.items())


def find_all_samples(folders: Sequence[Path], split: Split) -> tuple[Sample, ...]:
    """Find the samples of several data folders, each a group of its own.

    A group is called after its folder, and after its parent too where two folders have one name.

    Raises:
        UsageError: If a folder is missing, has no such part, holds no image, or is named twice.
        DatasetError: If an image has no mask, or two masks or images share a stem.
    """
    whole = [folder.resolve() for folder in folders]
    names = [path.name for path in whole]
    for path in whole:
        if whole.count(path) > 1:
            raise UsageError("is given twice", where=path, hint="name each data folder once")
    groups = [path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}" for path in whole]
    return tuple(
        sample
        for folder, group in zip(folders, groups, strict=True)
        for sample in find_samples(folder, split, group=group)
    )


def _split_folder(folder: Path, split: Split) -> Path:
    if not folder.is_dir():
        raise UsageError("no such data folder", where=folder, hint="check the path")
    order = {"train": ("train", "."), "val": ("val", ".", "test"), "test": ("test", ".")}[split]
    for part in order:
        if (folder / part / "images").is_dir():
            if not (folder / part / "masks").is_dir():
                raise UsageError("has images but no folder 'masks' beside them", where=folder / part)
            return folder / part
    raise UsageError(
        "no images here", where=folder, hint=f"expected {split}/images and {split}/masks, or images and masks"
    )


def _by_stem(paths: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise DatasetError(
                f"has the same stem as {display_text(found[path.stem].name)}", where=path, hint="keep one of them"
            )
        found[path.stem] = path
    return found


def read_sample(sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read a sample.

    Returns:
        The ``(H, W, 3)`` RGB image and its ``(H, W)`` mask.

    Raises:
        ImageError: If either cannot be read.
        DatasetError: If their sizes differ.
    """
    image, mask = read_image(sample.image), read_mask(sample.mask)
    _check_sizes(sample, (image.shape[0], image.shape[1]), (mask.shape[0], mask.shape[1]))
    return image, mask


def check_sizes(samples: Sequence[Sample]) -> None:
    """Look at the headers of all samples, so that a wrong pair is found before an hour's training, not after.

    Raises:
        ImageError: If a header cannot be read.
        DatasetError: If an image and its mask differ in size.
    """
    for sample in samples:
        _check_sizes(sample, image_size(sample.image), image_size(sample.mask))


def _check_sizes(sample: Sample, image: tuple[int, int], mask: tuple[int, int]) -> None:
    if image != mask:
        raise DatasetError(
            f"the mask is {mask[1]}x{mask[0]} pixels, its image {image[1]}x{image[0]}",
            where=sample.mask,
            hint="a mask has the size of its image; is it another image's?",
        )


def hold_out(samples: Sequence[Sample], fraction: float) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Divide samples into a part to train on and a part to validate on.

    Each group gives its share. Who is held out depends on nothing but the file's stem, so adding or removing other
    files moves none.

    Args:
        samples: At least two.
        fraction: Share to hold out, above 0 and below 1; at least one sample of each group of two or more.

    Returns:
        The samples to train on, and those held out, both in their order.
    """
    held: set[Sample] = set()
    for group in dict.fromkeys(sample.group for sample in samples):
        members = [sample for sample in samples if sample.group == group]
        ranked = sorted(
            members, key=lambda sample: hashlib.sha256(sample.image.stem.encode("utf-8", "replace")).digest()
        )
        held.update(ranked[: min(max(1, round(fraction * len(members))), len(members) - 1)])
    return tuple(item for item in samples if item not in held), tuple(item for item in samples if item in held)


def hash_samples(samples: Sequence[Sample]) -> str:
    """Return one sha256 over the bytes of all images and masks, in hexadecimal: which data a model saw."""
    digest = hashlib.sha256()
    for sample in samples:
        for path in (sample.image, sample.mask):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
