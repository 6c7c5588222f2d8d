"""Encode and decode the run lengths of competitions: pairs of start and length.

The dialects differ in the order of the pixels (by column or by row) and in the number of the first pixel (0 or 1).
COCO and CVAT count pixels instead, see `crackseg.labels.counts`. Label Studio packs its runs into bits, see
`crackseg.labels.brush`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.labels.runs import (
    Order,
    Shape,
    count_pixels,
    expand_runs,
    find_changes,
    flatten_mask,
    parse_numbers,
    unflatten_mask,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Convention for the pixel numbers of ``start length`` pairs.

    Attributes:
        order: Order of the pixels.
        first: Number of the first pixel.
    """

    order: Order = "column"
    first: Literal[0, 1] = 1

    def __str__(self) -> str:
        return f"{self.order}-major, {self.first}-based"


KAGGLE = Dialect()
"""Dialect of competitions: column by column, the first pixel is 1."""

DIALECTS = tuple(Dialect(order, first) for order in ("column", "row") for first in (1, 0))
"""All dialects, the usual one first."""


def rle_decode(mask_rle: str, shape: Shape, dialect: Dialect = KAGGLE, *, name: str = "RLE") -> NDArray[np.bool_]:
    """Decode a text of ``start length`` pairs.

    Args:
        mask_rle: Numbers separated by white space; an empty text is an empty mask.
        shape: Height and width ``(H, W)`` of the mask, in pixels.
        dialect: Pixel numbering of the pairs.
        name: Name of the RLE in error messages.

    Returns:
        ``(H, W)`` bool mask.

    Raises:
        LabelError: If the text is not pairs of disjoint runs within the mask; the message names the run.

    Example:
        >>> rle_decode("2 1 5 2", (2, 3)).astype(int).tolist()
        [[0, 0, 1], [1, 0, 1]]
    """
    return decode_pairs(parse_numbers(mask_rle, name=name), shape, dialect, name=name)


def rle_encode(mask: NDArray[np.bool_], dialect: Dialect = KAGGLE) -> str:
    """Encode a mask as a text of ``start length`` pairs.

    Args:
        mask: ``(H, W)`` bool mask.
        dialect: Pixel numbering of the pairs.

    Returns:
        Numbers separated by spaces, by ascending start; empty for an empty mask.

    Example:
        >>> rle_encode(np.array([[False, False, True], [True, False, True]]))
        '2 1 5 2'
    """
    numbers = encode_pairs(mask, dialect)
    # Formatting all numbers at once is faster than formatting each.
    return ("%d " * numbers.size % tuple(numbers.tolist())).rstrip()


def decode_pairs(
    numbers: NDArray[np.int64], shape: Shape, dialect: Dialect = KAGGLE, *, name: str = "RLE"
) -> NDArray[np.bool_]:
    """Decode an array of ``start length`` pairs.

    Args:
        numbers: ``(2 N,)`` int64 alternating starts and lengths, in pixels; runs in any order.
        shape: Height and width ``(H, W)`` of the mask, in pixels.
        dialect: Pixel numbering of the pairs.
        name: Name of the RLE in error messages.

    Returns:
        ``(H, W)`` bool mask.

    Raises:
        LabelError: If the numbers are not pairs of disjoint runs within the mask; the message names the run.
    """
    size = count_pixels(shape, name)
    if numbers.size % 2:
        raise LabelError(
            f"expected pairs of start and length, got {numbers.size} numbers:"
            f" number {numbers.size}, start {numbers[-1]}, has no length",
            where=name,
            hint="check that the text is complete, and that it is not a list of counts",
        )
    starts, lengths = numbers[0::2] - dialect.first, numbers[1::2]
    _check_runs(starts, lengths, size, dialect, name)
    order = np.argsort(starts, kind="stable") if (starts[1:] < starts[:-1]).any() else slice(None)
    starts, ends = starts[order], (starts + lengths)[order]
    _check_overlap(starts, ends, order, dialect, name)
    changes = np.empty(numbers.size + 2, np.int64)
    changes[0], changes[1:-1:2], changes[2::2], changes[-1] = 0, starts, ends, size
    return unflatten_mask(expand_runs(np.diff(changes)), shape, dialect.order)


def encode_pairs(mask: NDArray[np.bool_], dialect: Dialect = KAGGLE) -> NDArray[np.int64]:
    """Return the runs of a mask as an array of pairs.

    Args:
        mask: ``(H, W)`` bool mask.
        dialect: Pixel numbering of the pairs.

    Returns:
        ``(2 N,)`` int64 alternating starts and lengths, in pixels, by ascending start.
    """
    changes = find_changes(flatten_mask(mask, dialect.order))
    changes[1::2] -= changes[0::2]
    changes[0::2] += dialect.first
    return changes


def _check_runs(starts: NDArray[np.int64], lengths: NDArray[np.int64], size: int, dialect: Dialect, name: str) -> None:
    """Refuse the first run that does not lie within ``size`` pixels."""
    wrong = np.flatnonzero((lengths < 1) | (starts < 0) | (starts >= size) | (lengths > size - starts))
    if not wrong.size:
        return
    at = int(wrong[0])
    start, length = int(starts[at]) + dialect.first, int(lengths[at])
    place = f"run {at + 1} (start {start}, length {length}, numbers {2 * at + 1} and {2 * at + 2})"
    if length < 1:
        raise LabelError(f"{place}: expected a length of 1 or more", where=name, hint="remove the run")
    if start < dialect.first:
        raise LabelError(
            f"{place}: expected a start of {dialect.first} or more",
            where=name,
            hint="check the dialect: pixels may count from 0",
        )
    raise LabelError(
        f"{place}: runs past the last pixel, {size - 1 + dialect.first}",
        where=name,
        hint="check height and width, and whether pixels count from 0 or 1",
    )


def _check_overlap(
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    order: NDArray[np.int64] | slice,
    dialect: Dialect,
    name: str,
) -> None:
    """Refuse the first of the sorted runs that intersects the previous one."""
    wrong = np.flatnonzero(starts[1:] < ends[:-1])
    if wrong.size:
        at = int(wrong[0])
        first, second = (at, at + 1) if isinstance(order, slice) else (int(order[at]), int(order[at + 1]))
        raise LabelError(
            f"run {second + 1} (start {int(starts[at + 1]) + dialect.first}) overlaps run {first + 1}"
            f" (start {int(starts[at]) + dialect.first}, length {int(ends[at] - starts[at])})",
            where=name,
            hint="merge the runs",
        )
