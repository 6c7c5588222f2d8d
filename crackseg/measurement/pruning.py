"""Spurs off the graph of a skeleton: what thinning makes of a rough edge is no branch of the crack."""

from __future__ import annotations

import math

from crackseg.measurement.graph import Branch, Node, SkeletonGraph

SPUR_PX, SPUR_SHARE = 3.0, 0.7
"""A branch with a free end is a spur if it leaves the disc at its junction by less than this many pixels, or by less
than this share of the disc's radius."""


def prune(graph: SkeletonGraph) -> None:
    """Drop spurs, and make one junction of two whose discs hold each other's centres, as where wide cracks cross.

    The shortest spurs go first, and no junction loses so many that nothing runs through it any more. The graph is
    changed in place.
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
    """Return how far each spur sticks out, its name, its free end and its junction."""
    found = []
    for name, branch in graph.branches.items():
        degrees = [len(graph.at[end]) for end in branch.ends]
        if sorted(degrees)[0] != 1 or sorted(degrees)[1] < 3:
            continue
        tip, fork = branch.ends if degrees[0] == 1 else branch.ends[::-1]
        one, other = graph.nodes[tip], graph.nodes[fork]
        out = _apart(one, other) + one.radius_px - other.radius_px
        if out < max(SPUR_PX, SPUR_SHARE * other.radius_px):
            found.append((out, name, tip, fork))
    return found


def _contract(graph: SkeletonGraph) -> list[int]:
    """Make one of every two junctions that are closer to each other than their discs reach; return those left."""
    changed = []
    for name in list(graph.branches):
        branch = graph.branches.get(name)
        if branch is None:
            continue
        one, other = branch.ends
        if one == other or min(len(graph.at[one]), len(graph.at[other])) < 3:
            continue
        reach = max(graph.nodes[one].radius_px, graph.nodes[other].radius_px)
        if _apart(graph.nodes[one], graph.nodes[other]) > reach or len(branch.pixels) > 1.5 * reach + 2:
            continue
        graph.remove_branch(name)
        _merge_nodes(graph, one, other)
        changed.append(one)
    return [node for node in changed if node in graph.nodes]


def _merge_nodes(graph: SkeletonGraph, kept: int, gone: int) -> None:
    """Move all branch ends from one junction to another, which moves half way."""
    first, second = graph.nodes[kept], graph.nodes[gone]
    radius = max(first.radius_px, second.radius_px)
    graph.nodes[kept] = Node((first.row + second.row) / 2, (first.col + second.col) / 2, radius, first.pixel)
    for name in list(dict.fromkeys(graph.at[gone])):
        branch = graph.remove_branch(name)
        ends = tuple(kept if end == gone else end for end in branch.ends)
        graph.add_branch(Branch(branch.pixels, (ends[0], ends[1])))
    del graph.nodes[gone], graph.at[gone]


def _join(graph: SkeletonGraph, nodes: list[int]) -> None:
    """Make one branch of two wherever only two meet in a node."""
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


def _apart(one: Node, other: Node) -> float:
    return math.hypot(one.row - other.row, one.col - other.col)
