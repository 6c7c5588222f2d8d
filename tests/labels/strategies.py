"""Masks and polygons for the tests of label formats."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray


@st.composite
def masks(draw: st.DrawFn, *, largest: int = 24) -> NDArray[np.bool_]:
    """Masks with dots, lines of every width, holes, parts that meet at a corner; empty and full ones too."""
    height, width = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    seed = draw(st.integers(0, 2**32 - 1))
    kind = draw(st.sampled_from(["speckle", "lines", "rings", "empty", "full"]))
    rng = np.random.default_rng(seed)
    if kind == "speckle":
        return np.asarray(rng.random((height, width)) < rng.random())
    canvas = np.full((height, width), int(kind == "full"), np.uint8)
    for _ in range(int(rng.integers(1, 4)) if kind in ("lines", "rings") else 0):
        ends = rng.integers(-3, largest + 3, 4).tolist()
        thickness = int(rng.integers(1, 4))
        if kind == "lines":
            cv2.line(canvas, (ends[0], ends[1]), (ends[2], ends[3]), 1, thickness)
        else:
            cv2.circle(canvas, (ends[0], ends[1]), int(rng.integers(1, largest)), 1, thickness)
    return canvas.astype(np.bool_)
