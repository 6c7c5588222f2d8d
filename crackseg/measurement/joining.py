"""Cracks of an image that is never in memory as a whole: found row by row, joined, and measured one place at a time."""

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

_CHUNK_ROWS = 256
_MOST_RUNS = 40_000_000
"""Runs that are kept, of 12 bytes each; an image with more is no image of cracks."""

_BLOCK_PX = 1024
"""Cracks that fit a block of this side are measured together with those that begin in the same block."""

_ALONE_PX = 9_000_000
"""A box of up to this many pixels is measured whole, and a larger one in pieces."""

_PIECE_PX = 2048
_MARGIN_PX = 32
"""Pixels around a crack that are looked at too: its width is read from the slopes beside it."""


@dataclass(frozen=True, slots=True, eq=False)
class JoinedMask:
    """The crack pixels of an image, as runs along its rows, sorted by component and then by row.

    Attributes:
        shape: Height and width of the image, in pixels.
        rows: ``(n,)`` row of each run.
        starts: ``(n,)`` its first column.
        stops: ``(n,)`` one past its last column.
        first: ``(count + 1,)`` the runs of component i are ``first[i]`` to ``first[i + 1]``.
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
        """Crack pixels of the image."""
        return int((self.stops - self.starts).sum(dtype=np.int64))

    def areas(self) -> Whole:
        """Return the area of each component, ``(count,)``, in pixels."""
        lengths = (self.stops - self.starts).astype(np.int64)
        return np.add.reduceat(lengths, self.first[:-1]) if self.count else np.zeros(0, np.int64)

    def boxes(self) -> Whole:
        """Return the tight box of each component, ``(count, 4)``: row0, col0, row1, col1, half-open."""
        if not self.count:
            return np.zeros((0, 4), np.int64)
        low = [np.minimum.reduceat(values, self.first[:-1]) for values in (self.rows, self.starts)]
        high = [np.maximum.reduceat(values, self.first[:-1]) for values in (self.rows + 1, self.stops)]
        return np.stack([*low, *high], axis=1).astype(np.int64)

    def draw(self, region: Region, components: Sequence[int]) -> NDArray[np.bool_]:
        """Return the ``(h, w)`` mask of some components in a region."""
        parts = [np.arange(self.first[label], self.first[label + 1]) for label in components]
        return self._drawn(np.concatenate(parts) if parts else np.zeros(0, np.int64), region)

    def bands(self, height: int) -> Iterator[NDArray[np.bool_]]:
        """Walk the whole mask from top to bottom, ``height`` rows at a time."""
        order = np.argsort(self.rows, kind="stable")
        rows = self.rows[order]
        for row0 in range(0, self.shape[0], height):
            row1 = min(row0 + height, self.shape[0])
            begin, end = np.searchsorted(rows, [row0, row1])
            yield self._drawn(order[begin:end], Region(row0, 0, row1, self.shape[1]))

    def _drawn(self, runs: Whole, region: Region) -> NDArray[np.bool_]:
        rows = self.rows[runs] - region.row0
        starts = np.clip(self.starts[runs] - region.col0, 0, region.width)
        stops = np.clip(self.stops[runs] - region.col0, 0, region.width)
        seen = (rows >= 0) & (rows < region.height) & (starts < stops)
        # Runs of a row do not touch, so no place is counted twice.
        steps = np.zeros((region.height, region.width + 1), dtype=np.int8)
        steps[rows[seen], starts[seen]] = 1
        steps[rows[seen], stops[seen]] = -1
        return np.cumsum(steps, axis=1, dtype=np.int8)[:, :-1].view(np.bool_)


class MaskJoiner:
    """Takes the probability of an image row by row, and joins the components of its mask.

    Args:
        width: Of the image, in pixels.
        threshold: Probability from which a pixel counts as crack.
        low: With hysteresis, the probability from which a pixel counts if it hangs together with one at the threshold.
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
        """Take the next rows, ``(h, W)``.

        Raises:
            ImageError: If there are too many crack pixels to be those of cracks.
        """
        for start in range(0, len(probability), _CHUNK_ROWS):
            self._add(probability[start : start + _CHUNK_ROWS])

    def _add(self, probability: NDArray[np.float32]) -> None:
        mask = probability >= self._low
        count, found = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
        labels = np.asarray(found, dtype=np.int32)
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
                f"the mask is no mask of cracks: more than {_MOST_RUNS:,} runs of pixels",
                hint="choose a higher --threshold",
            )
        self._join(np.where(mask[0], labels[0].astype(np.int64) + offset, 0))
        self._last = np.where(mask[-1], labels[-1].astype(np.int64) + offset, 0)
        self._row += len(mask)

    def _join(self, first: Whole) -> None:
        """Join the components that touch across the border between the last row and this one."""
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
        """Return the mask, its components in the order of their first pixels."""
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
    """Return row, first column and one past the last column of each run."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1).ravel()
    rows, starts = np.divmod(np.flatnonzero(steps == 1), mask.shape[1] + 1)
    return rows, starts, np.flatnonzero(steps == -1) % (mask.shape[1] + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the measurement of joined cracks looks things up.

    Attributes:
        image: Returns the ``(h, w, 3) uint8`` pixels of a region.
        probability: Returns the ``(h, w) float32`` probability of a region.
        threshold: Probability from which a pixel counts as crack.
        scale: Millimetres per pixel, if known.
    """

    image: Callable[[Region], NDArray[np.uint8]]
    probability: Callable[[Region], NDArray[np.float32]]
    threshold: float
    scale: Scale | None = None


def measure_joined(mask: JoinedMask, around: Surroundings) -> tuple[CrackMeasurement, ...]:
    """Measure every component of a joined mask, as `measure_cracks` does.

    A component too large to be held is measured in pieces: its lengths, branches and junctions are those of the pieces
    together, its mean width their mean by length. Its ends, tortuosity, median and 95th percentile are then not known.

    Args:
        mask: The mask.
        around: Where image and probability are.

    Returns:
        The components, largest area first.
    """
    boxes = mask.boxes()
    blocks: dict[tuple[int, int], list[int]] = {}
    found: list[CrackMeasurement] = []
    for label, (row0, col0, row1, col1) in enumerate(boxes.tolist()):
        if max(row1 - row0, col1 - col0) <= _BLOCK_PX:
            blocks.setdefault((row0 // _BLOCK_PX, col0 // _BLOCK_PX), []).append(label)
        elif (row1 - row0) * (col1 - col0) <= _ALONE_PX:
            found += _measure(mask, [label], _box_of(boxes[[label]]), around)
        else:
            found.append(_measure_in_pieces(mask, label, _box_of(boxes[[label]]), around))
    for labels in blocks.values():
        found += _measure(mask, labels, _box_of(boxes[labels]), around)
    return tuple(sorted(found, key=lambda crack: (-crack.area_px, crack.box)))


def _box_of(boxes: Whole) -> Region:
    return Region(*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())


def _measure(
    mask: JoinedMask, labels: Sequence[int], box: Region, around: Surroundings, *, margin: int = _MARGIN_PX
) -> list[CrackMeasurement]:
    """Measure some components as far as they lie in a box."""
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
    return [_moved(crack, region, mask.shape) for crack in cracks]


def _moved(crack: CrackMeasurement, region: Region, shape: tuple[int, int]) -> CrackMeasurement:
    """Return the measurement of a crack in a region as that of a crack in the image."""
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
    """Return the smallest rectangle round a component, and the angle of its axis of least inertia, in degrees."""
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
    """Return the mean width by length and the greatest width of the pieces of a component."""
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
    """Return the mean of the known values, weighted by length; None if none is known."""
    known = [(value, length) for value, length in values if value is not None]
    total = sum(length for _, length in known)
    return sum(value * length for value, length in known) / total if total else None
