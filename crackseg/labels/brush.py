"""The brush of Label Studio: runs of an RGBA image, packed into bits.

A stream begins with the number of values (32 bits), the bits of a value less one (5), and four widths of a run's
length, less one (4 each). Then come runs: one bit that says whether one value is repeated, two that choose the width,
the length less one, and the value, or as many values as the length says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import LabelError

_CHANNELS = 4
_HEADER_BITS = 32 + 5 + 4 * 4
_WORD_BITS = 8
_LENGTH_BITS = np.array([3, 4, 8, 16], dtype=np.int64)
_LONGEST = 2**16


def encode_brush(mask: NDArray[np.bool_]) -> list[int]:
    """Return a ``(H, W)`` mask as the bytes that Label Studio stores, the same as those of its own converter.

    Source:
        HumanSignal, label-studio-converter, brush.py, encode_rle; Schmidt, thi.ng/rle-pack, 2017.
    """
    flat = np.ravel(mask)
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    lengths = _CHANNELS * np.diff(starts, append=flat.size)
    parts = -(-lengths // _LONGEST)
    run = np.repeat(np.arange(lengths.size), parts)
    is_last = np.cumsum(parts)[run] - 1 == np.arange(run.size)
    length = np.where(is_last, lengths[run] - (parts[run] - 1) * _LONGEST, _LONGEST)
    # The whole run, not its last part, decides the width of the length.
    choice = np.searchsorted([8, 16, 256], lengths[run], side="left")
    width = _LENGTH_BITS[choice]
    value = np.where(flat[starts[run]], 255, 0)
    token = (((4 + choice) << width | (length - 1)) << _WORD_BITS) | value
    header = [(flat.size * _CHANNELS, 32), (_WORD_BITS - 1, 5), *((int(bits) - 1, 4) for bits in _LENGTH_BITS)]
    values = np.concatenate((np.array([number for number, _ in header]), token))
    sizes = np.concatenate((np.array([bits for _, bits in header]), 3 + width + _WORD_BITS))
    owner = np.repeat(np.arange(sizes.size), sizes)
    place = np.cumsum(sizes)[owner] - 1 - np.arange(owner.size)
    bits = ((values[owner] >> place) & 1).astype(np.uint8)
    # The converter always adds bits to fill the last byte, eight of them where none is missing.
    fill = 8 - bits.size % 8
    packed: list[int] = np.packbits(np.concatenate((bits, np.zeros(fill, np.uint8)))).tolist()
    return packed


def decode_brush(data: Sequence[int], shape: tuple[int, int], *, name: str = "brush") -> NDArray[np.bool_]:
    """Return the pixels that a brush touched: those whose fourth channel is not 0, as the converter reads them.

    Args:
        data: Bytes, 0 to 255.
        shape: Height and width of the image, in pixels.
        name: What to call it in an error.

    Returns:
        ``(H, W)`` mask.

    Raises:
        LabelError: If the bytes are none, end early, or hold an image of another size; it names the position.
    """
    packed = _as_bytes(data, name)
    word_bits, starts, offsets = _values(packed, _CHANNELS * shape[0] * shape[1], name)
    ones = np.concatenate(([0], np.cumsum(np.unpackbits(np.frombuffer(packed, np.uint8)), dtype=np.int32)))
    is_on = ones[offsets + word_bits] > ones[offsets]
    # Value 4 k + 3 is the alpha of pixel k: those in [start, end) belong to pixels start // 4 to end // 4.
    return np.repeat(is_on, np.diff(starts // _CHANNELS)).reshape(shape)


def _as_bytes(data: Sequence[int], name: str) -> bytes:
    try:
        packed = bytes(data)
    except (TypeError, ValueError) as error:
        wrong = (at for at, value in enumerate(data) if type(value) is not int or not 0 <= value <= 255)
        at = next(wrong)
        raise LabelError(
            f"expected bytes from 0 to 255, got {str(data[at])[:20]!r} as number {at + 1}", where=name
        ) from error
    if 8 * len(packed) < _HEADER_BITS:
        raise LabelError(f"the stream ends after {len(packed)} bytes, within its header", where=name)
    return packed


def _values(packed: bytes, expected: int, name: str) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Walk the runs; where one begins is known only when the one before it is read.

    Returns:
        The bits of a value; the index of the first of each group of equal values, and the end; the bit at which each
        group's value stands.
    """
    total, word_bits = _bits(packed, 0, 32), _bits(packed, 32, 5) + 1
    widths = [_bits(packed, 37 + 4 * index, 4) + 1 for index in range(4)]
    if total != expected:
        raise LabelError(
            f"the stream holds {total:,} values and the image has {expected:,}, {_CHANNELS} for each pixel",
            where=name,
            hint="check height and width",
        )
    end_bit = 8 * len(packed)
    # The four bytes from each byte on; the head of a run and its length take 19 bits at most.
    padded = np.frombuffer(packed + bytes(4), np.uint8).astype(np.uint32)
    windows = (padded[:-3] << 24 | padded[1:-2] << 16 | padded[2:-1] << 8 | padded[3:]).tolist()
    runs: list[tuple[int, int, int, int]] = []
    done, bit = 0, _HEADER_BITS
    while done < total:
        window = windows[bit >> 3] << (bit & 7) & 0xFFFFFFFF
        width = widths[window >> 29 & 3]
        length = ((window << 3 & 0xFFFFFFFF) >> (32 - width)) + 1
        bit += 3 + width
        if window >> 31:
            runs.append((done, 1, length, bit))
            bit += word_bits
        else:
            runs.append((done, length, 1, bit))
            bit += length * word_bits
        done += length
        if bit > end_bit or done > total:
            what = "ends within" if bit > end_bit else f"holds more than {total:,} values, in"
            raise LabelError(f"the stream of {len(packed)} bytes {what} run {len(runs)}", where=name)
    first, groups_of, step, offset = np.array(runs, dtype=np.int64).reshape(-1, 4).T
    within = np.arange(int(groups_of.sum())) - np.repeat(np.cumsum(groups_of) - groups_of, groups_of)
    starts = np.repeat(first, groups_of) + within * np.repeat(step, groups_of)
    return word_bits, np.append(starts, total), np.repeat(offset, groups_of) + within * word_bits


def _bits(packed: bytes, first: int, count: int) -> int:
    """Return the number that ``count`` bits make, the highest first."""
    end = first + count
    return int.from_bytes(packed[first >> 3 : (end + 7) >> 3], "big") >> (-end % 8) & ((1 << count) - 1)
