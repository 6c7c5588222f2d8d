"""How far the pixels of a crack are from its edge, exactly, where that is asked for and nowhere else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.components import Components


def distances_to_background(components: Components, pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the Euclidean distance from the centres of crack pixels to the nearest centre of a background pixel.

    What lies outside the image is background. The distance along the row is found for every crack pixel from the ends
    of its run; then each asked pixel looks up and down its column, no further than the distance it already has. So
    the cost grows with the crack pixels, where a distance transform's grows with the image.

    Args:
        components: The components of a mask.
        pixels: ``(n,)`` flat indices of crack pixels.

    Returns:
        ``(n,)`` distances, in pixels, at least 1.

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
    """Return, by flat index, the distance of crack pixels to the nearest background in their row; 0 elsewhere."""
    flat = components.grid.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    step = np.arange(components.pixels.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    along = np.zeros(flat.size, dtype=np.int32)
    along[np.repeat(starts, lengths) + step] = np.minimum(step + 1, np.repeat(lengths, lengths) - step)
    return along
