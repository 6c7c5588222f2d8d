"""Read and write the brush masks of Label Studio: runs of an RGBA image packed into bits.

The header holds the number of values (32 bits), the bits per value (5 bits) and four bit widths of run lengths (4 bits
each). All but the first are stored minus one. Each run holds one bit for its type, two bits that select a width, and
its length minus one. A repeated run then holds one value, a literal run as many values as its length.
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
    """Encode a mask as the brush bytes that Label Studio stores.

    The bytes equal those of Label Studio's own converter.

    Args:
        mask: ``(H, W)`` bool mask.

    Returns:
        Bytes, each in [0, 255].

    Example:
        >>> mask = np.array([[False, True]])
        >>> decode_brush(encode_brush(mask), (1, 2)).tolist()
        [[False, True]]

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
    """Decode brush bytes into a mask of the pixels with nonzero alpha.

    Args:
        data: Bytes, each in [0, 255].
        shape: Height and width ``(H, W)`` of the image, in pixels.
        name: Name of the brush in error messages.

    Returns:
        ``(H, W)`` bool mask.

    Raises:
        LabelError: If a value is not a byte, the stream ends early or holds an image of another size.
    """
    packed = _as_bytes(data, name)
    word_bits, starts, offsets = _values(packed, _CHANNELS * shape[0] * shape[1], name)
    ones = np.concatenate(([0], np.cumsum(np.unpackbits(np.frombuffer(packed, np.uint8)), dtype=np.int32)))
    is_on = ones[offsets + word_bits] > ones[offsets]
    # Value 4 k + 3 is the alpha of pixel k: the values [start, end) hold the alphas of pixels start // 4 to end // 4.
    return np.repeat(is_on, np.diff(starts // _CHANNELS)).reshape(shape)


def _as_bytes(data: Sequence[int], name: str) -> bytes:
    try:
        packed = bytes(data)
    except (TypeError, ValueError) as error:
        wrong = (at for at, value in enumerate(data) if type(value) is not int or not 0 <= value <= 255)
        at = next(wrong)
        raise LabelError(
            f"expected bytes from 0 to 255, got {str(data[at])[:20]!r} as number {at + 1}",
            where=name,
            hint="export the project again",
        ) from error
    if 8 * len(packed) < _HEADER_BITS:
        raise LabelError(
            f"the stream ends after {len(packed)} bytes, within its header",
            where=name,
            hint="check that the file is complete",
        )
    return packed


def _values(packed: bytes, expected: int, name: str) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Walk the runs of a stream in order.

    Returns:
        Bits per value; ``(G + 1,)`` int64 first index of each group of equal values, and the end; ``(G,)`` int64
        position of each group's value, in bits.
    """
    total, word_bits = _bits(packed, 0, 32), _bits(packed, 32, 5) + 1
    widths = [_bits(packed, 37 + 4 * index, 4) + 1 for index in range(4)]
    if total != expected:
        raise LabelError(
            f"expected {expected:,} values, {_CHANNELS} per pixel of the image; the stream holds {total:,}",
            where=name,
            hint="check height and width",
        )
    end_bit = 8 * len(packed)
    # The 32 bits that start at each byte: a run's head and length take at most 19 of them.
    padded = np.frombuffer(packed + bytes(4), np.uint8).astype(np.uint32)
    words = (padded[:-3] << 24 | padded[1:-2] << 16 | padded[2:-1] << 8 | padded[3:]).tolist()
    runs: list[tuple[int, int, int, int]] = []
    done, bit = 0, _HEADER_BITS
    while done < total:
        word = words[bit >> 3] << (bit & 7) & 0xFFFFFFFF
        width = widths[word >> 29 & 3]
        length = ((word << 3 & 0xFFFFFFFF) >> (32 - width)) + 1
        bit += 3 + width
        if word >> 31:
            runs.append((done, 1, length, bit))
            bit += word_bits
        else:
            runs.append((done, length, 1, bit))
            bit += length * word_bits
        done += length
        if bit > end_bit or done > total:
            what = "ends within" if bit > end_bit else f"exceeds its {total:,} values in"
            raise LabelError(
                f"the stream of {len(packed)} bytes {what} run {len(runs)}",
                where=name,
                hint="check that the file is complete",
            )
    first, groups_of, step, offset = np.array(runs, dtype=np.int64).reshape(-1, 4).T
    within = np.arange(int(groups_of.sum())) - np.repeat(np.cumsum(groups_of) - groups_of, groups_of)
    starts = np.repeat(first, groups_of) + within * np.repeat(step, groups_of)
    return word_bits, np.append(starts, total), np.repeat(offset, groups_of) + within * word_bits


def _bits(packed: bytes, first: int, count: int) -> int:
    """Return ``count`` bits from bit ``first`` on as a big-endian number."""
    end = first + count
    return int.from_bytes(packed[first >> 3 : (end + 7) >> 3], "big") >> (-end % 8) & ((1 << count) - 1)
