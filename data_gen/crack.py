"""Describe the exact pixels, centrelines and widths of synthetic cracks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.geometry import clip_strokes
from data_gen.render import Raster, render
from data_gen.stroke import Joined, Stroke, bounds, join

Box = tuple[int, int, int, int]

_SPECK_LENGTH_PX = 4.0
_AROUND = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


@dataclass(frozen=True)
class SyntheticCrack:
    """Exact description of a crack. Pixel centres are at whole (row, col).

    Attributes:
        kind: Pattern of the crack: ``single``, ``branched``, ``crossing``, ``network``, ``parallel``, ``hairline`` or
            ``cutout``.
        box: ``(row0, col0, row1, col1)``, half-open, tight to the pixels of ``mask``, in pixels.
        mask: ``(row1 - row0, col1 - col0)`` bool pixels of the crack, 8-connected.
        centrelines: Sub-pixel lines ``(n, 2)`` float64 (row, col) in the image, in pixels, one per branch.
        widths_px: For each centreline ``(n,)`` float64, full width at its points, in pixels.
        length_px: Length of all centrelines inside the image, in pixels.
        area_px: Sum of the coverage, in pixels; for hairlines less than the number of mask pixels.
        width_mean_px: Mean width along the centrelines, weighted by length, in pixels.
        width_max_px: Largest width, in pixels.
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
    """A crack with its anti-aliased pixels in the image.

    Attributes:
        exact: Exact description of the crack.
        raster: Coverage and depth on a grid that holds the crack and its soft rim.
        origin: (row, col) of the grid's first pixel in the image.
    """

    exact: SyntheticCrack
    raster: Raster
    origin: tuple[int, int]

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of the image that the raster covers."""
        height, width = self.raster.coverage.shape
        return slice(self.origin[0], self.origin[0] + height), slice(self.origin[1], self.origin[1] + width)


def place(strokes: tuple[Stroke, ...], kind: str, shape: tuple[int, int]) -> tuple[PlacedCrack, ...]:
    """Draw strokes into an image and describe each connected component.

    Args:
        strokes: Branches of one pattern, in image coordinates; parts outside are cut off.
        kind: Name of the pattern.
        shape: Height and width ``(H, W)`` of the image, in pixels.

    Returns:
        One crack for each component with pixels and a centreline inside the image.

    Example:
        >>> points, half = np.array([[20.0, 5.0], [20.0, 44.0]]), np.full(2, 1.5)
        >>> [crack] = place((Stroke(points, half, half),), "single", (40, 50))
        >>> crack.exact.length_px, crack.exact.width_mean_px
        (39.0, 3.0)
    """
    inside = clip_strokes(strokes, shape)
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
    """Describe each connected component of a drawn pattern.

    Args:
        raster: The pattern, completely inside the image.
        strokes: Its centrelines and widths, in image coordinates.
        kind: Name of the pattern.
        origin: (row, col) of the raster's first pixel in the image.

    Returns:
        One crack for each component with a centreline; other components are dropped, also from the image.
    """
    mask = raster.mask
    count, components, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    labels = np.asarray(components, dtype=np.int32)
    runs: dict[int, list[Stroke]] = {}
    for label, run in _split_by_label(strokes, labels, origin):
        runs.setdefault(label, []).append(run)
    placed = []
    for label in sorted(runs):
        left, top, width, height = (int(value) for value in stats[label, :4])
        outer = (max(top - 3, 0), max(left - 3, 0), top + height + 3, left + width + 3)
        whole = join(runs[label])
        pieces = np.hypot(*np.diff(whole.points, axis=0).T) * whole.inner
        if float(pieces.sum()) < _SPECK_LENGTH_PX:
            continue
        part = raster if count == 2 else _cut_component(raster, labels, label, outer)
        shift = (0, 0) if count == 2 else outer[:2]
        start = (origin[0] + shift[0], origin[1] + shift[1])
        inner = labels[top : top + height, left : left + width] == label
        box = (origin[0] + top, origin[1] + left, origin[0] + top + height, origin[1] + left + width)
        area = float(part.coverage.sum(dtype=np.float64))
        placed.append(PlacedCrack(_describe(kind, box, inner, whole, area), part, start))
    return tuple(placed)


def hide(crack: PlacedCrack, cover: NDArray[np.bool_]) -> tuple[PlacedCrack, ...]:
    """Remove the covered pixels from a crack.

    Args:
        crack: The crack.
        cover: ``(H, W)`` bool mask of the covered pixels of the image.

    Returns:
        The remaining cracks, one for each connected component.
    """
    over = cover[crack.region]
    coverage = np.where(over, np.float32(0), crack.raster.coverage)
    depth = np.where(over, np.float32(-1e3), crack.raster.depth_px)
    pairs = zip(crack.exact.centrelines, crack.exact.widths_px, strict=True)
    strokes = tuple(Stroke(line, width / 2, width / 2) for line, width in pairs)
    return place_raster(Raster(coverage, depth), strokes, crack.exact.kind, crack.origin)


def _cut_component(raster: Raster, labels: NDArray[np.int32], label: int, box: Box) -> Raster:
    """Cut one component with its soft rim out of a raster."""
    region = np.s_[box[0] : box[2], box[1] : box[3]]
    component = labels[region] == label
    near = cv2.dilate(component.view(np.uint8), np.ones((5, 5), np.uint8)).view(np.bool_)
    keep = near & (component | (labels[region] == 0))
    coverage = np.where(keep, raster.coverage[region], np.float32(0))
    depth = np.where(keep, raster.depth_px[region], np.float32(-1e3))
    return Raster(coverage, depth)


def _split_by_label(
    strokes: Sequence[Stroke], labels: NDArray[np.int32], origin: tuple[int, int]
) -> Iterator[tuple[int, Stroke]]:
    """Split strokes into runs of points that lie in one component each."""
    if not strokes:
        return
    whole = join(strokes)
    height, width = labels.shape
    rows, cols = np.rint(whole.points - origin).astype(np.int64).T
    label_of = labels[np.clip(rows, 0, height - 1), np.clip(cols, 0, width - 1)]
    for row, col in _AROUND:
        lost = np.flatnonzero(label_of == 0)
        if not len(lost):
            break
        label_of[lost] = labels[np.clip(rows[lost] + row, 0, height - 1), np.clip(cols[lost] + col, 0, width - 1)]
    breaks = np.flatnonzero((np.diff(label_of) != 0) | ~whole.inner) + 1
    edges = np.concatenate([[0], breaks, [len(label_of)]])
    for first, stop in edges[np.arange(len(edges) - 1)[:, None] + [0, 1]][np.diff(edges) >= 2].tolist():
        if label_of[first] > 0:
            run = slice(first, stop)
            yield int(label_of[first]), Stroke(whole.points[run], whole.left_px[run], whole.right_px[run])


def _describe(kind: str, box: Box, mask: NDArray[np.bool_], whole: Joined, area_px: float) -> SyntheticCrack:
    width = whole.left_px + whole.right_px
    pieces = np.hypot(*np.diff(whole.points, axis=0).T) * whole.inner
    total = float(pieces.sum())
    branches = whole.split()
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
