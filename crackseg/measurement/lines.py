"""Hold many lines of points in shared arrays, and smooth and resample them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """``m`` lines of ``n`` points in total, line by line.

    Attributes:
        places: ``(n, 2)`` float64 row and column of each point, in pixels; pixel centres at whole numbers.
        radii_px: ``(n,)`` float64 radius of the largest disc around each point inside the crack, in pixels.
        starts: ``(m + 1,)`` int64 first point of each line, and the end of the last one.
        closed: ``(m,)`` bool, True for a line whose last point is its first.
    """

    places: Values
    radii_px: Values
    starts: Indices
    closed: NDArray[np.bool_]

    @property
    def counts(self) -> Indices:
        """Number of points of each line, ``(m,)`` int64."""
        return np.diff(self.starts)

    def line_of(self) -> Indices:
        """Return the line of each point, ``(n,)`` int64."""
        return np.repeat(np.arange(self.closed.size), self.counts)

    def steps_px(self) -> Values:
        """Return the distance of each point from the one before it.

        Returns:
            ``(n,)`` float64 distances, in pixels; 0 for the first point of a line.
        """
        way = np.diff(self.places, axis=0, prepend=self.places[:1])
        steps = np.hypot(way[:, 0], way[:, 1])
        steps[self.starts[:-1]] = 0.0
        return np.asarray(steps)

    def lengths_px(self) -> Values:
        """Return the length of each line, ``(m,)`` float64, in pixels."""
        return np.asarray(np.add.reduceat(self.steps_px(), self.starts[:-1]))

    def weights_px(self) -> Values:
        """Return the length that each point represents.

        Returns:
            ``(n,)`` float64 half distances to both neighbours, in pixels.
        """
        steps = self.steps_px()
        return np.asarray((steps + np.append(steps[1:], 0.0)) / 2)

    def tangents(self) -> Values:
        """Return the direction at each point, over about a crack width.

        Returns:
            ``(n, 2)`` float64 unit vectors (row, col).
        """
        index, line = np.arange(self.radii_px.size), self.line_of()
        reach = np.maximum(np.rint(self.radii_px).astype(np.int64), 2)
        ahead = np.minimum(index + reach, self.starts[line + 1] - 1)
        behind = np.maximum(index - reach, self.starts[line])
        way = self.places[ahead] - self.places[behind]
        return np.asarray(way / np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-9)[:, None])


def space_evenly(lines: Lines) -> Lines:
    """Space the points of lines evenly by about a pixel; ends stay.

    Points that step from pixel to pixel along a diagonal would all sample the same part of the pixels' staircase.
    """
    line, lengths = lines.line_of(), lines.lengths_px()
    counts = np.where(lines.counts > 1, np.maximum(np.rint(lengths).astype(np.int64), 1) + 1, 1)
    starts = np.concatenate([[0], np.cumsum(counts)])
    # One path over all lines, with a gap of a pixel between two lines.
    begins = np.concatenate([[0.0], np.cumsum(lengths + 1)[:-1]])
    way = np.cumsum(lines.steps_px()) + line
    new_line = np.repeat(np.arange(counts.size), counts)
    share = (np.arange(new_line.size) - starts[new_line]) / np.maximum(counts - 1, 1)[new_line]
    positions = begins[new_line] + share * lengths[new_line]
    places = np.stack([np.interp(positions, way, axis) for axis in lines.places.T], axis=1)
    return Lines(places, np.interp(positions, way, lines.radii_px), starts, lines.closed)


def smooth_lines(lines: Lines, sigmas: Values) -> Lines:
    """Smooth the course of lines; the ends of open lines stay.

    Args:
        lines: The lines, with points about a pixel apart.
        sigmas: ``(m,)`` float64 standard deviation of the Gaussian for each line, in points.
    """
    reach = int(np.ceil(3 * sigmas.max(initial=0.0)))
    spread = _pad(lines, reach)
    padded = lines.places[spread.source]
    # An open line continues beyond its end as its point reflection in that end.
    padded[spread.beyond] = 2 * lines.places[spread.end[spread.beyond]] - padded[spread.beyond]
    shifts = np.arange(-reach, reach + 1)
    kernels = np.exp(-0.5 * (shifts / sigmas[:, None]) ** 2)
    kernels = (kernels / kernels.sum(axis=1, keepdims=True))[lines.line_of()]
    places = np.zeros_like(lines.places)
    for shift in shifts:
        places += kernels[:, shift + reach, None] * padded[spread.centre + shift]
    return Lines(places, lines.radii_px, lines.starts, lines.closed)


def smooth_values(lines: Lines, values: Values, sigma: float) -> Values:
    """Smooth values along lines, ignoring values that are not finite.

    Args:
        lines: The lines.
        values: ``(n,)`` float64 value at each point.
        sigma: Standard deviation of the Gaussian, in points.

    Returns:
        ``(n,)`` float64 smoothed values; NaN where no finite value is near.
    """
    reach = int(np.ceil(3 * sigma))
    spread = _pad(lines, reach)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = values[spread.source]
    known = np.isfinite(padded) & ~spread.beyond
    summed = np.convolve(np.where(known, padded, 0.0), kernel, mode="same")[spread.centre]
    total = np.convolve(known, kernel, mode="same")[spread.centre]
    return np.asarray(np.divide(summed, total, out=np.full(values.size, np.nan), where=total > 0))


@dataclass(frozen=True, slots=True, eq=False)
class _Padded:
    """Lines padded at both ends, so that array neighbours are neighbours in the line.

    Attributes:
        source: ``(k,)`` int64 point at each place: wrapped for a closed line, mirrored at the end of an open one.
        end: ``(k,)`` int64 point at each place, clipped to the ends of the line.
        beyond: ``(k,)`` bool, True beyond the end of an open line.
        centre: ``(n,)`` int64 place of each point.
    """

    source: Indices
    end: Indices
    beyond: NDArray[np.bool_]
    centre: Indices


def _pad(lines: Lines, reach: int) -> _Padded:
    counts = lines.counts
    wide = counts + 2 * reach
    line = np.repeat(np.arange(counts.size), wide)
    place = np.arange(line.size) - (np.cumsum(wide) - wide + reach)[line]
    last, base, ring = (counts - 1)[line], lines.starts[:-1][line], lines.closed[line]
    inside = np.clip(place, 0, last)
    source = np.clip(2 * inside - place, 0, last)
    outside = place != inside
    source[ring] = place[ring] % np.maximum(last[ring], 1)
    return _Padded(base + source, base + inside, outside & ~ring, np.flatnonzero(~outside))
