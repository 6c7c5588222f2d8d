"""Compute exact distances from crack pixels to the background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.components import Components


def distances_to_background(components: Components, pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the Euclidean distances from crack pixels to the nearest background pixel.

    Distances are measured between pixel centres, and the outside of the image is background. The ends of each run
    give every crack pixel its distance along the row. Each pixel of ``pixels`` then searches its column, no further
    than its distance so far. The cost grows with the crack pixels; that of a distance transform grows with the image.

    Args:
        components: The components of a mask.
        pixels: ``(n,)`` int64 flat indices of crack pixels.

    Returns:
        ``(n,)`` float64 distances, in pixels, at least 1.

    Source:
        Felzenszwalb, Huttenlocher, "Distance transforms of sampled functions", Theory of Computing 8 (2012) 415-428,
        section 2.1: rows first, columns after.
    """
    along = _distances_along_rows(components)
    best = along[pixels].astype(np.int64) ** 2
    active = np.flatnonzero(best > 1)
    away = 1
    while active.size:
        places = pixels[active]
        near = np.minimum(along[places - away * components.stride], along[places + away * components.stride])
        best[active] = np.minimum(best[active], near.astype(np.int64) ** 2 + away * away)
        away += 1
        active = active[best[active] > away * away]
    return np.sqrt(best)


def _distances_along_rows(components: Components) -> NDArray[np.int32]:
    """Return distances to the background along rows, by flat index; else 0."""
    flat = components.grid.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    step = np.arange(components.pixels.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    along = np.zeros(flat.size, dtype=np.int32)
    along[np.repeat(starts, lengths) + step] = np.minimum(step + 1, np.repeat(lengths, lengths) - step)
    return along
