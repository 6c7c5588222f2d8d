"""One synthetic crack with its exact truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.geometry import clipped
from data_gen.render import Raster, render
from data_gen.stroke import Joined, Stroke, bounds, join

Box = tuple[int, int, int, int]

_SPECK_LENGTH_PX = 4.0
_AROUND = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


@dataclass(frozen=True)
class SyntheticCrack:
    """A crack and what is true of it. Pixel centres are at whole (row, col).

    Attributes:
        kind: Pattern it came from: ``single``, ``branched``, ``crossing``, ``network``, ``parallel``, ``hairline`` or
            ``cutout``.
        box: Half-open ``(row0, col0, row1, col1)``, tight to the pixels of ``mask``.
        mask: ``(row1 - row0, col1 - col0)`` bool, its pixels; connected (8 neighbours).
        centrelines: Sub-pixel lines ``(n, 2)`` float64 (row, col) in the image, one per branch.
        widths_px: For every centreline ``(n,)`` float64, the full width at its points, in pixels.
        length_px: Length of all centrelines inside the image, in pixels.
        area_px: Sum of the coverage, in pixels; for hairlines smaller than the number of mask pixels.
        width_mean_px: Mean width along the centrelines, weighted by length, in pixels.
        width_max_px: Greatest width, in pixels.
    """

    kind: str
    box: Box
    mask: NDArray[np.bool_]
    centrelines: tuple[NDArray[np.float64], ...]
    widths_px: tuple[NDArray[np.float64], ...]
    length_px: float
    area_px: float
    width_mean_px: float
    width_max_px: float


@dataclass(frozen=True)
class PlacedCrack:
    """A crack together with its pixels in the image.

    Attributes:
        truth: What is true of it.
        raster: Coverage and depth on a grid that holds the crack and its soft rim.
        origin: (row, col) of the grid's first pixel in the image.
    """

    truth: SyntheticCrack
    raster: Raster
    origin: tuple[int, int]

    @property
    def window(self) -> tuple[slice, slice]:
        """Slices of the image that the raster covers."""
        height, width = self.raster.coverage.shape
        return slice(self.origin[0], self.origin[0] + height), slice(self.origin[1], self.origin[1] + width)


def place(strokes: tuple[Stroke, ...], kind: str, shape: tuple[int, int]) -> tuple[PlacedCrack, ...]:
    """Draw strokes into an image and describe each connected piece.

    Args:
        strokes: Branches of one pattern, in image coordinates; parts outside are cut off.
        kind: Name of the pattern.
        shape: ``(H, W)`` of the image, in pixels.

    Returns:
        One crack per connected piece that has pixels and a centreline inside the image.
    """
    inside = clipped(strokes, shape)
    if not inside:
        return ()
    low_row, low_col, high_row, high_col = bounds(inside)
    row0, col0 = max(0, int(low_row) - 3), max(0, int(low_col) - 3)
    row1, col1 = min(shape[0], int(high_row) + 5), min(shape[1], int(high_col) + 5)
    if row1 <= row0 or col1 <= col0:
        return ()
    raster = render(strokes, (row1 - row0, col1 - col0), (row0, col0))
    return place_raster(raster, inside, kind, (row0, col0))


def place_raster(
    raster: Raster, strokes: tuple[Stroke, ...], kind: str, origin: tuple[int, int]
) -> tuple[PlacedCrack, ...]:
    """Describe each connected piece of a drawn pattern.

    Args:
        raster: The pattern, wholly inside the image.
        strokes: Its centrelines and widths, in image coordinates.
        kind: Name of the pattern.
        origin: (row, col) of the raster's first pixel in the image.

    Returns:
        One crack per connected piece that has a centreline; other pieces are dropped, from the picture too.
    """
    mask = raster.mask
    count, found, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    labels = np.asarray(found, dtype=np.int32)
    runs: dict[int, list[Stroke]] = {}
    for label, run in _labelled_runs(strokes, labels, origin):
        runs.setdefault(label, []).append(run)
    placed = []
    for label in sorted(runs):
        left, top, width, height = (int(value) for value in stats[label, :4])
        grown = (max(top - 3, 0), max(left - 3, 0), top + height + 3, left + width + 3)
        whole = join(runs[label])
        pieces = np.hypot(*np.diff(whole.points, axis=0).T) * whole.inner
        if float(pieces.sum()) < _SPECK_LENGTH_PX:
            continue
        part = raster if count == 2 else _only(raster, labels, label, grown)
        shift = (0, 0) if count == 2 else grown[:2]
        start = (origin[0] + shift[0], origin[1] + shift[1])
        inner = labels[top : top + height, left : left + width] == label
        box = (origin[0] + top, origin[1] + left, origin[0] + top + height, origin[1] + left + width)
        area = float(part.coverage.sum(dtype=np.float64))
        placed.append(PlacedCrack(_truth(kind, box, inner, whole, area), part, start))
    return tuple(placed)


def hidden(crack: PlacedCrack, cover: NDArray[np.bool_]) -> tuple[PlacedCrack, ...]:
    """Take the pixels that something else covers out of a crack.

    Args:
        crack: The crack.
        cover: ``(H, W)`` bool over the whole image.

    Returns:
        What is left of it, one crack per connected piece.
    """
    over = cover[crack.window]
    coverage = np.where(over, np.float32(0), crack.raster.coverage)
    depth = np.where(over, np.float32(-1e3), crack.raster.depth_px)
    pairs = zip(crack.truth.centrelines, crack.truth.widths_px, strict=True)
    strokes = tuple(Stroke(line, width / 2, width / 2) for line, width in pairs)
    return place_raster(Raster(coverage, depth), strokes, crack.truth.kind, crack.origin)


def _only(raster: Raster, labels: NDArray[np.int32], label: int, box: Box) -> Raster:
    """Cut one component with its soft rim out of a raster."""
    window = np.s_[box[0] : box[2], box[1] : box[3]]
    own = labels[window] == label
    near = cv2.dilate(own.view(np.uint8), np.ones((5, 5), np.uint8)).view(np.bool_)
    keep = near & (own | (labels[window] == 0))
    coverage = np.where(keep, raster.coverage[window], np.float32(0))
    depth = np.where(keep, raster.depth_px[window], np.float32(-1e3))
    return Raster(coverage, depth)


def _labelled_runs(
    strokes: Sequence[Stroke], labels: NDArray[np.int32], origin: tuple[int, int]
) -> Iterator[tuple[int, Stroke]]:
    """Cut strokes into runs of points that lie in one component each."""
    if not strokes:
        return
    whole = join(strokes)
    height, width = labels.shape
    rows, cols = np.rint(whole.points - origin).astype(np.int64).T
    found = labels[np.clip(rows, 0, height - 1), np.clip(cols, 0, width - 1)]
    for row, col in _AROUND:
        lost = np.flatnonzero(found == 0)
        if not len(lost):
            break
        found[lost] = labels[np.clip(rows[lost] + row, 0, height - 1), np.clip(cols[lost] + col, 0, width - 1)]
    breaks = np.flatnonzero((np.diff(found) != 0) | ~whole.inner) + 1
    edges = np.concatenate([[0], breaks, [len(found)]])
    for first, stop in edges[np.arange(len(edges) - 1)[:, None] + [0, 1]][np.diff(edges) >= 2].tolist():
        if found[first] > 0:
            run = slice(first, stop)
            yield int(found[first]), Stroke(whole.points[run], whole.left_px[run], whole.right_px[run])


def _truth(kind: str, box: Box, mask: NDArray[np.bool_], whole: Joined, area_px: float) -> SyntheticCrack:
    width = whole.left_px + whole.right_px
    pieces = np.hypot(*np.diff(whole.points, axis=0).T) * whole.inner
    total = float(pieces.sum())
    branches = whole.parted()
    return SyntheticCrack(
        kind=kind,
        box=box,
        mask=mask,
        centrelines=tuple(branch.points for branch in branches),
        widths_px=tuple(branch.width_px for branch in branches),
        length_px=total,
        area_px=area_px,
        width_mean_px=float(pieces @ (width[:-1] + width[1:])) / 2 / max(total, 1e-9),
        width_max_px=float(width.max()),
    )
