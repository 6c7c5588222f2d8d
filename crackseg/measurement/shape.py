"""Tabulate length, tortuosity and branching of each component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from crackseg.measurement.centreline import Centrelines
from crackseg.measurement.graph import SkeletonGraph
from crackseg.measurement.lines import Indices, Values
from crackseg.measurement.skeleton import Skeleton

Pattern = Literal["single", "branched", "network"]


@dataclass(frozen=True, slots=True, eq=False)
class ShapeTable:
    """Shapes of ``C`` components.

    Attributes:
        lengths_px: ``(C,)`` float64 total length of all branches, at least 1, in pixels.
        tortuosities: ``(C,)`` float64 length over the straight distance between the ends of the branches; NaN for
            a closed line.
        branches: ``(C,)`` int64 number of branches.
        endpoints: ``(C,)`` int64 number of free ends.
        junctions: ``(C,)`` int64 number of junctions.
        loops: ``(C,)`` int64 number of meshes enclosed by branches.
    """

    lengths_px: Values
    tortuosities: Values
    branches: Indices
    endpoints: Indices
    junctions: Indices
    loops: Indices

    def pattern(self, component: int) -> Pattern:
        """Return the pattern of a component from its junctions and meshes."""
        if self.junctions[component] == 0:
            return "single"
        return "network" if self.loops[component] > 0 else "branched"


def tabulate_shapes(skeleton: Skeleton, graph: SkeletonGraph, centrelines: Centrelines, count: int) -> ShapeTable:
    """Return the shape of each of ``count`` components."""
    lines, owner = centrelines.lines, centrelines.components
    lengths = lines.lengths_px()
    way = lines.places[lines.starts[1:] - 1] - lines.places[lines.starts[:-1]]
    straight = np.hypot(way[:, 0], way[:, 1])
    open_ = straight > 0.5
    chords = np.bincount(owner[open_], straight[open_], minlength=count)
    wound = np.bincount(owner[open_], lengths[open_], minlength=count)
    degrees = np.array([len(graph.at[name]) for name in graph.nodes], dtype=np.int64)
    home = skeleton.labels[[node.pixel for node in graph.nodes.values()]]

    def count_nodes(chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Indices:
        return np.bincount(home[chosen], minlength=count)

    isolated = count_nodes(degrees == 0)
    branches = np.bincount(owner, minlength=count)
    return ShapeTable(
        lengths_px=np.maximum(np.bincount(owner, lengths, minlength=count), 1.0),
        tortuosities=np.divide(wound, chords, out=np.full(count, np.nan), where=chords > 0),
        branches=branches,
        endpoints=count_nodes(degrees == 1) + 2 * isolated,
        junctions=count_nodes(degrees > 2),
        loops=branches - isolated - count_nodes(degrees >= 0) + 1,
    )
