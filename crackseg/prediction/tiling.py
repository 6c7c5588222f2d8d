"""Plan overlapping tiles of an image, and read them with mirrored borders.

Tiles have enough context and are not blended, so the result does not depend on the plan.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crackseg.geometry import Region
from crackseg.imaging.codec import ImageSource

_Pixel = TypeVar("_Pixel", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Tile:
    """One prediction cell.

    Attributes:
        read: Region that the network sees; may reach beyond the image, where pixels are mirrored.
        write: Region of its output that is kept; lies inside the image and inside ``read``.
    """

    read: Region
    write: Region


@dataclass(frozen=True, slots=True)
class _Span:
    """One side of a tile: half-open intervals of rows, or of columns.

    Attributes:
        read: Interval that the network sees, in pixels.
        write: Interval that is kept, in pixels.
    """

    read: tuple[int, int]
    write: tuple[int, int]


@dataclass(frozen=True, slots=True)
class TilePlan:
    """The tiles of an image, in row-major order.

    Attributes:
        shape: Image height and width ``(H, W)``, in pixels.
        rows: Spans of the height.
        cols: Spans of the width.
    """

    shape: tuple[int, int]
    rows: tuple[_Span, ...]
    cols: tuple[_Span, ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.cols)

    def __iter__(self) -> Iterator[Tile]:
        """Walk the tiles in row-major order."""
        return itertools.chain.from_iterable(self.bands())

    def bands(self) -> Iterator[tuple[Tile, ...]]:
        """Walk the rows of tiles from top to bottom."""
        for row in self.rows:
            yield tuple(
                Tile(
                    read=Region(row.read[0], col.read[0], row.read[1], col.read[1]),
                    write=Region(row.write[0], col.write[0], row.write[1], col.write[1]),
                )
                for col in self.cols
            )

    @property
    def largest_px(self) -> int:
        """Area of the largest read region, in pixels."""
        return _longest(self.rows) * _longest(self.cols)

    @property
    def read_px(self) -> int:
        """Total area of the read regions, in pixels."""
        return _total(self.rows) * _total(self.cols)

    @property
    def read_over_written(self) -> float:
        """Total area of the read regions over the area of the image."""
        return self.read_px / (self.shape[0] * self.shape[1])

    def describe(self) -> str:
        """Return the plan in one line."""
        count = "1 tile" if len(self) == 1 else f"{len(self.rows)}x{len(self.cols)} tiles"
        size = f"{_longest(self.rows)}x{_longest(self.cols)}"
        return (
            f"{self.shape[0]}x{self.shape[1]} px in {count} of up to {size} px, "
            f"{self.read_over_written:.2f} px read for each written"
        )


def _longest(spans: tuple[_Span, ...]) -> int:
    return max(span.read[1] - span.read[0] for span in spans)


def _total(spans: tuple[_Span, ...]) -> int:
    return sum(span.read[1] - span.read[0] for span in spans)


def plan_tiles(
    shape: tuple[int, int],
    *,
    context: int,
    stride: int = 1,
    border: int | None = None,
    size: int | None = None,
    budget_px: int | None = None,
) -> TilePlan:
    """Plan tiles that read as few pixels as possible twice.

    At a true border of the image every tile reads ``border`` mirrored pixels, or a few more up to a multiple of
    ``stride``. Towards its neighbours it reads ``context`` true pixels. So a network whose receptive field reaches at
    most ``context`` pixels gives the same result in any plan, also in a single tile.

    Args:
        shape: Image height and width ``(H, W)``, in pixels.
        context: Pixels read on each side and thrown away; at least the receptive-field radius of the network.
        stride: Total downsampling of the network. Read regions start on multiples of it, counted from the mirrored
            corner ``(-border, -border)``, and their sides are multiples of it.
        border: Mirrored pixels at a true border; ``stride // 2`` if None.
        size: Largest side of a read region, in pixels.
        budget_px: Largest read region, in pixels.

    Returns:
        The plan within ``size`` and ``budget_px`` that reads the fewest pixels: a single tile if that fits.

    Raises:
        ValueError: If a side of ``shape`` is below 1, or ``size`` or ``budget_px`` leave no room for a write region.

    Source:
        Overlap-tile strategy: Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, fig. 2.
    """
    border = stride // 2 if border is None else border
    if min(shape) < 1:
        raise ValueError(f"expected an image of at least 1x1 pixels, got {shape}")
    rows, cols = (_Cuts(length, _round_up(context, stride), stride, border) for length in shape)
    limit = max(rows.whole, cols.whole) if size is None else size
    least = 2 * rows.margin + stride
    if limit < least and max(rows.whole, cols.whole) > limit:
        raise ValueError(f"expected a tile size of at least {least} px for {context} px of context, got {size}")
    row_count, col_count = _best_counts(rows, cols, limit, budget_px)
    return TilePlan(shape, rows.spans(row_count), cols.spans(col_count))


@dataclass(frozen=True, slots=True)
class _Cuts:
    """The ways to cut one side of an image into spans of about equal length.

    Attributes:
        length: Length of the side, in pixels.
        margin: Context, rounded up to a multiple of ``stride``, in pixels.
        stride: Total downsampling of the network, in pixels.
        border: Mirrored pixels at each end.
    """

    length: int
    margin: int
    stride: int
    border: int

    @property
    def whole(self) -> int:
        """Length with its mirrored borders, a multiple of the stride, in pixels."""
        return _round_up(self.length + 2 * self.border, self.stride)

    def spans(self, count: int) -> tuple[_Span, ...]:
        """Return the spans of a cut into ``count``.

        Spans that would write nothing are left out. All read spans have one length; spans at the ends, which need no
        context there, write more. So the spans are as short as ``count`` of them can be, and a runtime prepares its
        memory for one size only.
        """
        length = self._span_length(count)
        spans = []
        for index in self._kept(count):
            start = self._start(index, count) * self.stride - self.border
            low, high = self._edge(index, count), self._edge(index + 1, count)
            spans.append(
                _Span(
                    read=(start, start + length),
                    write=(max(low - self.border, 0), min(high - self.border, self.length)),
                )
            )
        return tuple(spans)

    def _span_length(self, count: int) -> int:
        """Return the length of each of ``count`` read spans, in pixels."""
        whole, margin = self.whole // self.stride, self.margin // self.stride
        return min(2 * margin - (2 * margin - whole) // count, whole) * self.stride

    def _start(self, index: int, count: int) -> int:
        """Return the start of a read span, in strides from the corner."""
        return (self.whole - self._span_length(count)) // self.stride * index // max(count - 1, 1)

    def _edge(self, index: int, count: int) -> int:
        """Return the start of a write span, in pixels from the corner.

        With ``index`` equal to ``count`` it is the end of the last span.
        """
        if index in (0, count):
            return self.whole if index else 0
        both = self._start(index - 1, count) + self._start(index, count) + self._span_length(count) // self.stride
        return both // 2 * self.stride

    def _kept(self, count: int) -> range:
        """Return which of ``count`` spans write a pixel inside the image."""
        first = bisect_right(range(count), self.border, key=lambda index: self._edge(index + 1, count))
        last = bisect_left(range(count), self.border + self.length, key=lambda index: self._edge(index, count))
        return range(first, last)

    def counts(self, limit: int) -> Iterator[tuple[int, int, int]]:
        """Walk the cuts whose spans fit ``limit``.

        A cut whose longest span is not shorter than that of an earlier cut is left out, since it reads more. So there
        are at most twice the square root of the length of them.

        Returns:
            For each cut the number of spans, the longest span and the sum of all spans, in pixels.
        """
        count, longest = 1, self.whole
        while True:
            if longest <= limit:
                yield count, longest, longest * len(self._kept(count))
            room = (longest - 2 * self.margin) // self.stride - 1
            if room < 1:
                return
            count = -(-(self.whole - 2 * self.margin) // self.stride // room)
            longest = self._span_length(count)


def _best_counts(rows: _Cuts, cols: _Cuts, limit: int, budget_px: int | None) -> tuple[int, int]:
    """Return the numbers of spans per side that read the fewest pixels."""
    if max(rows.whole, cols.whole) <= limit and (budget_px is None or rows.whole * cols.whole <= budget_px):
        return 1, 1
    if budget_px is None:
        return next(rows.counts(limit))[0], next(cols.counts(limit))[0]
    row_cuts, col_cuts = list(rows.counts(limit)), list(cols.counts(limit))
    fitting = (
        (row_total * col_total, row_count * col_count, row_count, col_count)
        for row_count, row_longest, row_total in row_cuts
        for col_count, col_longest, col_total in col_cuts
        if row_longest * col_longest <= budget_px
    )
    best = min(fitting, default=None)
    if best is None:
        least_px = row_cuts[-1][1] * col_cuts[-1][1]
        raise ValueError(f"expected room for tiles of at least {least_px} px, got {budget_px}")
    return best[2:]


def iter_tiles(
    shape: tuple[int, int], *, size: int, context: int, stride: int = 1, border: int | None = None
) -> Iterator[Tile]:
    """Walk the tiles of `plan_tiles` in row-major order.

    Args:
        shape: Image height and width ``(H, W)``, in pixels.
        size: Largest side of a read region, in pixels.
        context: Pixels read on each side and thrown away.
        stride: Total downsampling of the network, in pixels.
        border: Mirrored pixels at a true border; ``stride // 2`` if None.
    """
    return iter(plan_tiles(shape, size=size, context=context, stride=stride, border=border))


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def read_mirrored(image: ImageSource, region: Region) -> NDArray[np.uint8]:
    """Read a region, mirrored about the outermost pixels beyond the image.

    Args:
        image: The image.
        region: Any region, even one larger than the image.

    Returns:
        ``(h, w, 3)`` uint8 RGB pixels of the region.
    """
    height, width = image.shape
    rows, cols = _reach(region.row0, region.row1, height), _reach(region.col0, region.col1, width)
    inside = Region(rows[0], cols[0], rows[1], cols[1])
    return _place(image.read(inside), inside, region, image.shape)


def crop_mirrored(pixels: NDArray[_Pixel], region: Region) -> NDArray[_Pixel]:
    """Return a region of an array, mirrored beyond its edges.

    Args:
        pixels: ``(H, W)`` or ``(H, W, C)`` pixels of any type.
        region: Any region, even one larger than the array.

    Returns:
        ``(h, w)`` or ``(h, w, C)`` pixels of the region, of the same type.
    """
    height, width = pixels.shape[:2]
    rows, cols = _reach(region.row0, region.row1, height), _reach(region.col0, region.col1, width)
    inside = Region(rows[0], cols[0], rows[1], cols[1])
    return _place(pixels[inside.slices()], inside, region, (height, width))


def _place(pixels: NDArray[_Pixel], inside: Region, region: Region, shape: tuple[int, int]) -> NDArray[_Pixel]:
    """Return a region of an image of ``shape`` from its pixels ``inside``.

    The part inside the image is copied in one piece; only the strips beyond its edges are gathered by index.
    """
    if inside == region:
        return np.ascontiguousarray(pixels)
    height, width = shape
    row0, col0, row1, col1 = max(region.row0, 0), max(region.col0, 0), min(region.row1, height), min(region.col1, width)
    rows, cols = (
        _mirrored(region.row0, region.row1, height) - inside.row0,
        _mirrored(region.col0, region.col1, width) - inside.col0,
    )
    if row0 >= row1 or col0 >= col1:
        return np.ascontiguousarray(pixels[rows[:, None], cols])
    top, bottom, left, right = row0 - region.row0, row1 - region.row0, col0 - region.col0, col1 - region.col0
    placed = np.empty((*region.shape, *pixels.shape[2:]), dtype=pixels.dtype)
    placed[top:bottom, left:right] = pixels[Region(row0, col0, row1, col1).slices((inside.row0, inside.col0))]
    placed[top:bottom, :left] = pixels[rows[top:bottom, None], cols[:left]]
    placed[top:bottom, right:] = pixels[rows[top:bottom, None], cols[right:]]
    placed[:top] = pixels[rows[:top, None], cols]
    placed[bottom:] = pixels[rows[bottom:, None], cols]
    return placed


def _reach(start: int, stop: int, length: int) -> tuple[int, int]:
    """Return the first and one past the last index of `_mirrored`."""
    indices = _mirrored(start, stop, length)
    return int(indices.min()), int(indices.max()) + 1


def _mirrored(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Return the indices in ``[0, length)`` that mirror ``[start, stop)``.

    Index -1 becomes 1, and index ``length`` becomes ``length - 2``.
    """
    if length == 1:
        return np.zeros(stop - start, dtype=np.intp)
    period = 2 * (length - 1)
    folded = np.arange(start, stop, dtype=np.intp) % period
    return np.minimum(folded, period - folded)
