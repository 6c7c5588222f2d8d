"""True masks as networks learn them: crack or not, or the number of a class."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.samples import Sample, read_sample
from crackseg.errors import DatasetError, display_text
from crackseg.imaging.codec import decode_stored, read_file, read_image


def read_class_sample(sample: Sample, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read a sample for a network of so many classes.

    Args:
        sample: The sample.
        classes: Channels of the network's output. Up to two, the mask says crack or not as `read_sample` has it; above,
            its pixels are the numbers of the classes, 0 being the background.

    Returns:
        The ``(H, W, 3)`` RGB image and its ``(H, W)`` class numbers.

    Raises:
        ImageError: If either cannot be read.
        DatasetError: If their sizes differ, or the mask holds other numbers.
    """
    if classes <= 2:
        image, mask = read_sample(sample)
        return image, mask.astype(np.uint8)
    image = read_image(sample.image)
    stored = decode_stored(read_file(sample.mask), name=display_text(sample.mask)).samples
    if stored.ndim != 2 or stored.shape != image.shape[:2]:
        raise DatasetError(
            f"expected one channel of {image.shape[1]}x{image.shape[0]} px, got the shape {stored.shape}",
            where=sample.mask,
            hint=f"with network.classes={classes} a mask holds the number of the class in each pixel",
        )
    largest = int(stored.max())
    if stored.min() < 0 or largest >= classes:
        binary = set(np.unique(stored).tolist()) <= {0, 255}
        raise DatasetError(
            "holds 0 and 255 alone, crack or not" if binary else f"holds the class {largest}",
            where=sample.mask,
            hint=(
                f"network.classes={classes} expects the numbers 0 to {classes - 1}"
                + ("; for crack or not train with network.classes=1" if binary else "")
            ),
        )
    return image, stored.astype(np.uint8)


def check_classes(masks: Iterable[NDArray[np.uint8]], classes: int) -> None:
    """Make sure that a network of several classes does not learn from masks of one.

    Raises:
        DatasetError: If no mask holds more than crack and background.
    """
    if classes > 2 and max((int(mask.max()) for mask in masks), default=classes) <= 1:
        raise DatasetError(
            f"network.classes={classes}, and all masks hold crack and background alone",
            hint="set network.classes=1, or write the number of the class into the masks",
        )
