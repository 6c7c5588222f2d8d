"""Draw networks of cracks around closed cells: alligator and map cracking."""

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.centreline import Wander, draw_bridges
from data_gen.stroke import Points


def draw_network(
    rng: np.random.Generator, centre: tuple[float, float], radius_px: float, cell_px: float, wander: Wander
) -> tuple[Points, ...]:
    """Draw the borders of random cells within a disc.

    Args:
        rng: Source of randomness.
        centre: Centre (row, col), in pixels.
        radius_px: Radius of the disc, in pixels.
        cell_px: Typical size of a cell, in pixels.
        wander: Shape of the borders.

    Returns:
        One or more lines ``(n, 2)`` float64 (row, col), in pixels, that share their end points; some borders are
        missing.
    """
    lines = _cell_borders(rng, radius_px, cell_px)
    middle = lines.mean(axis=1)
    bearing = np.arctan2(middle[:, 0], middle[:, 1])
    reach = radius_px * (0.8 + 0.2 * np.sin(2 * bearing + rng.uniform(0, 6)) + 0.1 * np.sin(5 * bearing))
    keep = (np.hypot(middle[:, 0], middle[:, 1]) < reach) & (rng.random(len(lines)) > rng.uniform(0.0, 0.35))
    lengths = np.hypot(*(lines[:, 1] - lines[:, 0]).T)
    keep &= (lengths > 3.0) & (lengths < 4 * cell_px)
    if not keep.any():
        keep[np.argmin(np.abs(lengths - cell_px))] = True
    shift = np.asarray(centre)
    return draw_bridges(rng, lines[keep] + shift, wander)


def _cell_borders(rng: np.random.Generator, radius_px: float, cell_px: float) -> NDArray[np.float64]:
    """Return the borders of Voronoi cells as ``(n, 2, 2)`` float64 (end, row/col)."""
    half = int(np.ceil(radius_px + 2 * cell_px))
    count = max(6, int((2 * half / cell_px) ** 2))
    grid = int(np.ceil(np.sqrt(count)))
    step = 2 * half / grid
    stretch = rng.uniform(0.6, 1.0)
    spots = (np.indices((grid, grid)).reshape(2, -1).T + 0.5 + rng.uniform(-0.7, 0.7, (grid * grid, 2))) * step
    spots = np.clip(spots, 0, 2 * half)
    plane = cv2.Subdiv2D((0, 0, 2 * half + 1, 2 * half + 1))
    plane.insert([(float(col), float(row)) for row, col in spots])
    facets, _ = plane.getVoronoiFacetList([])
    ends = np.concatenate([np.stack([facet, np.roll(facet, -1, axis=0)], axis=1) for facet in facets])
    ordered = np.round(np.where((ends[:, :1, 0] > ends[:, 1:, 0])[:, :, None], ends[:, ::-1], ends), 2)
    unique = np.unique(ordered.reshape(-1, 4), axis=0).reshape(-1, 2, 2).astype(np.float64)
    lines = unique[:, :, ::-1] - half
    turn = rng.uniform(0, np.pi)
    row, col = stretch * lines[..., 0], lines[..., 1]
    return np.stack([np.cos(turn) * row - np.sin(turn) * col, np.sin(turn) * row + np.cos(turn) * col], axis=-1)
