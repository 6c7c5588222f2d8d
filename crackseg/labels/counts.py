"""Encode and decode run lengths as counts of pixels: COCO's lists and strings, CVAT's masks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError, UsageError
from crackseg.labels.runs import (
    Order,
    Shape,
    count_pixels,
    expand_runs,
    find_changes,
    flatten_mask,
    tight_box,
    unflatten_mask,
)


def decode_counts(
    counts: NDArray[np.int64] | Sequence[int], shape: Shape, *, order: Order = "column", name: str = "RLE"
) -> NDArray[np.bool_]:
    """Decode alternating counts of off and on pixels, COCO's uncompressed RLE.

    Args:
        counts: ``(N,)`` int64 lengths of runs, in pixels; the first run is off. A count of 0 is an empty run, which
            COCO needs in first place and other tools write elsewhere too.
        shape: Height and width ``(H, W)`` of the mask, in pixels.
        order: Order of the pixels.
        name: Name of the RLE in error messages.

    Returns:
        ``(H, W)`` bool mask; empty if there are no counts.

    Raises:
        LabelError: If a count is negative, or the sum is not the number of pixels; the message names the count.

    Example:
        >>> decode_counts([1, 1, 2, 2], (2, 3)).astype(int).tolist()
        [[0, 0, 1], [1, 0, 1]]
    """
    size = count_pixels(shape, name)
    lengths = _as_counts(counts, name)
    wrong = np.flatnonzero((lengths < 0) | (lengths > size))
    if wrong.size:
        at = int(wrong[0])
        raise LabelError(
            f"expected counts from 0 to {size}, the number of pixels; got {lengths[at]} as count {at + 1}",
            where=name,
            hint="check height and width",
        )
    total = int(lengths.sum())
    if total != size and lengths.size:
        past = np.flatnonzero(np.cumsum(lengths) > size)
        place = f"count {int(past[0]) + 1} runs past the end" if past.size else "the last pixels are not counted"
        raise LabelError(
            f"expected counts that add up to {size} = {shape[0]}x{shape[1]} pixels, got {total}: {place}",
            where=name,
            hint="check height and width, and their order",
        )
    return unflatten_mask(expand_runs(lengths if lengths.size else np.array([size])), shape, order)


def encode_counts(mask: NDArray[np.bool_], *, order: Order = "column") -> NDArray[np.int64]:
    """Return alternating counts of off and on pixels of a mask.

    Args:
        mask: ``(H, W)`` bool mask.
        order: Order of the pixels.

    Returns:
        ``(N,)`` int64 lengths of runs, in pixels, the first off; their sum is H W.

    Example:
        >>> encode_counts(np.array([[False, False, True], [True, False, True]])).tolist()
        [1, 1, 2, 2]
    """
    flat = flatten_mask(mask, order)
    changes = find_changes(flat)
    if changes.size and changes[-1] == flat.size:
        changes = changes[:-1]
    return np.diff(changes, prepend=0, append=flat.size)


def encode_cutout(pixels: NDArray[np.bool_], corner: tuple[int, int], shape: Shape) -> NDArray[np.int64]:
    """Return the counts, column by column, of the pixels of a box.

    The mask is empty outside the box, and the cost depends on the size of the box only.

    Args:
        pixels: ``(h, w)`` bool pixels of the box.
        corner: ``(row, col)`` of its first pixel in the mask.
        shape: Height and width ``(H, W)`` of the mask, in pixels.

    Returns:
        ``(N,)`` int64 lengths of runs, in pixels, the first off; their sum is H W.
    """
    # The additional row keeps a run from continuing into the next column.
    columns = np.zeros((pixels.shape[1], pixels.shape[0] + 1), np.bool_)
    columns[:, :-1] = pixels.T
    col, row = np.divmod(find_changes(columns.ravel()), columns.shape[1])
    changes = (corner[1] + col) * shape[0] + corner[0] + row
    apart = changes[1:-1:2] != changes[2::2]
    starts, ends = changes[0::2][np.append(True, apart)[: col.size]], changes[1::2][np.append(apart, True)[: col.size]]
    bounds = np.concatenate(([0], np.stack((starts, ends), axis=1).ravel(), [math.prod(shape)]))
    counts = np.diff(bounds)
    return counts if counts[-1] else counts[:-1]


def compress_counts(counts: NDArray[np.int64]) -> str:
    """Return counts as COCO's compressed string, as pycocotools writes it.

    From the fourth count on, the string stores the difference to the count two places before. A number is stored in
    groups of five bits, lowest first. Bit 5 marks that more groups follow, and bit 4 of the last group is the sign.

    Args:
        counts: ``(N,)`` int64 lengths of runs, in pixels.

    Example:
        >>> compress_counts(np.array([1, 1, 2, 2]))
        '1121'

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

    Args:
        text: Compressed string.
        name: Name of the RLE in error messages.

    Returns:
        ``(N,)`` int64 lengths of runs, in pixels.

    Raises:
        LabelError: If a character is invalid, or a number is incomplete or too large; the message names the character.

    Example:
        >>> decompress_counts("1121").tolist()
        [1, 1, 2, 2]

    Source:
        Lin et al., COCO API, common/maskApi.c, rleFrString, 2015.
    """
    data = np.frombuffer(text.encode("utf-8") if isinstance(text, str) else text, np.uint8).astype(np.int64) - 48
    wrong = np.flatnonzero((data < 0) | (data > 63))
    if wrong.size:
        at = int(wrong[0])
        raise LabelError(
            f"expected the characters '0' to 'o', got {chr(data[at] + 48)!r} as character {at + 1}",
            where=name,
            hint="check that this is a compressed COCO string",
        )
    ends = np.flatnonzero(data < 32)
    if data.size and (not ends.size or ends[-1] != data.size - 1):
        raise LabelError(
            f"the last number is incomplete at character {data.size}",
            where=name,
            hint="check that the string is complete",
        )
    starts = np.concatenate(([0], ends[:-1] + 1)).astype(np.int64)[: ends.size]
    groups = ends - starts + 1
    if groups.size and groups.max() > 8:
        at = int(starts[np.argmax(groups > 8)])
        raise LabelError(
            f"the number at character {at + 1} is larger than any image",
            where=name,
            hint="check that this is a compressed COCO string",
        )
    step = np.arange(data.size) - np.repeat(starts, groups)
    values = np.add.reduceat((data & 31) << (5 * step), starts) if data.size else np.zeros(0, np.int64)
    values -= np.where(data[ends] & 16, np.int64(1) << (5 * groups), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def decode_cvat(
    counts: NDArray[np.int64] | Sequence[int], box: tuple[int, int, int, int], shape: Shape, *, name: str = "RLE"
) -> NDArray[np.bool_]:
    """Decode a CVAT mask: counts row by row inside a box.

    Args:
        counts: ``(N,)`` int64 lengths of runs, in pixels; the first run is off.
        box: ``(row0, col0, row1, col1)``, half-open, in pixels.
        shape: Height and width ``(H, W)`` of the image, in pixels.
        name: Name of the RLE in error messages.

    Returns:
        ``(H, W)`` bool mask.

    Raises:
        LabelError: If the box reaches beyond the image, or the counts do not fit the box.

    Example:
        >>> decode_cvat([1, 2], (0, 1, 1, 4), (2, 4)).astype(int).tolist()
        [[0, 0, 1, 1], [0, 0, 0, 0]]
    """
    count_pixels(shape, name)
    row0, col0, row1, col1 = box
    if not (0 <= row0 < row1 <= shape[0] and 0 <= col0 < col1 <= shape[1]):
        raise LabelError(
            f"the box of rows {row0} to {row1} and columns {col0} to {col1} does not lie in the image of"
            f" {shape[0]}x{shape[1]} pixels (height x width)",
            where=name,
            hint="correct the box or the image size",
        )
    mask = np.zeros(shape, np.bool_)
    mask[row0:row1, col0:col1] = decode_counts(counts, (row1 - row0, col1 - col0), order="row", name=name)
    return mask


def encode_cvat(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], tuple[int, int, int, int]]:
    """Encode a mask as counts row by row inside its tight box.

    Args:
        mask: ``(H, W)`` bool mask with at least one pixel.

    Returns:
        ``(N,)`` int64 counts, in pixels, and the box ``(row0, col0, row1, col1)``, half-open, in pixels.

    Raises:
        UsageError: If the mask is empty, which CVAT does not support.

    Example:
        >>> counts, box = encode_cvat(np.array([[False, True, True]]))
        >>> counts.tolist(), box
        ([0, 2], (0, 1, 1, 3))
    """
    box = tight_box(mask)
    if box is None:
        raise UsageError("expected a mask with at least one crack pixel, got an empty mask")
    return encode_counts(mask[box[0] : box[2], box[1] : box[3]], order="row"), box


def _as_counts(counts: NDArray[np.int64] | Sequence[int], name: str) -> NDArray[np.int64]:
    if isinstance(counts, np.ndarray):
        return counts
    for at, value in enumerate(counts):
        if type(value) is not int:
            raise LabelError(
                f"expected whole numbers, got {str(value)[:20]!r} as count {at + 1}",
                where=name,
                hint="correct the counts",
            )
    return np.array([max(-1, min(value, 2**62)) for value in counts], dtype=np.int64)
