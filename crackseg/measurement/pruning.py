"""Remove the spurs that thinning a rough edge leaves in a skeleton graph."""

from __future__ import annotations

import math

from crackseg.measurement.graph import Branch, Node, SkeletonGraph

SPUR_PX, SPUR_SHARE = 3.0, 0.7
"""Limits of a spur: a branch with a free end that leaves the disc at its junction by less than this.

The first is in pixels, the second a share of the disc's radius; the larger one counts."""


def prune(graph: SkeletonGraph) -> None:
    """Remove spurs and merge neighbouring junctions, in place.

    Junctions are merged if their discs contain each other's centres, as where wide cracks cross. The shortest spurs
    are removed first, and every junction keeps at least two branches.
    """
    _join(graph, list(graph.nodes))
    while True:
        changed = _contract(graph)
        spurs = sorted(_spurs(graph))
        for _, name, tip, fork in spurs:
            if len(graph.at[fork]) >= 3:
                graph.remove_branch(name)
                del graph.nodes[tip], graph.at[tip]
                changed.append(fork)
        if not changed:
            return
        _join(graph, changed)


def _spurs(graph: SkeletonGraph) -> list[tuple[float, int, int, int]]:
    """Return length, name, free end and junction of each spur."""
    spurs = []
    for name, branch in graph.branches.items():
        degrees = [len(graph.at[end]) for end in branch.ends]
        if sorted(degrees)[0] != 1 or sorted(degrees)[1] < 3:
            continue
        tip, fork = branch.ends if degrees[0] == 1 else branch.ends[::-1]
        one, other = graph.nodes[tip], graph.nodes[fork]
        out = _distance(one, other) + one.radius_px - other.radius_px
        if out < max(SPUR_PX, SPUR_SHARE * other.radius_px):
            spurs.append((out, name, tip, fork))
    return spurs


def _contract(graph: SkeletonGraph) -> list[int]:
    """Merge junctions that lie in each other's discs; return the merged ones."""
    changed = []
    for name in list(graph.branches):
        branch = graph.branches.get(name)
        if branch is None:
            continue
        one, other = branch.ends
        if one == other or min(len(graph.at[one]), len(graph.at[other])) < 3:
            continue
        reach = max(graph.nodes[one].radius_px, graph.nodes[other].radius_px)
        if _distance(graph.nodes[one], graph.nodes[other]) > reach or len(branch.pixels) > 1.5 * reach + 2:
            continue
        graph.remove_branch(name)
        _merge_nodes(graph, one, other)
        changed.append(one)
    return [node for node in changed if node in graph.nodes]


def _merge_nodes(graph: SkeletonGraph, kept: int, gone: int) -> None:
    """Merge two junctions into one half way between them."""
    first, second = graph.nodes[kept], graph.nodes[gone]
    radius = max(first.radius_px, second.radius_px)
    graph.nodes[kept] = Node((first.row + second.row) / 2, (first.col + second.col) / 2, radius, first.pixel)
    for name in list(dict.fromkeys(graph.at[gone])):
        branch = graph.remove_branch(name)
        ends = tuple(kept if end == gone else end for end in branch.ends)
        graph.add_branch(Branch(branch.pixels, (ends[0], ends[1])))
    del graph.nodes[gone], graph.at[gone]


def _join(graph: SkeletonGraph, nodes: list[int]) -> None:
    """Join two branches into one at every node where only two meet."""
    for node in nodes:
        if node not in graph.nodes or len(graph.at[node]) != 2 or graph.at[node][0] == graph.at[node][1]:
            continue
        first, second = (graph.remove_branch(name) for name in list(graph.at[node]))
        before = first.pixels if first.ends[1] == node else first.pixels[::-1]
        after = second.pixels if second.ends[0] == node else second.pixels[::-1]
        start = first.ends[0] if first.ends[1] == node else first.ends[1]
        end = second.ends[1] if second.ends[0] == node else second.ends[0]
        graph.add_branch(Branch(before + after[after[0] == before[-1] :], (start, end)))
        del graph.nodes[node], graph.at[node]


def _distance(one: Node, other: Node) -> float:
    return math.hypot(one.row - other.row, one.col - other.col)
