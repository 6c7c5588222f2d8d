"""Join and measure the cracks of images too large for memory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ImageError
from crackseg.geometry import Region, Scale
from crackseg.measurement.crack import CrackMeasurement, measure_cracks
from crackseg.measurement.shape import Pattern
from crackseg.measurement.values import Measured, WidthStatistics

Whole = NDArray[np.int64]

_BAND_ROWS = 256
_MOST_RUNS = 40_000_000
"""Most runs of crack pixels in an image, of 12 bytes each; a mask with more does not show cracks."""

_BLOCK_PX = 1024
"""Side of a block; cracks no larger are measured together with those that begin in the same block."""

_WHOLE_PX = 9_000_000
"""Largest area of a box that is measured as a whole; larger ones are measured in pieces."""

_PIECE_PX = 2048
_MARGIN_PX = 32
"""Context around a crack: its width is measured in the slopes next to it."""


@dataclass(frozen=True, slots=True, eq=False)
class JoinedMask:
    """Crack pixels of an image as ``n`` runs along its rows, sorted by ``C`` components and then by row.

    Attributes:
        shape: Height and width of the image, in pixels.
        rows: ``(n,)`` int32 row of each run, in pixels.
        starts: ``(n,)`` int32 first column of each run.
        stops: ``(n,)`` int32 one past the last column of each run.
        first: ``(C + 1,)`` int64; the runs of component i are ``first[i]`` to ``first[i + 1]``.
    """

    shape: tuple[int, int]
    rows: NDArray[np.int32]
    starts: NDArray[np.int32]
    stops: NDArray[np.int32]
    first: Whole

    @property
    def count(self) -> int:
        """Number of components."""
        return self.first.size - 1

    @property
    def area_px(self) -> int:
        """Number of crack pixels in the image."""
        return int((self.stops - self.starts).sum(dtype=np.int64))

    def areas(self) -> Whole:
        """Return the area of each component, ``(C,)`` int64, in pixels."""
        lengths = (self.stops - self.starts).astype(np.int64)
        return np.add.reduceat(lengths, self.first[:-1]) if self.count else np.zeros(0, np.int64)

    def boxes(self) -> Whole:
        """Return the tight box of each component.

        Returns:
            ``(C, 4)`` int64 row0, col0, row1, col1, half-open, in pixels.
        """
        if not self.count:
            return np.zeros((0, 4), np.int64)
        low = [np.minimum.reduceat(values, self.first[:-1]) for values in (self.rows, self.starts)]
        high = [np.maximum.reduceat(values, self.first[:-1]) for values in (self.rows + 1, self.stops)]
        return np.stack([*low, *high], axis=1).astype(np.int64)

    def draw(self, region: Region, components: Sequence[int]) -> NDArray[np.bool_]:
        """Return the ``(h, w)`` bool mask of the given components in a region."""
        parts = [np.arange(self.first[label], self.first[label + 1]) for label in components]
        return self._draw_runs(np.concatenate(parts) if parts else np.zeros(0, np.int64), region)

    def bands(self, height: int) -> Iterator[NDArray[np.bool_]]:
        """Yield the mask from top to bottom, ``height`` rows at a time.

        Yields:
            ``(h, W)`` bool masks; the last may be lower.
        """
        order = np.argsort(self.rows, kind="stable")
        rows = self.rows[order]
        for row0 in range(0, self.shape[0], height):
            row1 = min(row0 + height, self.shape[0])
            begin, end = np.searchsorted(rows, [row0, row1])
            yield self._draw_runs(order[begin:end], Region(row0, 0, row1, self.shape[1]))

    def _draw_runs(self, runs: Whole, region: Region) -> NDArray[np.bool_]:
        rows = self.rows[runs] - region.row0
        starts = np.clip(self.starts[runs] - region.col0, 0, region.width)
        stops = np.clip(self.stops[runs] - region.col0, 0, region.width)
        inside = (rows >= 0) & (rows < region.height) & (starts < stops)
        # Runs of a row do not touch, so no pixel is counted twice.
        steps = np.zeros((region.height, region.width + 1), dtype=np.int8)
        steps[rows[inside], starts[inside]] = 1
        steps[rows[inside], stops[inside]] = -1
        return np.cumsum(steps, axis=1, dtype=np.int8)[:, :-1].view(np.bool_)


class MaskJoiner:
    """Joins the components of a mask whose probability arrives row by row.

    Args:
        width: Width of the image, in pixels.
        threshold: Least probability of a crack pixel, in [0, 1].
        low: Lower threshold of a hysteresis: also keep pixels >= ``low`` connected to a pixel at the threshold.
    """

    def __init__(self, width: int, *, threshold: float, low: float | None = None) -> None:
        self._width, self._high, self._low = width, threshold, threshold if low is None else low
        self._row = 0
        self._parents: list[int] = []
        self._certain: list[NDArray[np.bool_]] = []
        self._runs: list[NDArray[np.int32]] = []
        self._labels: list[Whole] = []
        self._run_count = 0
        self._last = np.zeros(width, dtype=np.int64)

    def add(self, probability: NDArray[np.float32]) -> None:
        """Add the next rows of the image.

        Args:
            probability: ``(h, W)`` float32 crack probability, in [0, 1].

        Raises:
            ImageError: If the mask has too many runs of crack pixels to be a mask of cracks.
        """
        for start in range(0, len(probability), _BAND_ROWS):
            self._add(probability[start : start + _BAND_ROWS])

    def _add(self, probability: NDArray[np.float32]) -> None:
        mask = probability >= self._low
        count, numbers = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
        labels = np.asarray(numbers, dtype=np.int32)
        offset = len(self._parents)
        self._parents.extend(range(offset, offset + count - 1))
        certain = np.ones(count, dtype=np.bool_)
        if self._low < self._high:
            certain[:] = False
            certain[labels[probability >= self._high]] = True
        self._certain.append(certain[1:])
        rows, starts, stops = _runs_of(mask)
        self._labels.append(labels[rows, starts].astype(np.int64) - 1 + offset)
        self._runs.append(np.stack([rows + self._row, starts, stops]).astype(np.int32))
        self._run_count += rows.size
        if self._run_count > _MOST_RUNS:
            raise ImageError(
                f"expected a mask of cracks, got more than {_MOST_RUNS:,} runs of crack pixels",
                hint="choose a higher --threshold",
            )
        self._join(np.where(mask[0], labels[0].astype(np.int64) + offset, 0))
        self._last = np.where(mask[-1], labels[-1].astype(np.int64) + offset, 0)
        self._row += len(mask)

    def _join(self, first: Whole) -> None:
        """Join the components that touch between the last row and ``first``."""
        pairs = []
        for shift in (-1, 0, 1):
            above, below = self._last[max(-shift, 0) : self._width - max(shift, 0)], first[max(shift, 0) :]
            below = below[: above.size]
            both = (above > 0) & (below > 0)
            pairs.append(np.stack([above[both], below[both]], axis=1))
        for above, below in np.unique(np.concatenate(pairs), axis=0).tolist():
            one, other = self._root(above - 1), self._root(below - 1)
            self._parents[max(one, other)] = min(one, other)

    def _root(self, label: int) -> int:
        parents = self._parents
        while parents[label] != label:
            parents[label] = label = parents[parents[label]]
        return label

    def finish(self) -> JoinedMask:
        """Return the mask, with components ordered by first pixel."""
        roots = np.array(self._parents, dtype=np.int64)
        while roots.size and (roots != (further := roots[roots])).any():
            roots = further
        certain = np.zeros(roots.size, dtype=np.bool_)
        if roots.size:
            np.logical_or.at(certain, roots, np.concatenate(self._certain))
        runs = np.concatenate(self._runs, axis=1) if self._runs else np.zeros((3, 0), np.int32)
        owner = roots[np.concatenate(self._labels)] if self._labels else np.zeros(0, np.int64)
        kept = certain[owner]
        runs, owner = runs[:, kept], owner[kept]
        order = np.argsort(owner, kind="stable")
        runs, owner = runs[:, order], owner[order]
        first = np.concatenate([[0], np.flatnonzero(np.diff(owner)) + 1, [owner.size]]) if owner.size else np.zeros(1)
        return JoinedMask((self._row, self._width), runs[0], runs[1], runs[2], first.astype(np.int64))


def _runs_of(mask: NDArray[np.bool_]) -> tuple[Whole, Whole, Whole]:
    """Return row, first column and end column of each run, ``(n,)`` each."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1).ravel()
    rows, starts = np.divmod(np.flatnonzero(steps == 1), mask.shape[1] + 1)
    return rows, starts, np.flatnonzero(steps == -1) % (mask.shape[1] + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Readers of image and probability around joined cracks.

    Attributes:
        image: Function that returns the ``(h, w, 3)`` uint8 RGB pixels of a region, 0 to 255.
        probability: Function that returns the ``(h, w)`` float32 probability of a region, in [0, 1].
        threshold: Least probability of a crack pixel, in [0, 1].
        scale: Millimetres per pixel; None if unknown.
    """

    image: Callable[[Region], NDArray[np.uint8]]
    probability: Callable[[Region], NDArray[np.float32]]
    threshold: float
    scale: Scale | None = None


def measure_joined(mask: JoinedMask, around: Surroundings) -> tuple[CrackMeasurement, ...]:
    """Measure every component of a joined mask, as `measure_cracks` does.

    A component too large for memory is measured in pieces. Its length, branches and junctions are the sums over the
    pieces, its mean width is their mean by length. Its endpoints, tortuosity, median and 95th percentile are unknown.

    Args:
        mask: The joined mask.
        around: Readers of image and probability.

    Returns:
        The components, largest area first.
    """
    boxes = mask.boxes()
    blocks: dict[tuple[int, int], list[int]] = {}
    cracks: list[CrackMeasurement] = []
    for label, (row0, col0, row1, col1) in enumerate(boxes.tolist()):
        if max(row1 - row0, col1 - col0) <= _BLOCK_PX:
            blocks.setdefault((row0 // _BLOCK_PX, col0 // _BLOCK_PX), []).append(label)
        elif (row1 - row0) * (col1 - col0) <= _WHOLE_PX:
            cracks += _measure(mask, [label], _box_of(boxes[[label]]), around)
        else:
            cracks.append(_measure_in_pieces(mask, label, _box_of(boxes[[label]]), around))
    for labels in blocks.values():
        cracks += _measure(mask, labels, _box_of(boxes[labels]), around)
    return tuple(sorted(cracks, key=lambda crack: (-crack.area_px, crack.box)))


def _box_of(boxes: Whole) -> Region:
    return Region(*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())


def _measure(
    mask: JoinedMask, labels: Sequence[int], box: Region, around: Surroundings, *, margin: int = _MARGIN_PX
) -> list[CrackMeasurement]:
    """Measure the parts of components that lie in a box."""
    region = Region(
        max(box.row0 - margin, 0),
        max(box.col0 - margin, 0),
        min(box.row1 + margin, mask.shape[0]),
        min(box.col1 + margin, mask.shape[1]),
    )
    drawn = np.zeros(region.shape, dtype=np.bool_)
    drawn[box.slices((region.row0, region.col0))] = mask.draw(box, labels)
    cracks = measure_cracks(
        drawn,
        scale=around.scale,
        probability=around.probability(region),
        threshold=around.threshold,
        image=around.image(region),
    )
    return [_move_to_image(crack, region, mask.shape) for crack in cracks]


def _move_to_image(crack: CrackMeasurement, region: Region, shape: tuple[int, int]) -> CrackMeasurement:
    """Return a measurement with coordinates and density of the whole image."""
    row, col = region.row0, region.col0
    max_row, max_col = crack.width.max_at
    share = region.height * region.width / (shape[0] * shape[1])
    return dataclasses.replace(
        crack,
        box=(crack.box[0] + row, crack.box[1] + col, crack.box[2] + row, crack.box[3] + col),
        rotated_box=tuple((corner[0] + row, corner[1] + col) for corner in crack.rotated_box),
        width=dataclasses.replace(crack.width, max_at=(max_row + row, max_col + col)),
        density_per_px=crack.density_per_px * share,
    )


def _measure_in_pieces(mask: JoinedMask, label: int, box: Region, around: Surroundings) -> CrackMeasurement:
    """Measure a component block by block."""
    pieces: list[CrackMeasurement] = []
    runs = slice(int(mask.first[label]), int(mask.first[label + 1]))
    for row in range(box.row0, box.row1, _PIECE_PX):
        for col in range(box.col0, box.col1, _PIECE_PX):
            part = Region(row, col, min(row + _PIECE_PX, box.row1), min(col + _PIECE_PX, box.col1))
            inside = (mask.rows[runs] >= part.row0) & (mask.rows[runs] < part.row1)
            if (inside & (mask.starts[runs] < part.col1) & (mask.stops[runs] > part.col0)).any():
                pieces += _measure(mask, [label], part, around)
    corners, angle = _axes(mask, runs)
    widest = max(pieces, key=lambda piece: piece.width_max_px or 0.0)
    return CrackMeasurement(
        box=(box.row0, box.col0, box.row1, box.col1),
        rotated_box=corners,
        area_px=sum(piece.area_px for piece in pieces),
        length_px=sum(piece.length_px for piece in pieces),
        branches=sum(piece.branches for piece in pieces),
        endpoints=0,
        junctions=sum(piece.junctions for piece in pieces),
        pattern=_combine_patterns(pieces, widest),
        tortuosity=None,
        density_per_px=sum(piece.density_per_px for piece in pieces),
        orientation_deg=angle,
        width=_combine_widths(pieces, widest),
        score=_mean_by_length((piece.score, piece.length_px) for piece in pieces),
        scale=around.scale,
    )


def _axes(mask: JoinedMask, runs: slice) -> tuple[tuple[tuple[float, float], ...], float]:
    """Return the smallest rectangle's corners and the main axis, in degrees."""
    rows, starts, stops = (values[runs].astype(np.float64) for values in (mask.rows, mask.starts, mask.stops))
    sides = [(row, col) for row in (rows - 0.5, rows + 0.5) for col in (starts - 0.5, stops - 0.5)]
    points = np.concatenate([np.stack(side, axis=1) for side in sides]).astype(np.float32)
    corners = cv2.boxPoints(cv2.minAreaRect(cv2.convexHull(points)))
    sizes, middles = stops - starts, (starts + stops - 1) / 2
    row, col = np.average(rows, weights=sizes), np.average(middles, weights=sizes)
    across, up = middles - col, row - rows
    spread = float((sizes * across**2 + (sizes**3 - sizes) / 12).sum())
    twice = 2 * float((sizes * across * up).sum())
    angle = math.degrees(0.5 * math.atan2(twice, spread - float((sizes * up**2).sum()))) % 180.0
    return tuple((float(corner[0]), float(corner[1])) for corner in corners), angle


def _combine_patterns(pieces: Sequence[CrackMeasurement], widest: CrackMeasurement) -> Pattern:
    if any(piece.pattern == "network" for piece in pieces):
        return "network"
    return "branched" if any(piece.junctions for piece in pieces) else widest.pattern


def _combine_widths(pieces: Sequence[CrackMeasurement], widest: CrackMeasurement) -> WidthStatistics:
    """Return the mean and greatest width of a component from its pieces."""
    mean_px = _mean_by_length((piece.width.mean.value, piece.length_px) for piece in pieces)
    uncertainty_px = _mean_by_length((piece.width.mean.uncertainty, piece.length_px) for piece in pieces)
    return dataclasses.replace(
        widest.width,
        mean=Measured(mean_px, uncertainty_px),
        median=Measured(),
        p95=Measured(),
        cannot_measure="median, p95, endpoints, tortuosity: too large to be measured as a whole",
    )


def _mean_by_length(values: Iterable[tuple[float | None, float]]) -> float | None:
    """Return the mean of known values weighted by length; None without any."""
    known = [(value, length) for value, length in values if value is not None]
    total = sum(length for _, length in known)
    return sum(value * length for value, length in known) / total if total else None
