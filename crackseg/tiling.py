"""The overlap-tile plan: large tiles, enough context, no blending, so the result does not depend on the cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crackseg.geometry import Region
from crackseg.images import ImageSource

_Pixel = TypeVar("_Pixel", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Tile:
    """One prediction cell.

    Attributes:
        read: What the network sees; may reach beyond the image, where pixels are mirrored.
        write: What is kept of its answer; lies inside the image and inside ``read``.
    """

    read: Region
    write: Region


@dataclass(frozen=True, slots=True)
class _Span:
    """One side of a tile: half-open intervals of rows, or of columns."""

    read: tuple[int, int]
    write: tuple[int, int]


def iter_tiles(
    shape: tuple[int, int], *, size: int, context: int, stride: int = 1, border: int | None = None
) -> Iterator[Tile]:
    """Walk an image tile by tile in row-major order.

    At a true border of the image every tile reads the same ``border`` mirrored pixels (or a few more, up to a multiple
    of ``stride``); towards its neighbours it reads ``context`` true pixels. So a network whose receptive field reaches
    no further than ``context`` gives each pixel the same answer in any plan, an image in one tile included.

    Args:
        shape: Image height and width ``(H, W)``, in pixels.
        size: Largest side of a read region, in pixels.
        context: Pixels read on each side and thrown away; at least the receptive-field radius of the network.
        stride: Total downsampling of the network. Read regions start on multiples of it, counted from the mirrored
            corner ``(-border, -border)``, and their sides are multiples of it.
        border: Mirrored pixels at a true border; ``stride // 2`` if None.

    Returns:
        Tiles whose ``write`` regions partition ``(H, W)``.

    Raises:
        ValueError: If a side of ``shape`` is below 1, or ``size`` leaves no room for a write region.

    Source:
        Overlap-tile strategy: Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, fig. 2.
    """
    border = stride // 2 if border is None else border
    if min(shape) < 1:
        raise ValueError(f"expected an image of at least 1x1 pixels, got {shape}")
    rows, cols = (_spans(length, size=size, context=context, stride=stride, border=border) for length in shape)
    for row in rows:
        for col in cols:
            yield Tile(
                read=Region(row.read[0], col.read[0], row.read[1], col.read[1]),
                write=Region(row.write[0], col.write[0], row.write[1], col.write[1]),
            )


def _spans(length: int, *, size: int, context: int, stride: int, border: int) -> list[_Span]:
    """Cut one side of an image into the fewest spans that fit ``size``, of about equal length."""
    whole = _round_up(length + 2 * border, stride)
    if whole <= size:
        return [_Span(read=(-border, whole - border), write=(0, length))]
    margin = _round_up(context, stride)
    step = (size - 2 * margin) // stride * stride
    if step < stride:
        raise ValueError(
            f"expected a tile size of at least {2 * margin + stride} px for {context} px of context, got {size}"
        )
    cells = -(-whole // stride)
    count = -(-cells * stride // step)
    cuts = [cells * index // count * stride - border for index in range(count + 1)]
    return [
        _Span(
            read=(max(start - margin, -border), min(stop + margin, whole - border)),
            write=(max(start, 0), min(stop, length)),
        )
        for start, stop in itertools.pairwise(cuts)
        if max(start, 0) < min(stop, length)
    ]


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def read_mirrored(image: ImageSource, region: Region) -> NDArray[np.uint8]:
    """Read a region that may reach beyond the image; there the image is mirrored about its outermost pixels.

    Args:
        image: The image.
        region: Any region, even one larger than the image.

    Returns:
        ``(h, w, 3)`` pixels of the region.
    """
    height, width = image.shape
    rows = _mirrored(region.row0, region.row1, height)
    cols = _mirrored(region.col0, region.col1, width)
    inside = Region(int(rows.min()), int(cols.min()), int(rows.max()) + 1, int(cols.max()) + 1)
    pixels = image.read(inside)
    if inside != region:
        pixels = pixels[np.ix_(rows - inside.row0, cols - inside.col0)]
    return np.ascontiguousarray(pixels)


def crop_mirrored(pixels: NDArray[_Pixel], region: Region) -> NDArray[_Pixel]:
    """Return a region of an ``(H, W)`` or ``(H, W, C)`` array, mirrored as by `read_mirrored` where it reaches out."""
    height, width = pixels.shape[:2]
    if region.row0 >= 0 and region.col0 >= 0 and region.row1 <= height and region.col1 <= width:
        return np.ascontiguousarray(pixels[region.slices()])
    rows, cols = _mirrored(region.row0, region.row1, height), _mirrored(region.col0, region.col1, width)
    return np.ascontiguousarray(pixels[np.ix_(rows, cols)])


def _mirrored(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Return the indices in ``[0, length)`` that mirror ``[start, stop)``: -1 becomes 1, length becomes length - 2."""
    if length == 1:
        return np.zeros(stop - start, dtype=np.intp)
    period = 2 * (length - 1)
    folded = np.arange(start, stop, dtype=np.intp) % period
    return np.minimum(folded, period - folded)
