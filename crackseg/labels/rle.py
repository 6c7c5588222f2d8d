"""Run-length encodings: competition pairs, COCO counts and compressed strings, CVAT.

All of them list the runs of a flattened mask. What differs is the order of flattening (column by column, or row by
row), whether pixels count from 0 or 1, and whether a run is a start and a length or the distance to the next change.
Label Studio packs its runs into bits; see `crackseg.labels.brush`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError, UsageError
from crackseg.imaging.codec import MAX_PIXELS

Order = Literal["column", "row"]
"""How a mask is flattened: ``column`` runs down the first column, then the second; ``row`` along the first row."""

Shape = tuple[int, int]
"""Height and width ``(H, W)``, in pixels."""


_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How pairs of ``start length`` count pixels.

    Attributes:
        order: In which order.
        first: Number of the first pixel.
    """

    order: Order = "column"
    first: Literal[0, 1] = 1

    def __str__(self) -> str:
        return f"{self.order}-major, {self.first}-based"


KAGGLE = Dialect()
"""What competitions ship: column by column, the first pixel is 1."""

DIALECTS = tuple(Dialect(order, first) for order in ("column", "row") for first in (1, 0))
"""Every dialect of pairs, the usual one first."""


def rle_decode(mask_rle: str, shape: Shape, dialect: Dialect = KAGGLE, *, name: str = "RLE") -> NDArray[np.bool_]:
    """Decode a text of ``start length`` pairs; it keeps the name it has in every competition.

    Args:
        mask_rle: Numbers with white space between; an empty text is an empty mask.
        shape: Height and width of the mask, in pixels.
        dialect: How the pairs count pixels.
        name: What to call it in an error.

    Returns:
        ``(H, W)`` mask.

    Raises:
        LabelError: If the text holds anything but pairs of runs that fit the shape and do not overlap; it names the
            position.
    """
    return decode_pairs(parse_numbers(mask_rle, name=name), shape, dialect, name=name)


def rle_encode(mask: NDArray[np.bool_], dialect: Dialect = KAGGLE) -> str:
    """Encode a ``(H, W)`` mask as a text of ``start length`` pairs; an empty mask is an empty text."""
    numbers = encode_pairs(mask, dialect)
    # One format for all numbers is quicker than a text for each.
    return ("%d " * numbers.size % tuple(numbers.tolist())).rstrip()


def decode_pairs(
    numbers: NDArray[np.int64], shape: Shape, dialect: Dialect = KAGGLE, *, name: str = "RLE"
) -> NDArray[np.bool_]:
    """Decode pairs of ``start length`` that are numbers already.

    Args:
        numbers: ``(2 N,)`` starts and lengths in turn, in pixels; runs in any order.
        shape: Height and width of the mask, in pixels.
        dialect: How the pairs count pixels.
        name: What to call it in an error.

    Returns:
        ``(H, W)`` mask.

    Raises:
        LabelError: If the numbers are no pairs of runs that fit the shape and do not overlap; it names the position.
    """
    size = _area(shape, name)
    if numbers.size % 2:
        raise LabelError(
            f"expected pairs of start and length, got {numbers.size} numbers:"
            f" number {numbers.size}, start {numbers[-1]}, has no length",
            where=name,
            hint="is the text cut short, or is it a list of counts?",
        )
    starts, lengths = numbers[0::2] - dialect.first, numbers[1::2]
    _check_runs(starts, lengths, size, dialect, name)
    order = np.argsort(starts, kind="stable") if (starts[1:] < starts[:-1]).any() else slice(None)
    starts, ends = starts[order], (starts + lengths)[order]
    _check_overlap(starts, ends, order, dialect, name)
    changes = np.empty(numbers.size + 2, np.int64)
    changes[0], changes[1:-1:2], changes[2::2], changes[-1] = 0, starts, ends, size
    return _unflattened(_filled(np.diff(changes)), shape, dialect.order)


def encode_pairs(mask: NDArray[np.bool_], dialect: Dialect = KAGGLE) -> NDArray[np.int64]:
    """Return the ``(2 N,)`` starts and lengths, in turn, of the runs of a ``(H, W)`` mask, by ascending start."""
    changes = _changes(_flattened(mask, dialect.order))
    changes[1::2] -= changes[0::2]
    changes[0::2] += dialect.first
    return changes


def decode_counts(
    counts: NDArray[np.int64] | Sequence[int], shape: Shape, *, order: Order = "column", name: str = "RLE"
) -> NDArray[np.bool_]:
    """Decode counts of pixels off, on, off and so on: what COCO calls an uncompressed RLE.

    Args:
        counts: ``(N,)`` lengths of runs, in pixels, the first of pixels that are off. A count of 0 is a run that is not
            there, which COCO needs in first place and other tools write elsewhere too.
        shape: Height and width of the mask, in pixels.
        order: How the mask was flattened.
        name: What to call it in an error.

    Returns:
        ``(H, W)`` mask; of no counts at all, an empty one.

    Raises:
        LabelError: If a count is negative, or they do not add up to the number of pixels; it names the position.
    """
    size = _area(shape, name)
    lengths = _as_counts(counts, name)
    wrong = np.flatnonzero((lengths < 0) | (lengths > size))
    if wrong.size:
        at = int(wrong[0])
        raise LabelError(
            f"expected counts from 0 to {size}, the number of pixels; got {lengths[at]} as count {at + 1}", where=name
        )
    total = int(lengths.sum())
    if total != size and lengths.size:
        past = np.flatnonzero(np.cumsum(lengths) > size)
        place = f"count {int(past[0]) + 1} runs past the end" if past.size else "the last pixels are not counted"
        raise LabelError(
            f"the counts add up to {total} and {shape[0]}x{shape[1]} has {size} pixels: {place}",
            where=name,
            hint="check height and width, and their order",
        )
    return _unflattened(_filled(lengths if lengths.size else np.array([size])), shape, order)


def encode_counts(mask: NDArray[np.bool_], *, order: Order = "column") -> NDArray[np.int64]:
    """Return the ``(N,)`` counts of pixels off, on, off and so on, of a ``(H, W)`` mask; they add up to its pixels."""
    flat = _flattened(mask, order)
    changes = _changes(flat)
    if changes.size and changes[-1] == flat.size:
        changes = changes[:-1]
    return np.diff(changes, prepend=0, append=flat.size)


def encode_cutout(pixels: NDArray[np.bool_], corner: tuple[int, int], shape: Shape) -> NDArray[np.int64]:
    """Return the counts, column by column, of a mask that is empty outside a box; it costs what the box costs.

    Args:
        pixels: ``(h, w)`` pixels of the box.
        corner: (row, col) of its first pixel in the mask.
        shape: Height and width of the mask, in pixels.
    """
    # A row more than the box has, so that no run goes on into the next column.
    columns = np.zeros((pixels.shape[1], pixels.shape[0] + 1), np.bool_)
    columns[:, :-1] = pixels.T
    col, row = np.divmod(_changes(columns.ravel()), columns.shape[1])
    changes = (corner[1] + col) * shape[0] + corner[0] + row
    apart = changes[1:-1:2] != changes[2::2]
    starts, ends = changes[0::2][np.append(True, apart)[: col.size]], changes[1::2][np.append(apart, True)[: col.size]]
    bounds = np.concatenate(([0], np.stack((starts, ends), axis=1).ravel(), [math.prod(shape)]))
    counts = np.diff(bounds)
    return counts if counts[-1] else counts[:-1]


def compress_counts(counts: NDArray[np.int64]) -> str:
    """Return counts as COCO's compressed string, the same bytes as pycocotools.

    Each count from the fourth on is stored as the difference to the one two before it, in groups of five bits, lowest
    first; bit 5 says that more follow, and the last group's bit 4 is the sign.

    Args:
        counts: ``(N,)`` lengths of runs.

    Source:
        Lin et al., COCO API, common/maskApi.c, rleToString, 2015.
    """
    values = counts.copy()
    values[3:] -= counts[1:-2]
    magnitude = np.where(values < 0, ~values, values)
    # A group of k takes values of less than 2 ** (5 k - 1) in magnitude.
    groups = 1 + np.searchsorted(2 ** np.arange(4, 60, 5, dtype=np.int64), magnitude, side="right")
    token = np.repeat(np.arange(values.size), groups)
    step = np.arange(token.size) - np.repeat(np.cumsum(groups) - groups, groups)
    bits = (values[token] >> (5 * step)) & 31
    more = step < groups[token] - 1
    return (bits + 32 * more + 48).astype(np.uint8).tobytes().decode("ascii")


def decompress_counts(text: str | bytes, *, name: str = "RLE") -> NDArray[np.int64]:
    """Return the counts of a compressed string, as pycocotools reads it.

    Raises:
        LabelError: If a character does not belong there, a number does not end, or is larger than any image; it names
            the position.

    Source:
        Lin et al., COCO API, common/maskApi.c, rleFrString, 2015.
    """
    data = np.frombuffer(text.encode("utf-8") if isinstance(text, str) else text, np.uint8).astype(np.int64) - 48
    wrong = np.flatnonzero((data < 0) | (data > 63))
    if wrong.size:
        at = int(wrong[0])
        raise LabelError(f"expected the characters '0' to 'o', got {chr(data[at] + 48)!r} as {at + 1}", where=name)
    ends = np.flatnonzero(data < 32)
    if data.size and (not ends.size or ends[-1] != data.size - 1):
        raise LabelError(f"the number that ends the string is cut short at character {data.size}", where=name)
    starts = np.concatenate(([0], ends[:-1] + 1)).astype(np.int64)[: ends.size]
    groups = ends - starts + 1
    if groups.size and groups.max() > 8:
        at = int(starts[np.argmax(groups > 8)])
        raise LabelError(f"the number at character {at + 1} is larger than any image", where=name)
    step = np.arange(data.size) - np.repeat(starts, groups)
    values = np.add.reduceat((data & 31) << (5 * step), starts) if data.size else np.zeros(0, np.int64)
    values -= np.where(data[ends] & 16, np.int64(1) << (5 * groups), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def decode_cvat(
    counts: NDArray[np.int64] | Sequence[int], box: tuple[int, int, int, int], shape: Shape, *, name: str = "RLE"
) -> NDArray[np.bool_]:
    """Decode a mask of CVAT: counts row by row inside a box.

    Args:
        counts: ``(N,)`` lengths of runs, in pixels, the first of pixels that are off.
        box: ``(row0, col0, row1, col1)``, half-open, in pixels.
        shape: Height and width of the image, in pixels.
        name: What to call it in an error.

    Returns:
        ``(H, W)`` mask.

    Raises:
        LabelError: If the box does not lie in the image, or the counts do not fit the box.
    """
    _area(shape, name)
    row0, col0, row1, col1 = box
    if not (0 <= row0 < row1 <= shape[0] and 0 <= col0 < col1 <= shape[1]):
        raise LabelError(
            f"the box of rows {row0} to {row1} and columns {col0} to {col1} does not lie in"
            f" {shape[0]}x{shape[1]} pixels",
            where=name,
        )
    mask = np.zeros(shape, np.bool_)
    mask[row0:row1, col0:col1] = decode_counts(counts, (row1 - row0, col1 - col0), order="row", name=name)
    return mask


def encode_cvat(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], tuple[int, int, int, int]]:
    """Return the counts of a ``(H, W)`` mask that is not empty, row by row inside its tight box, and that box.

    Raises:
        UsageError: If the mask is empty; CVAT has no such object.
    """
    box = tight_box(mask)
    if box is None:
        raise UsageError("an empty mask has no box")
    return encode_counts(mask[box[0] : box[2], box[1] : box[3]], order="row"), box


def tight_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return the smallest box ``(row0, col0, row1, col1)``, half-open, around a ``(H, W)`` mask; None if empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1


def parse_numbers(text: str, *, name: str = "RLE") -> NDArray[np.int64]:
    """Return the whole numbers of a text, which white space or commas divide.

    Raises:
        LabelError: If anything else is in it; it names the position.
    """
    plain = text.replace(",", " ")
    if not plain.encode("utf-8", "surrogatepass").translate(None, b"0123456789 \t\r\n"):
        return np.fromstring(plain, dtype=np.int64, sep=" ") if plain.strip() else np.zeros(0, np.int64)
    words = plain.split()
    for number, word in enumerate(words, start=1):
        if not _WHOLE_NUMBER.fullmatch(word):
            raise LabelError(f"expected whole numbers, got {word[:20]!r} as number {number}", where=name)
    return np.array(words, dtype=np.int64)


def _check_runs(starts: NDArray[np.int64], lengths: NDArray[np.int64], size: int, dialect: Dialect, name: str) -> None:
    """Refuse the first run that does not lie in ``size`` pixels."""
    wrong = np.flatnonzero((lengths < 1) | (starts < 0) | (starts >= size) | (lengths > size - starts))
    if not wrong.size:
        return
    at = int(wrong[0])
    start, length = int(starts[at]) + dialect.first, int(lengths[at])
    place = f"run {at + 1} (start {start}, length {length}, numbers {2 * at + 1} and {2 * at + 2})"
    if length < 1:
        raise LabelError(f"{place}: expected a length of 1 or more", where=name)
    if start < dialect.first:
        raise LabelError(f"{place}: expected a start of {dialect.first} or more", where=name, hint="is it 0-based?")
    raise LabelError(
        f"{place}: runs past the end, which is pixel {size - 1 + dialect.first}",
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
    """Refuse the first of the runs, sorted by start, that begins before the one before it ends."""
    wrong = np.flatnonzero(starts[1:] < ends[:-1])
    if wrong.size:
        at = int(wrong[0])
        first, second = (at, at + 1) if isinstance(order, slice) else (int(order[at]), int(order[at + 1]))
        raise LabelError(
            f"run {second + 1} (start {int(starts[at + 1]) + dialect.first}) overlaps run {first + 1}"
            f" (start {int(starts[at]) + dialect.first}, length {int(ends[at] - starts[at])})",
            where=name,
        )


def _as_counts(counts: NDArray[np.int64] | Sequence[int], name: str) -> NDArray[np.int64]:
    if isinstance(counts, np.ndarray):
        return counts
    for at, value in enumerate(counts):
        if type(value) is not int:
            raise LabelError(f"expected whole numbers, got {str(value)[:20]!r} as count {at + 1}", where=name)
    return np.array([max(-1, min(value, 2**62)) for value in counts], dtype=np.int64)


def _area(shape: Shape, name: str) -> int:
    """Return the number of pixels of a shape that can be one."""
    if min(shape) < 1 or math.prod(shape) > MAX_PIXELS:
        raise LabelError(
            f"expected a height and width of 1 or more and at most {MAX_PIXELS:,} pixels, got {shape[0]}x{shape[1]}",
            where=name,
        )
    return math.prod(shape)


def _filled(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the flat mask of counts of pixels off, on, off and so on."""
    return np.repeat((np.arange(counts.size) & 1).astype(np.bool_), counts)


def _flattened(mask: NDArray[np.bool_], order: Order) -> NDArray[np.bool_]:
    whole = np.ascontiguousarray(mask, dtype=np.bool_)
    if order == "row" or 0 in whole.shape:
        return np.ravel(whole)
    return np.ravel(cv2.transpose(whole.view(np.uint8))).view(np.bool_)


def _unflattened(flat: NDArray[np.bool_], shape: Shape, order: Order) -> NDArray[np.bool_]:
    if order == "row":
        return flat.reshape(shape)
    turned = cv2.transpose(flat.reshape(shape[1], shape[0]).view(np.uint8))
    return turned.reshape(shape).view(np.bool_)


def _changes(flat: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where runs begin and end, in turn: the index of their first pixel, and of the first after them."""
    inner = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first = [0] if flat.size and flat[0] else []
    last = [flat.size] if flat.size and flat[-1] else []
    return np.concatenate((first, inner, last)).astype(np.int64)
