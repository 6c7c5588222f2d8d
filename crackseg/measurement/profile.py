"""Samples of a picture along straight lines across a crack."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.lines import Indices, Values

_MOST, _BLOCK_PX = 30_000, 16_000


def sample(picture: NDArray[np.uint8] | NDArray[np.float32], rows: Values, cols: Values) -> NDArray[np.float32]:
    """Return a picture between its pixels, bilinear; beyond its border it goes on as at its border.

    Args:
        picture: ``(H, W)`` uint8 or float32.
        rows: ``(n, k)`` rows, pixel centres at whole numbers; those of one line close together.
        cols: ``(n, k)`` columns.

    Returns:
        ``(n, k)`` values.
    """
    if max(*picture.shape, len(rows)) <= _MOST:
        return _sample(picture, rows, cols)
    values = np.empty(rows.shape, dtype=np.float32)
    for part in _parts(rows[:, 0], cols[:, 0]):
        corner = [max(int(axis[part].min()) - 1, 0) for axis in (rows, cols)]
        row0, col0 = (min(low, side - 1) for low, side in zip(corner, picture.shape, strict=True))
        row1, col1 = (max(int(axis[part].max()) + 3, 1) for axis in (rows, cols))
        cut = picture[row0 : max(row1, row0 + 1), col0 : max(col1, col0 + 1)]
        values[part] = _sample(cut, rows[part] - row0, cols[part] - col0)
    return values


def _sample(picture: NDArray[np.uint8] | NDArray[np.float32], rows: Values, cols: Values) -> NDArray[np.float32]:
    if not rows.size:
        return np.zeros(rows.shape, dtype=np.float32)
    where = cols.astype(np.float32), rows.astype(np.float32)
    found = cv2.remap(picture, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, dtype=np.float32)


def _parts(rows: Values, cols: Values) -> Iterator[Indices]:
    """Group places by blocks of the picture; the sampler can neither take more of them nor a larger picture."""
    blocks = (rows // _BLOCK_PX).astype(np.int64) * 2**32 + (cols // _BLOCK_PX).astype(np.int64)
    order = np.argsort(blocks, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1):
        for start in range(0, group.size, _MOST):
            yield group[start : start + _MOST]
