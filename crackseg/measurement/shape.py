"""The shape of each component: its length, how far it winds, how it branches."""

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
    """Shapes by component.

    Attributes:
        lengths_px: ``(count,)`` length of all branches together, at least 1.
        tortuosities: ``(count,)`` length over the straight way between the ends of the branches; NaN for a closed line.
        branches: ``(count,)`` number of branches.
        endpoints: ``(count,)`` number of free ends.
        junctions: ``(count,)`` number of junctions.
        loops: ``(count,)`` number of meshes that branches enclose.
    """

    lengths_px: Values
    tortuosities: Values
    branches: Indices
    endpoints: Indices
    junctions: Indices
    loops: Indices

    def pattern(self, component: int) -> Pattern:
        """Return what a component looks like: without a junction, with some, or with junctions and meshes."""
        if self.junctions[component] == 0:
            return "single"
        return "network" if self.loops[component] > 0 else "branched"


def tabulate_shapes(skeleton: Skeleton, graph: SkeletonGraph, centrelines: Centrelines, count: int) -> ShapeTable:
    """Describe the shape of each of ``count`` components."""
    lines, owner = centrelines.lines, centrelines.components
    lengths = lines.lengths_px()
    way = lines.places[lines.starts[1:] - 1] - lines.places[lines.starts[:-1]]
    straight = np.hypot(way[:, 0], way[:, 1])
    open_ = straight > 0.5
    chords = np.bincount(owner[open_], straight[open_], minlength=count)
    wound = np.bincount(owner[open_], lengths[open_], minlength=count)
    degrees = np.array([len(graph.at[name]) for name in graph.nodes], dtype=np.int64)
    home = skeleton.labels[[node.pixel for node in graph.nodes.values()]]

    def nodes(of: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Indices:
        return np.bincount(home[of], minlength=count)

    alone = nodes(degrees == 0)
    branches = np.bincount(owner, minlength=count)
    return ShapeTable(
        lengths_px=np.maximum(np.bincount(owner, lengths, minlength=count), 1.0),
        tortuosities=np.divide(wound, chords, out=np.full(count, np.nan), where=chords > 0),
        branches=branches,
        endpoints=nodes(degrees == 1) + 2 * alone,
        junctions=nodes(degrees > 2),
        loops=branches - alone - nodes(degrees >= 0) + 1,
    )
