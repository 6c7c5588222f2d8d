"""Find the connected components of a mask, as lists of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_PINHOLE_AREA_PX = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """``C`` 8-connected components of a mask, cut out of the image with a rim of one empty pixel.

    Later steps visit only crack pixels, so their cost grows with the cracks and not with the image. A pixel is
    identified by its flat index into ``grid``; its neighbours are one index, or ``stride``, away.

    Attributes:
        grid: ``(h, w)`` uint8, 1 in a crack, 0 elsewhere and in the rim.
        origin: Row and column in the image of the first pixel of ``grid``; -1 where the rim lies outside the image.
        pixels: ``(n,)`` int64 flat indices of the crack pixels, component by component, ascending in each.
        starts: ``(C + 1,)`` int64 first index into ``pixels`` of each component, and the end of the last one.
        areas: ``(C,)`` int64 area of each component in the mask, in pixels; filled pinholes do not count.
    """

    grid: NDArray[np.uint8]
    origin: tuple[int, int]
    pixels: NDArray[np.int64]
    starts: NDArray[np.int64]
    areas: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of components."""
        return self.starts.size - 1

    @property
    def stride(self) -> int:
        """Step in flat index from a pixel to the one below it."""
        return int(self.grid.shape[1])

    def labels(self) -> NDArray[np.int64]:
        """Return the component of each pixel, ``(n,)`` int64, from 0."""
        return np.repeat(np.arange(self.count), np.diff(self.starts))

    def positions(self, pixels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the positions of pixels in the image.

        Args:
            pixels: ``(k,)`` int64 flat indices.

        Returns:
            ``(k,)`` int64 rows and ``(k,)`` int64 columns, in pixels.
        """
        rows, cols = np.divmod(pixels, self.stride)
        return rows + self.origin[0], cols + self.origin[1]

    def boxes(self) -> NDArray[np.int64]:
        """Return the tight box of each component.

        Returns:
            ``(C, 4)`` int64 row0, col0, row1, col1, half-open, in pixels of the image.
        """
        places, first = self.positions(self.pixels), self.starts[:-1]
        low = [np.minimum.reduceat(values, first) for values in places]
        high = [np.maximum.reduceat(values, first) + 1 for values in places]
        return np.stack([*low, *high], axis=1)

    def rotated_boxes(self) -> NDArray[np.float64]:
        """Return the smallest rectangle at any angle around each component.

        Returns:
            ``(C, 4, 2)`` float64 rows and columns of the corners, in pixels; a pixel is a unit square around its
            centre.
        """
        rows, cols = self.positions(self.pixels)
        # Only the first and the last pixel of a row can touch the rectangle.
        breaks = np.flatnonzero(np.diff(rows * self.count + self.labels())) + 1
        is_bound = np.zeros(rows.size, dtype=np.bool_)
        for ends in (breaks, breaks - 1, self.starts[:-1], self.starts[1:] - 1):
            is_bound[ends] = True
        bounds = np.flatnonzero(is_bound)
        owner = np.searchsorted(bounds, self.starts)
        corners = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)])
        points = np.stack([rows[bounds], cols[bounds]], axis=1)[:, None] + corners
        points = points.reshape(-1, 2).astype(np.float32)
        rectangles = [
            cv2.boxPoints(cv2.minAreaRect(points[4 * first : 4 * stop]))
            for first, stop in zip(owner[:-1].tolist(), owner[1:].tolist(), strict=True)
        ]
        return np.array(rectangles, dtype=np.float64).reshape(-1, 4, 2)

    def orientations(self) -> NDArray[np.float64]:
        """Return the angle of the axis of least inertia of each component.

        Returns:
            ``(C,)`` float64 angles in [0, 180), in degrees: 0 along a row, counter-clockwise in the image.
        """
        sizes, labels = np.diff(self.starts), self.labels()
        rows, cols = self.positions(self.pixels)
        middle_row, middle_col = (np.add.reduceat(values, self.starts[:-1]) / sizes for values in (rows, cols))
        across, up = cols - middle_col[labels], middle_row[labels] - rows
        xx, yy, xy = (np.add.reduceat(values, self.starts[:-1]) for values in (across**2, up**2, across * up))
        angles = np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) % 180.0
        return np.where(angles < 180.0, angles, 0.0)


def find_components(mask: NDArray[np.bool_], *, fill_pinholes: bool = False) -> Components:
    """Find the 8-connected components of a mask, ordered by first pixel.

    Args:
        mask: ``(H, W)`` bool crack mask.
        fill_pinholes: Also fill holes smaller than a square as wide as the crack around them. Such grains inside a
            crack would otherwise make its skeleton fork.
    """
    image = np.ascontiguousarray(mask).view(np.uint8)
    left, top, width, height = cv2.boundingRect(image)
    grid = np.zeros((height + 2, width + 2), dtype=np.uint8)
    inner = image[top : top + height, left : left + width]
    grid[1:-1, 1:-1] = inner
    if fill_pinholes:
        _fill_pinholes(grid)
    count, numbers = cv2.connectedComponents(grid, connectivity=8)
    pixels = np.flatnonzero(grid.ravel().view(np.bool_))
    labels = np.asarray(numbers, dtype=np.int32).ravel()[pixels] - 1
    solid = inner[np.divmod(pixels, width + 2)[0] - 1, pixels % (width + 2) - 1]
    if count > 2:
        order = np.argsort(labels, kind="stable")
        pixels, labels, solid = pixels[order], labels[order], solid[order]
    starts = np.searchsorted(labels, np.arange(count))
    areas = np.bincount(labels, solid, minlength=count - 1).astype(np.int64)
    return Components(grid, (top - 1, left - 1), pixels, starts, areas)


def _fill_pinholes(grid: NDArray[np.uint8]) -> None:
    """Fill small holes; a hole that holds another component stays."""
    contours, hierarchy = cv2.findContours(grid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return
    parents = np.asarray(hierarchy)[0, :, 3]
    holes = np.flatnonzero(parents >= 0)
    sizes = {hole: cv2.contourArea(contours[hole]) for hole in holes.tolist()}
    for parent in sorted(set(parents[holes].tolist())):
        own = holes[parents[holes] == parent].tolist()
        rim = len(contours[parent]) + sum(len(contours[hole]) for hole in own)
        area = cv2.contourArea(contours[parent]) + len(contours[parent]) / 2 - sum(sizes[hole] for hole in own)
        limit = max(_PINHOLE_AREA_PX, (2 * area / rim) ** 2)
        for hole in own:
            if sizes[hole] <= limit:
                _fill(grid, np.asarray(contours[hole]))


def _fill(grid: NDArray[np.uint8], contour: NDArray[np.int32]) -> None:
    """Set the pixels inside a contour if none of them is set."""
    left, top, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), dtype=np.uint8)
    cv2.drawContours(inside, [contour], -1, 1, cv2.FILLED, offset=(-left, -top))
    cv2.drawContours(inside, [contour], -1, 0, 1, offset=(-left, -top))
    part = grid[top : top + height, left : left + width]
    if not (part & inside).any():
        part |= inside
