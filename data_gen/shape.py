"""Draw procedural cracks: lines, branches, crossings, pairs, hairlines and networks."""

import math
from dataclasses import replace

import numpy as np

from data_gen.centreline import Wander, join_walks, walk
from data_gen.chance import draw_log_uniform, draw_uniform, happens
from data_gen.network import draw_network
from data_gen.profile import WidthStyle, widen
from data_gen.recipe import CracksRecipe
from data_gen.stroke import Points, Stroke, polyline_length


def draw_shape(rng: np.random.Generator, recipe: CracksRecipe, kind: str, size_px: int) -> tuple[Stroke, ...]:
    """Draw the branches of one crack.

    Args:
        rng: Source of randomness.
        recipe: Widths, lengths and roughness.
        kind: Name of a field of ``PatternMix`` other than ``cutout``.
        size_px: Side of the image, in pixels.

    Returns:
        Strokes in image coordinates; they may reach beyond the image.
    """
    width = _draw_width(rng, recipe, kind)
    length = draw_log_uniform(rng, recipe.length) * size_px
    style = WidthStyle(
        width_px=min(width, max(length / 14, 1.0)),
        variation=draw_uniform(rng, recipe.width_variation) / max(1.0, (width / 6) ** 0.5),
        edge_roughness=draw_uniform(rng, recipe.edge_roughness),
    )
    wander = Wander(draw_uniform(rng, recipe.roughness), float(rng.beta(0.8, 0.8)), 1.5 * style.width_px)
    middle = tuple(size_px * (0.5 + 0.5 * np.sin(rng.uniform(-1.25, 1.25, 2))))
    if kind == "network":
        return _network(rng, (middle[0], middle[1]), length, style, wander)
    length = max(length, min(25 * style.width_px, 1.5 * size_px))
    main = _draw_main(rng, (middle[0], middle[1]), length, wander)
    strokes = list(widen(rng, [main], [style]))
    if kind == "parallel":
        strokes.append(_draw_parallel(rng, main, style, wander))
    if kind in ("branched", "crossing"):
        strokes += _draw_branches(rng, strokes[0], style, wander, crossing=kind == "crossing")
    elif happens(rng, recipe.gap_probability):
        strokes = [part for stroke in strokes for part in _cut_gaps(rng, stroke)]
    return tuple(strokes)


def _draw_width(rng: np.random.Generator, recipe: CracksRecipe, kind: str) -> float:
    """Draw the typical width of a crack, in pixels, favouring thin cracks."""
    if kind == "hairline":
        return draw_log_uniform(rng, recipe.hairline_width_px, skew=1.3)
    if happens(rng, recipe.wide_probability):
        return draw_log_uniform(rng, recipe.wide_width_px, skew=1.3)
    return draw_log_uniform(rng, recipe.width_px, skew=1.3)


def _draw_main(rng: np.random.Generator, middle: tuple[float, float], length: float, wander: Wander) -> Points:
    heading = rng.uniform(0, 2 * math.pi)
    share = rng.uniform(0.3, 0.7)
    return join_walks(
        walk(rng, middle, heading + math.pi, length * share, wander),
        walk(rng, middle, heading, length * (1 - share), wander),
    )


def _network(
    rng: np.random.Generator, middle: tuple[float, float], length: float, style: WidthStyle, wander: Wander
) -> tuple[Stroke, ...]:
    cell = float(np.clip(length * rng.uniform(0.08, 0.25), max(10.0, 5 * style.width_px), 220.0))
    lines = draw_network(
        rng, middle, min(length / 2, 5 * cell), cell, replace(wander, roughness=0.8 * wander.roughness)
    )
    narrower, ends = rng.uniform(0.35, 1.0, len(lines)), rng.random(len(lines)) < 0.1
    styles = [
        replace(style, width_px=style.width_px * share, taper_start=False, taper_end=bool(end))
        for share, end in zip(narrower.tolist(), ends, strict=True)
    ]
    return widen(rng, lines, styles)


def _draw_parallel(rng: np.random.Generator, main: Points, style: WidthStyle, wander: Wander) -> Stroke:
    """Draw a second crack parallel to ``(n, 2)`` points of the first."""
    first, last = sorted(rng.integers(0, len(main), 2))
    piece = main[first : max(last, first + min(12, len(main) - 1 - first)) + 1]
    if len(piece) < 3:
        piece = main
    span = piece[-1] - piece[0]
    away = np.array([-span[1], span[0]]) / max(float(np.hypot(*span)), 1e-9)
    offset = rng.choice([-1, 1]) * (3 * style.width_px + rng.uniform(4, 30))
    heading = float(np.arctan2(span[0], span[1]))
    start = piece[0] + offset * away
    path = walk(rng, (start[0], start[1]), heading, polyline_length(piece), wander)
    return widen(rng, [path], [replace(style, width_px=style.width_px * rng.uniform(0.4, 1.0))])[0]


def _draw_branches(
    rng: np.random.Generator, main: Stroke, style: WidthStyle, wander: Wander, *, crossing: bool
) -> list[Stroke]:
    """Draw branches or a crossing line from points of a line."""
    strokes: list[Stroke] = []
    parents = [main]
    for _ in range(1 if crossing else int(rng.integers(1, 4))):
        parent = parents[int(rng.integers(0, len(parents)))]
        spot = int(rng.integers(len(parent.points) // 8, max(len(parent.points) * 7 // 8, 1)))
        near = parent.points[min(spot + 8, len(parent.points) - 1)] - parent.points[max(spot - 8, 0)]
        turn = rng.choice([-1, 1]) * math.radians(rng.uniform(25, 90))
        heading = float(np.arctan2(near[0], near[1])) + turn + math.pi * float(rng.random() < 0.5)
        start = (float(parent.points[spot, 0]), float(parent.points[spot, 1]))
        length = main.length_px * rng.uniform(0.1, 0.6)
        local = float(parent.width_px[max(spot - 3, 0) : spot + 4].mean())
        branch_style = replace(
            style, width_px=max(local * rng.uniform(0.4, 0.95), 0.4), taper_start=False, taper_end=True
        )
        path = walk(rng, start, heading, length, wander)
        if crossing:
            path = join_walks(walk(rng, start, heading + math.pi, length * rng.uniform(0.5, 1.2), wander), path)
            branch_style = replace(branch_style, taper_start=True)
        strokes += widen(rng, [path], [branch_style])
        parents.append(strokes[-1])
    return strokes


def _cut_gaps(rng: np.random.Generator, stroke: Stroke) -> list[Stroke]:
    """Cut short gaps into a stroke and return the remaining strokes."""
    count = len(stroke.points)
    keep = np.ones(count, np.bool_)
    for _ in range(int(rng.integers(1, 4))):
        start = int(rng.integers(0, count))
        keep[start : start + int(rng.integers(4, 14))] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]]).astype(np.int8)))
    parts = [slice(first, stop) for first, stop in edges.reshape(-1, 2) if stop - first >= 6]
    return [Stroke(stroke.points[p], stroke.left_px[p], stroke.right_px[p]) for p in parts] or [stroke]
