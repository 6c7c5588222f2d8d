"""Find, read and divide samples: images with their masks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.content import hash_files
from crackseg.errors import DatasetError, UsageError, display_text
from crackseg.files import list_images
from crackseg.imaging.codec import image_size, read_image, read_mask_and_void

Split = Literal["train", "val", "test"]

VAL_FOLDERS = ("val", "valid", "validation")
"""Names of the folder of the split ``val``; export services write ``valid``."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An image file and its mask file.

    Attributes:
        image: Image file.
        mask: Mask file: the file of the same stem in the folder ``masks``.
        group: Name of the data set.
    """

    image: Path
    mask: Path
    group: str


def find_samples(folder: Path, split: Split, *, group: str | None = None) -> tuple[Sample, ...]:
    """Find the samples of a data folder.

    The layout is ``DIR/{images,masks}`` or ``DIR/{train,val,test}/{images,masks}``, where ``val`` may be called
    ``valid`` or ``validation``. A folder without splits serves every split.

    Args:
        folder: The data folder, for example one that ``crackseg generate`` wrote.
        split: Split to use, where the folder has splits. If ``val`` is missing, ``test`` is used.
        group: Name of the data set; the name of the folder if None.

    Returns:
        The samples, sorted by file name.

    Raises:
        UsageError: If the folder is missing, has no such split, or holds no image.
        DatasetError: If an image has no mask, or two masks or images share a stem.

    Example:
        >>> samples = find_samples(Path("walls"), "train")
        >>> samples[0].mask.name, samples[0].group
        ('00.png', 'walls')
    """
    root = _split_folder(folder, split)
    images = list_images(root / "images")
    if not images:
        raise UsageError("no images here", where=root / "images", hint="put images there, for example as PNG or JPEG")
    masks = _by_stem(list_images(root / "masks"))
    stems = _by_stem(images)
    missing = [path for stem, path in stems.items() if stem not in masks]
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(images)} images have no mask",
            where=missing[0],
            hint=f"add {display_text(missing[0].stem)}.png to {display_text(root / 'masks')}",
        )
    return tuple(Sample(path, masks[stem], group or folder.resolve().name) for stem, path in stems.items())


def find_all_samples(folders: Sequence[Path], split: Split) -> tuple[Sample, ...]:
    """Find the samples of several data folders, one group per folder.

    The name of a group is that of its folder. Where two folders share a name, that of the parent is added.

    Raises:
        UsageError: If a folder is missing, has no such split, holds no image, or is listed twice.
        DatasetError: If an image has no mask, or two masks or images share a stem.

    Example:
        >>> len(find_all_samples([Path("walls")], "test"))
        4
    """
    whole = [folder.resolve() for folder in folders]
    names = [path.name for path in whole]
    for path in whole:
        if whole.count(path) > 1:
            raise UsageError("data folder listed twice", where=path, hint="list each data folder once")
    groups = [path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}" for path in whole]
    return tuple(
        sample
        for folder, group in zip(folders, groups, strict=True)
        for sample in find_samples(folder, split, group=group)
    )


def _split_folder(folder: Path, split: Split) -> Path:
    if not folder.is_dir():
        raise UsageError("no such data folder", where=folder, hint="check the path")
    order = {"train": ("train", "."), "val": (*VAL_FOLDERS, ".", "test"), "test": ("test", ".")}[split]
    for part in order:
        if (folder / part / "images").is_dir():
            if not (folder / part / "masks").is_dir():
                raise UsageError(
                    "no folder 'masks' next to 'images'",
                    where=folder / part,
                    hint="put the masks there, each named like its image",
                )
            return folder / part
    raise UsageError(
        "no images here", where=folder, hint=f"name a folder with images and masks, or {split}/images and {split}/masks"
    )


def _by_stem(paths: Sequence[Path]) -> dict[str, Path]:
    by_stem: dict[str, Path] = {}
    for path in paths:
        if path.stem in by_stem:
            raise DatasetError(
                f"has the same stem as {display_text(by_stem[path.stem].name)}",
                where=path,
                hint="keep only one of them",
            )
        by_stem[path.stem] = path
    return by_stem


def read_sample(sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read the image and the mask of a sample.

    Returns:
        ``(H, W, 3)`` uint8 RGB image and ``(H, W)`` bool mask.

    Raises:
        ImageError: If either file cannot be read.
        DatasetError: If their sizes differ.

    Example:
        >>> image, mask = read_sample(find_samples(Path("walls"), "train")[0])
        >>> image.shape, mask.shape
        ((96, 128, 3), (96, 128))
    """
    image, mask, _ = read_sample_and_void(sample)
    return image, mask


def read_sample_and_void(sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Read a sample with the pixels of its mask that are void.

    Returns:
        ``(H, W, 3)`` uint8 RGB image, ``(H, W)`` bool mask, and ``(H, W)`` bool void pixels or None without any.

    Raises:
        ImageError: If either file cannot be read.
        DatasetError: If their sizes differ.
    """
    image = read_image(sample.image)
    mask, void = read_mask_and_void(sample.mask)
    _check_sizes(sample, (image.shape[0], image.shape[1]), (mask.shape[0], mask.shape[1]))
    return image, mask, void


def check_sizes(samples: Sequence[Sample]) -> None:
    """Compare the sizes of images and masks by their headers only.

    Raises:
        ImageError: If a header cannot be read.
        DatasetError: If an image and its mask differ in size.

    Example:
        >>> check_sizes(find_samples(Path("walls"), "train"))
    """
    for sample in samples:
        _check_sizes(sample, image_size(sample.image), image_size(sample.mask))


def _check_sizes(sample: Sample, image: tuple[int, int], mask: tuple[int, int]) -> None:
    if image != mask:
        raise DatasetError(
            f"the mask is {mask[1]}x{mask[0]} pixels, its image {image[1]}x{image[0]}",
            where=sample.mask,
            hint="use the mask of this image, at the size of the image",
        )


def hold_out(samples: Sequence[Sample], fraction: float) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Divide samples into a training part and a held-out part.

    The share is held out of each group. The choice depends only on the stem of a file and on the size of its group.

    Args:
        samples: At least two samples.
        fraction: Share to hold out, above 0 and below 1. A group of two or more gives at least one sample.

    Returns:
        The samples to train on and the held-out samples, both in their order.

    Example:
        >>> samples = [Sample(Path(f"{stem}.png"), Path(f"{stem}_mask.png"), "walls") for stem in "abcd"]
        >>> [len(part) for part in hold_out(samples, 0.25)]
        [3, 1]
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
    """Return the SHA-256 of all images and masks, in hexadecimal.

    Example:
        >>> len(hash_samples(find_samples(Path("walls"), "train")))
        64
    """
    paths = [path for sample in samples for path in (sample.image, sample.mask)]
    hashes = hash_files(paths)
    return hashlib.sha256(b"".join(hashes[path] for path in paths)).hexdigest()
