"""The connected pieces of a mask, as lists of their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """The 8-connected components of a mask, cut out of the image, one empty pixel all round.

    Everything after this works on the pixels of the cracks alone, so that its cost grows with them and not with the
    image. A pixel is named by its flat index into ``grid``: its neighbours are one index, or ``stride``, away.

    Attributes:
        grid: ``(h, w) uint8``, 1 in a crack, 0 elsewhere and all along the rim.
        origin: Row and column in the image of the first pixel of ``grid``; -1 where the rim lies outside the image.
        pixels: ``(n,) int64`` flat indices of the crack pixels, ascending.
        labels: ``(n,) int32`` component of each of them, from 0.
        count: Number of components.
    """

    grid: NDArray[np.uint8]
    origin: tuple[int, int]
    pixels: NDArray[np.int64]
    labels: NDArray[np.int32]
    count: int

    @property
    def stride(self) -> int:
        """Step from a pixel to the one below it."""
        return int(self.grid.shape[1])

    def positions(self, pixels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows and columns in the image of pixels given by flat index."""
        rows, cols = np.divmod(pixels, self.stride)
        return rows + self.origin[0], cols + self.origin[1]

    def areas(self) -> NDArray[np.int64]:
        """Return the pixels of each component, ``(count,)``."""
        return np.bincount(self.labels, minlength=self.count)

    def boxes(self) -> NDArray[np.int64]:
        """Return the tight box of each component, ``(count, 4)``: row0, col0, row1, col1, half-open, in the image."""
        order = np.argsort(self.labels, kind="stable")
        starts = np.searchsorted(self.labels[order], np.arange(self.count))
        rows, cols = (values[order] for values in self.positions(self.pixels))
        low = [np.minimum.reduceat(values, starts) for values in (rows, cols)]
        high = [np.maximum.reduceat(values, starts) + 1 for values in (rows, cols)]
        return np.stack([*low, *high], axis=1)

    def orientations(self) -> NDArray[np.float64]:
        """Return the angle of the axis of least inertia of each component, ``(count,)``, in degrees, in [0, 180).

        It is 0 along a row and counted counter-clockwise as seen.
        """
        rows, cols = self.positions(self.pixels)
        areas = self.areas()
        middle_row, middle_col = (self._sums(values) / areas for values in (rows, cols))
        across, up = cols - middle_col[self.labels], middle_row[self.labels] - rows
        xx, yy, xy = (self._sums(values) for values in (across**2, up**2, across * up))
        angles = np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) % 180.0
        return np.where(angles < 180.0, angles, 0.0)

    def _sums(self, values: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(self.labels, values, minlength=self.count), dtype=np.float64)


def find_components(mask: NDArray[np.bool_]) -> Components:
    """Find the 8-connected components of a mask, in the order of their first pixels.

    Args:
        mask: ``(H, W)`` crack pixels.
    """
    image = np.ascontiguousarray(mask).view(np.uint8)
    left, top, width, height = cv2.boundingRect(image)
    grid = np.zeros((height + 2, width + 2), dtype=np.uint8)
    grid[1:-1, 1:-1] = image[top : top + height, left : left + width]
    count, found = cv2.connectedComponents(grid, connectivity=8)
    pixels = np.flatnonzero(grid.ravel().view(np.bool_))
    labels = np.asarray(found, dtype=np.int32).ravel()[pixels] - 1
    return Components(grid, (top - 1, left - 1), pixels, labels, count - 1)
