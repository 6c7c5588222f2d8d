"""Sample images along straight lines across a crack."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.lines import Indices, Values

_MOST, _BLOCK_PX = 30_000, 16_000


def sample(image: NDArray[np.uint8] | NDArray[np.float32], rows: Values, cols: Values) -> NDArray[np.float32]:
    """Return bilinear samples of an image, whose border pixels are repeated outside.

    Args:
        image: ``(H, W)`` uint8 or float32 values in any unit.
        rows: ``(n, k)`` float64 rows, in pixels, pixel centres at whole numbers; those of one line close together.
        cols: ``(n, k)`` float64 columns, in pixels.

    Returns:
        ``(n, k)`` float32 values, in the unit of the image.
    """
    if max(*image.shape, len(rows)) <= _MOST:
        return _sample(image, rows, cols)
    values = np.empty(rows.shape, dtype=np.float32)
    for part in _parts(rows[:, 0], cols[:, 0]):
        corner = [max(int(axis[part].min()) - 1, 0) for axis in (rows, cols)]
        row0, col0 = (min(low, side - 1) for low, side in zip(corner, image.shape, strict=True))
        row1, col1 = (max(int(axis[part].max()) + 3, 1) for axis in (rows, cols))
        cut = image[row0 : max(row1, row0 + 1), col0 : max(col1, col0 + 1)]
        values[part] = _sample(cut, rows[part] - row0, cols[part] - col0)
    return values


def _sample(image: NDArray[np.uint8] | NDArray[np.float32], rows: Values, cols: Values) -> NDArray[np.float32]:
    if not rows.size:
        return np.zeros(rows.shape, dtype=np.float32)
    where = cols.astype(np.float32), rows.astype(np.float32)
    values = cv2.remap(image, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values, dtype=np.float32)


def _parts(rows: Values, cols: Values) -> Iterator[Indices]:
    """Yield groups of nearby places; OpenCV limits image size and count."""
    blocks = (rows // _BLOCK_PX).astype(np.int64) * 2**32 + (cols // _BLOCK_PX).astype(np.int64)
    order = np.argsort(blocks, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1):
        for start in range(0, group.size, _MOST):
            yield group[start : start + _MOST]
