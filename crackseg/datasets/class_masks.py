"""Read samples with binary masks or with masks of class numbers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.samples import Sample, read_sample_and_void
from crackseg.errors import DatasetError, display_text
from crackseg.imaging.codec import decode_stored, read_file, read_image
from crackseg.imaging.samples import VOID


def read_class_sample(sample: Sample, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read a sample for a network with a number of classes.

    Args:
        sample: The sample.
        classes: Channels of the output of the network. Up to two, the mask is binary as in `read_sample`. Above two,
            its pixels are class numbers, where 0 is the background.

    Returns:
        ``(H, W, 3)`` uint8 RGB image and ``(H, W)`` uint8 class numbers, with `VOID` where pixels are neither trained
        nor scored.

    Raises:
        ImageError: If either file cannot be read.
        DatasetError: If their sizes differ, or the mask holds other numbers.

    Example:
        >>> from pathlib import Path
        >>> sample = Sample(Path("walls/images/00.png"), Path("walls/masks/00.png"), "walls")
        >>> image, numbers = read_class_sample(sample, classes=1)
        >>> image.shape, np.unique(numbers).tolist()
        ((96, 128, 3), [0, 1])
    """
    if classes <= 2:
        image, mask, void = read_sample_and_void(sample)
        numbers = mask.astype(np.uint8)
        if void is not None:
            numbers[void] = VOID
        return image, numbers
    image = read_image(sample.image)
    stored = decode_stored(read_file(sample.mask), name=display_text(sample.mask)).samples
    if stored.ndim != 2 or stored.shape != image.shape[:2]:
        raise DatasetError(
            f"expected one channel of {image.shape[1]}x{image.shape[0]} px, got the shape {stored.shape}",
            where=sample.mask,
            hint=f"for network.classes={classes}, store the class number of each pixel in the mask",
        )
    numbered = stored[stored != VOID]
    # Without class numbers next to it, 255 is crack and not void.
    largest = (
        int(numbered.max()) if numbered.size and (numbered.max() > 0 or stored.max() < VOID) else int(stored.max())
    )
    if stored.min() < 0 or largest >= classes:
        binary = set(np.unique(stored).tolist()) <= {0, 255}
        raise DatasetError(
            f"expected class numbers 0 to {classes - 1}, got {'a mask of 0 and 255' if binary else largest}",
            where=sample.mask,
            hint="store class numbers in the mask, or set network.classes="
            + ("1 for crack and background" if binary else f"{largest + 1} or more"),
        )
    return image, stored.astype(np.uint8)


def split_void(numbers: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Separate class numbers from void pixels.

    Args:
        numbers: ``(H, W)`` uint8 class numbers from `read_class_sample`.

    Returns:
        ``(H, W)`` uint8 class numbers, 0 at void pixels, and ``(H, W)`` bool void pixels.

    Example:
        >>> split_void(np.array([[0, 1, 255]], np.uint8))
        (array([[0, 1, 0]], dtype=uint8), array([[False, False,  True]]))
    """
    void = np.asarray(numbers == VOID)
    return np.where(void, np.uint8(0), numbers), void


def check_classes(masks: Iterable[NDArray[np.uint8]], classes: int) -> None:
    """Check that masks for several classes hold more than one.

    Args:
        masks: ``(H, W)`` uint8 class numbers of each mask.
        classes: Channels of the output of the network.

    Raises:
        DatasetError: If all masks hold only crack and background, and there are more than two classes.

    Example:
        >>> check_classes([np.array([[0, 2]], np.uint8), np.array([[0, 1]], np.uint8)], classes=3)
    """
    if classes > 2 and max((int(split_void(mask)[0].max()) for mask in masks), default=classes) <= 1:
        raise DatasetError(
            f"network.classes={classes}, but all masks hold only crack and background",
            hint="set network.classes=1, or store class numbers in the masks",
        )
