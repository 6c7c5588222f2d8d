"""Trace skeletons into graphs of nodes and branches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.components import Components
from crackseg.measurement.skeleton import Skeleton, steps

_FREE, _TAKEN = -1, -2


@dataclass(frozen=True, slots=True)
class Node:
    """Endpoint, junction, or the point where a ring was cut open.

    Attributes:
        row: Row in the image, in pixels; the mean of several skeleton pixels for a junction.
        col: Column in the image, in pixels.
        radius_px: Radius of the largest disc around it inside the crack, in pixels.
        pixel: Number of one of its pixels in the skeleton.
    """

    row: float
    col: float
    radius_px: float
    pixel: int


@dataclass(frozen=True, slots=True)
class Branch:
    """Part of a skeleton that does not fork.

    Attributes:
        pixels: Numbers of its pixels in the skeleton, in order, both ends included.
        ends: Names of the nodes at its two ends; twice the same name for a ring.
    """

    pixels: list[int]
    ends: tuple[int, int]


@dataclass(slots=True)
class SkeletonGraph:
    """Nodes and branches of all components, by name; a name is a number without meaning.

    A component that is a single point has a node and no branch.

    Attributes:
        nodes: Nodes by name.
        branches: Branches by name.
        at: Names of the branches that meet in each node; a ring counts twice.
    """

    nodes: dict[int, Node] = field(default_factory=dict)
    branches: dict[int, Branch] = field(default_factory=dict)
    at: dict[int, list[int]] = field(default_factory=dict)
    _names: Iterator[int] = field(default_factory=itertools.count)

    def add_node(self, node: Node) -> int:
        """Add a node and return its name."""
        name = next(self._names)
        self.nodes[name], self.at[name] = node, []
        return name

    def add_branch(self, branch: Branch) -> int:
        """Add a branch and return its name."""
        name = next(self._names)
        self.branches[name] = branch
        for end in branch.ends:
            self.at[end].append(name)
        return name

    def remove_branch(self, name: int) -> Branch:
        """Remove and return a branch; its nodes stay."""
        branch = self.branches.pop(name)
        for end in branch.ends:
            self.at[end].remove(name)
        return branch


def trace_graph(components: Components, skeleton: Skeleton) -> SkeletonGraph:
    """Trace a skeleton from node to node.

    Args:
        components: The components of the mask.
        skeleton: Their skeletons.

    Returns:
        A graph in which every skeleton pixel belongs to a node, a branch or both.
    """
    near, radii_px = _neighbours(components, skeleton.pixels), skeleton.radii_px
    degrees = (near >= 0).sum(axis=1)
    rows, cols = components.positions(skeleton.pixels)
    graph = SkeletonGraph()
    forks = (degrees > 2) | _in_square(near)
    node_of = np.full(skeleton.pixels.size, _FREE, dtype=np.int64)
    for cluster in _clusters(np.flatnonzero(forks).tolist(), near):
        middle = float(rows[cluster].mean()), float(cols[cluster].mean())
        node_of[cluster] = graph.add_node(Node(*middle, float(radii_px[cluster].max()), cluster[0]))
    for tip in np.flatnonzero((degrees < 2) & ~forks).tolist():
        node_of[tip] = graph.add_node(Node(float(rows[tip]), float(cols[tip]), float(radii_px[tip]), tip))
    one = near.max(axis=1)
    links, names = (one.tolist(), (near.sum(axis=1) + (8 - degrees) - one).tolist()), node_of.tolist()
    for start, first in _starts(near, node_of):
        branch = _walk(start, first, links, names)
        if branch is not None:
            graph.add_branch(branch)
    for ring in _rings(links, names):
        start = ring[0]
        name = graph.add_node(Node(float(rows[start]), float(cols[start]), float(radii_px[start]), start))
        graph.add_branch(Branch(ring, (name, name)))
    return graph


def _neighbours(components: Components, skeleton: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the neighbours of each skeleton pixel by number, -1 for none.

    A diagonal neighbour counts only if no straight path leads around it, so that a corner is not a fork.

    Returns:
        ``(n, 8)`` int32 numbers, clockwise from the neighbour above.
    """
    number = np.full(components.grid.size, -1, dtype=np.int32)
    number[skeleton] = np.arange(skeleton.size, dtype=np.int32)
    near = number[skeleton[:, None] + steps(components.stride)]
    straight = near[:, ::2] >= 0
    for corner in range(4):
        near[straight[:, corner] | straight[:, (corner + 1) % 4], 2 * corner + 1] = -1
    return np.asarray(near)


def _in_square(near: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which pixels belong to a square of 2x2, ``(n,)`` bool.

    Thinning cannot reduce such a square, which is a fork at most.
    """
    in_square = np.zeros(len(near), dtype=np.bool_)
    for first, second in ((2, 4), (4, 6), (6, 0), (0, 2)):
        whole = np.flatnonzero((near[:, first] >= 0) & (near[:, second] >= 0))
        over = near[whole, first]
        in_square[whole[near[over, second] >= 0]] = True
    return in_square


def _clusters(pixels: list[int], near: NDArray[np.int32]) -> Iterator[list[int]]:
    """Yield the connected groups of pixels."""
    left = set(pixels)
    for first in pixels:
        if first not in left:
            continue
        left.remove(first)
        cluster = [first]
        for pixel in cluster:
            neighbours = left.intersection(near[pixel].tolist())
            left -= neighbours
            cluster.extend(sorted(neighbours))
        yield cluster


def _starts(near: NDArray[np.int32], node_of: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return all pairs of a node pixel and a neighbour outside it."""
    pixels = np.flatnonzero(node_of >= 0)
    which, bit = np.nonzero((near[pixels] >= 0) & (node_of[near[pixels]] != node_of[pixels][:, None]))
    starts = pixels[which]
    return list(zip(starts.tolist(), near[starts, bit].tolist(), strict=True))


def _walk(start: int, first: int, links: tuple[list[int], list[int]], names: list[int]) -> Branch | None:
    """Walk from a node to the next; None for a known branch.

    Args:
        start: A pixel of the node.
        first: The next pixel.
        links: The two neighbours of each pixel that has two.
        names: The node of each pixel, or -1; visited pixels are marked.
    """
    if names[first] >= 0:
        return Branch([start, first], (names[start], names[first])) if start < first else None
    if names[first] == _TAKEN:
        return None
    one, other = links
    path, before, here = [start], start, first
    while names[here] < 0:
        path.append(here)
        names[here] = _TAKEN
        ahead = one[here]
        before, here = here, other[here] if ahead == before else ahead
    return Branch([*path, here], (names[start], names[here]))


def _rings(links: tuple[list[int], list[int]], names: list[int]) -> Iterator[list[int]]:
    """Yield the rings without a node, with the first pixel repeated last."""
    for start, name in enumerate(names):
        if name != _FREE:
            continue
        path, before, here = [start], start, links[0][start]
        while here != start:
            path.append(here)
            ahead = links[0][here]
            before, here = here, links[1][here] if ahead == before else ahead
        for pixel in path:
            names[pixel] = _TAKEN
        yield [*path, start]
