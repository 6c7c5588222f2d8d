"""Draw masks for the tests of metrics."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@st.composite
def mask_pairs(draw: st.DrawFn, largest: int = 10) -> tuple[Mask, Mask]:
    """Draw two small random masks of one shape."""
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest)))
    return draw(hnp.arrays(np.bool_, shape)), draw(hnp.arrays(np.bool_, shape))


def scribbles(seed: int, *, shape: tuple[int, int] = (90, 120), lines: int = 4, width_px: int = 3) -> Mask:
    """Draw random crooked lines."""
    rng = np.random.default_rng(seed)
    drawn = np.zeros(shape, np.uint8)
    for _ in range(lines):
        points = np.cumsum(rng.integers(-12, 25, (5, 2)), axis=0) + rng.integers(0, min(shape), 2)
        cv2.polylines(drawn, [points.astype(np.int32)], isClosed=False, color=1, thickness=width_px)
    return drawn.astype(np.bool_)


def shaken(mask: Mask, seed: int) -> Mask:
    """Shift a mask, remove a piece of it and add specks."""
    rng = np.random.default_rng(seed)
    moved = np.roll(mask, tuple(rng.integers(-2, 3, 2)), axis=(0, 1))
    row = int(rng.integers(0, mask.shape[0] // 2))
    moved[row : row + mask.shape[0] // 5] = False
    return np.asarray(moved | (rng.random(mask.shape) < 0.003))
