"""Flatten masks and find the runs of their pixels, for all run-length encodings."""

from __future__ import annotations

import math
import re
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.imaging.decoding import MAX_PIXELS

Order = Literal["column", "row"]
"""Order of the pixels of a flattened mask: column by column or row by row."""

Shape = tuple[int, int]
"""Height and width ``(H, W)``, in pixels."""

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def tight_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return the smallest box around the pixels of a mask.

    Args:
        mask: ``(H, W)`` bool mask.

    Returns:
        ``(row0, col0, row1, col1)``, half-open, in pixels; None if the mask is empty.

    Example:
        >>> tight_box(np.array([[False, True, True], [False, True, False]]))
        (0, 1, 2, 3)
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1


def parse_numbers(text: str, *, name: str = "RLE") -> NDArray[np.int64]:
    """Parse whole numbers separated by white space or commas.

    Args:
        text: The numbers.
        name: Name of the text in error messages.

    Returns:
        ``(N,)`` int64 numbers.

    Raises:
        LabelError: If the text holds anything else; the message names the number.
    """
    plain = text.replace(",", " ")
    if not plain.encode("utf-8", "surrogatepass").translate(None, b"0123456789 \t\r\n"):
        return np.fromstring(plain, dtype=np.int64, sep=" ") if plain.strip() else np.zeros(0, np.int64)
    words = plain.split()
    for number, word in enumerate(words, start=1):
        if not _WHOLE_NUMBER.fullmatch(word):
            raise LabelError(
                f"expected whole numbers, got {word[:20]!r} as number {number}",
                where=name,
                hint="separate numbers by spaces or commas",
            )
    return np.array(words, dtype=np.int64)


def count_pixels(shape: Shape, name: str) -> int:
    """Check a shape and return its number of pixels."""
    if min(shape) < 1 or math.prod(shape) > MAX_PIXELS:
        raise LabelError(
            f"expected a height and width of 1 or more and at most {MAX_PIXELS:,} pixels, got {shape[0]}x{shape[1]}",
            where=name,
            hint="check height and width",
        )
    return math.prod(shape)


def expand_runs(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the flat mask of alternating counts of off and on pixels.

    Args:
        counts: ``(N,)`` int64 lengths of runs, in pixels; the first run is off.

    Returns:
        ``(sum(counts),)`` bool mask.
    """
    return np.repeat((np.arange(counts.size) & 1).astype(np.bool_), counts)


def flatten_mask(mask: NDArray[np.bool_], order: Order) -> NDArray[np.bool_]:
    """Flatten a ``(H, W)`` bool mask to ``(H W,)`` in the given order."""
    whole = np.ascontiguousarray(mask, dtype=np.bool_)
    if order == "row" or 0 in whole.shape:
        return np.ravel(whole)
    return np.ravel(cv2.transpose(whole.view(np.uint8))).view(np.bool_)


def unflatten_mask(flat: NDArray[np.bool_], shape: Shape, order: Order) -> NDArray[np.bool_]:
    """Restore a ``(H, W)`` bool mask from its ``(H W,)`` flat form."""
    if order == "row":
        return flat.reshape(shape)
    transposed = cv2.transpose(flat.reshape(shape[1], shape[0]).view(np.uint8))
    return transposed.reshape(shape).view(np.bool_)


def find_changes(flat: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the start and end of each run in a flat mask.

    Args:
        flat: ``(N,)`` bool mask.

    Returns:
        ``(2 R,)`` int64 alternating indices of the first pixel of a run and the first pixel after it.
    """
    inner = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first = [0] if flat.size and flat[0] else []
    last = [flat.size] if flat.size and flat[-1] else []
    return np.concatenate((first, inner, last)).astype(np.int64)
