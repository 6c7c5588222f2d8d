"""Turn the branches of a skeleton into sub-pixel lines from tip to tip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.components import Components
from crackseg.measurement.graph import Node, SkeletonGraph
from crackseg.measurement.lines import Indices, Lines, Values, smooth_lines, space_evenly
from crackseg.measurement.profile import sample
from crackseg.measurement.skeleton import Skeleton

_SIGMA_PX = (1.0, 1.5)
_TIP_STEP_PX = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Centrelines:
    """Centrelines of all branches.

    Attributes:
        lines: The ``m`` lines, with points about a pixel apart.
        components: ``(m,)`` int64 component of each line.
        ends: ``(m, 2, 3)`` float64 row, column and disc radius of the nodes at both ends, in pixels.
        degrees: ``(m, 2)`` int64 number of branches at these nodes: 1 at a free end, 3 or more in a junction.
    """

    lines: Lines
    components: Indices
    ends: Values
    degrees: Indices

    def away_from_junctions(self) -> NDArray[np.bool_]:
        """Return which points lie outside the discs of junctions.

        Inside a disc, branches merge, so a width there is not that of one crack.

        Returns:
            ``(n,)`` bool, one for each point of the lines.
        """
        away = np.ones(self.lines.radii_px.size, dtype=np.bool_)
        for end in range(2):
            row, col, radius = np.repeat(self.ends[:, end], self.lines.counts, axis=0).T
            apart = np.hypot(self.lines.places[:, 0] - row, self.lines.places[:, 1] - col)
            away &= (apart > radius) | np.repeat(self.degrees[:, end] < 3, self.lines.counts)
        return away


def find_centrelines(components: Components, skeleton: Skeleton, graph: SkeletonGraph) -> Centrelines:
    """Turn the branches of a skeleton into lines.

    Smoothing removes the staircase of the pixels. It is stronger in wide cracks, whose skeleton follows their edges.

    Thinning ends a branch up to half a width before the tip, sometimes in a corner. The last width of the branch is
    therefore cut off, and the line continues straight until it leaves the crack.

    Args:
        components: The components of the mask.
        skeleton: Their skeletons.
        graph: Their branches. A node without branches becomes a line with one point.
    """
    branches = _Branches(graph)
    rows, cols = components.positions(skeleton.pixels[branches.pixels])
    places, starts = np.stack([rows, cols], axis=1).astype(np.float64), branches.starts
    places[starts[:-1]], places[starts[1:] - 1] = branches.ends[:, 0, :2], branches.ends[:, 1, :2]
    lines = Lines(places, skeleton.radii_px[branches.pixels], starts, branches.closed)
    radii = np.add.reduceat(lines.radii_px, starts[:-1]) / lines.counts
    lines = smooth_lines(lines, np.clip((1 + radii) / 2, *_SIGMA_PX))
    owner = skeleton.labels[branches.pixels[starts[:-1]]]
    lines = _find_tips(lines, components, branches.degrees == 1, components.orientations()[owner])
    return Centrelines(space_evenly(lines), owner, branches.ends, branches.degrees)


class _Branches:
    """Branches of a graph as arrays.

    Attributes:
        pixels: ``(n,)`` int64 numbers of the skeleton pixels, branch by branch.
        starts: ``(m + 1,)`` int64 first pixel of each branch, and the end of the last one.
        ends: ``(m, 2, 3)`` float64 row, column and disc radius of the nodes at both ends, in pixels.
        degrees: ``(m, 2)`` int64 number of branches at these nodes.
        closed: ``(m,)`` bool, True for a ring.
    """

    def __init__(self, graph: SkeletonGraph) -> None:
        paths = [branch.pixels for branch in graph.branches.values()]
        nodes = [(graph.nodes[one], graph.nodes[other]) for one, other in (b.ends for b in graph.branches.values())]
        degrees = [[len(graph.at[end]) for end in branch.ends] for branch in graph.branches.values()]
        lonely = [node for name, node in graph.nodes.items() if not graph.at[name]]
        paths += [[node.pixel] for node in lonely]
        nodes += [(node, node) for node in lonely]
        degrees += [[1, 1] for _ in lonely]
        self.pixels = np.concatenate([np.asarray(path, dtype=np.int64) for path in paths])
        self.starts = np.cumsum([0, *(len(path) for path in paths)], dtype=np.int64)
        self.ends = np.array([[_row_of(node) for node in pair] for pair in nodes])
        self.degrees = np.array(degrees, dtype=np.int64)
        self.closed = np.array([one is other for one, other in nodes]) & (self.degrees[:, 0] == 2)


def _row_of(node: Node) -> tuple[float, float, float]:
    return node.row, node.col, node.radius_px


def _find_tips(lines: Lines, components: Components, free: NDArray[np.bool_], angles_deg: Values) -> Lines:
    """Replace the last width at free ends by a straight line.

    Args:
        lines: The lines.
        components: The components of the mask.
        free: ``(m, 2)`` bool, True for ends that are tips.
        angles_deg: ``(m,)`` directions of lines that are shorter than a width, in degrees.
    """
    first, last = _uncut(lines, free)
    ways = np.stack([_directions(lines, first, last), _directions(lines, last, first)], axis=1)
    angles = np.radians(angles_deg)
    ways[first == last, 0] = np.stack([np.sin(angles), -np.cos(angles)], axis=1)[first == last]
    ways[first == last, 1] = -ways[first == last, 0]
    bases = np.stack([first, last], axis=1)
    reach = np.zeros(free.shape)
    reach[free] = _reach(components, lines.places[bases[free]], ways[free], lines.radii_px[bases[free]])
    return _extend(lines, bases, ways, reach)


def _uncut(lines: Lines, free: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """Return first and last points a width from free ends, ``(m,)`` each.

    If a line has no such point, both are its point at the junction, or its middle one.
    """
    line, index = lines.line_of(), np.arange(lines.radii_px.size)
    way = np.cumsum(lines.steps_px())
    begin, end = lines.starts[:-1], lines.starts[1:] - 1
    past_start = (way - way[begin][line] >= 2 * lines.radii_px) | ~free[line, 0]
    before_end = (way[end][line] - way >= 2 * lines.radii_px) | ~free[line, 1]
    first = np.minimum.reduceat(np.where(past_start, index, index.size), begin)
    last = np.maximum.reduceat(np.where(before_end, index, -1), begin)
    none = first > last
    middle = np.select([~free[:, 0], ~free[:, 1]], [begin, end], (begin + end) // 2)
    return np.where(none, middle, first), np.where(none, middle, last)


def _directions(lines: Lines, tips: Indices, others: Indices) -> Values:
    """Return the outward unit vectors of the lines at points ``tips``, ``(m, 2)``."""
    reach = np.maximum(np.rint(lines.radii_px[tips]).astype(np.int64), 3)
    inner = tips + np.sign(others - tips) * np.minimum(reach, np.abs(others - tips))
    way = lines.places[tips] - lines.places[inner]
    return np.asarray(way / np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-9)[:, None])


def _reach(components: Components, places: Values, ways: Values, radii_px: Values) -> Values:
    """Return the distances from points to the crack's edge, ``(k,)``, in pixels."""
    solid = components.grid * np.uint8(255)
    reach, before = np.zeros(len(places)), np.full(len(places), 1.0)
    active = np.arange(len(places))
    step = 0
    while active.size:
        step += 1
        spots = places[active] + step * _TIP_STEP_PX * ways[active] - components.origin
        inside = sample(solid, spots[:, :1], spots[:, 1:])[:, 0] / 255
        left = inside < 0.5
        gone = active[left]
        share = (before[gone] - 0.5) / np.maximum(before[gone] - inside[left], 1e-9)
        reach[gone] = _TIP_STEP_PX * (step - 1 + np.clip(share, 0, 1))
        before[active] = inside
        active = active[~left & (step * _TIP_STEP_PX < 4 * radii_px[active] + 6)]
    return reach


def _extend(lines: Lines, bases: Indices, ways: Values, reach: Values) -> Lines:
    """Return the lines between their bases, extended straight from both."""
    number = np.arange(lines.closed.size)
    added = np.rint(reach).astype(np.int64)
    added[(added == 0) & (reach > 0)] = 1
    kept = bases[:, 1] - bases[:, 0] + 1
    middle = np.arange(kept.sum()) - np.repeat(np.cumsum(kept) - kept - bases[:, 0], kept)
    parts, order, owner = [lines.places[middle]], [middle], [np.repeat(number, kept)]
    radii = [lines.radii_px[middle]]
    for end, sign in enumerate((-1, 1)):
        counts = added[:, end]
        place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 1
        base = np.repeat(bases[:, end], counts)
        out = np.repeat(reach[:, end] / np.maximum(counts, 1), counts) * place
        parts.append(lines.places[base] + out[:, None] * np.repeat(ways[:, end], counts, axis=0))
        radii.append(lines.radii_px[base])
        order.append(base + sign * place)
        owner.append(np.repeat(number, counts))
    line = np.concatenate(owner)
    sorted_ = np.lexsort((np.concatenate(order), line))
    starts = np.concatenate([[0], np.cumsum(kept + added.sum(axis=1))])
    return Lines(np.concatenate(parts)[sorted_], np.concatenate(radii)[sorted_], starts, lines.closed)
