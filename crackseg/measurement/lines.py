"""Many lines of points in one array each, so that what is done to one is done to all at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines of points, one line after the other.

    Attributes:
        places: ``(n, 2)`` row and column of every point in the image, in pixels; pixel centres at whole numbers.
        radii_px: ``(n,)`` radius of the disc round each point that fits inside the crack.
        starts: ``(m + 1,)`` where the points of each line start, and where the last ones end.
        closed: ``(m,)`` True for a line whose last point is its first.
    """

    places: Values
    radii_px: Values
    starts: Indices
    closed: NDArray[np.bool_]

    @property
    def counts(self) -> Indices:
        """Points of each line, ``(m,)``."""
        return np.diff(self.starts)

    def line_of(self) -> Indices:
        """Return the line each point belongs to, ``(n,)``."""
        return np.repeat(np.arange(self.closed.size), self.counts)

    def steps_px(self) -> Values:
        """Return the distance of each point from the one before it in its line, ``(n,)``; 0 for the first."""
        way = np.diff(self.places, axis=0, prepend=self.places[:1])
        steps = np.hypot(way[:, 0], way[:, 1])
        steps[self.starts[:-1]] = 0.0
        return np.asarray(steps)

    def lengths_px(self) -> Values:
        """Return the length of each line, ``(m,)``."""
        return np.asarray(np.add.reduceat(self.steps_px(), self.starts[:-1]))

    def weights_px(self) -> Values:
        """Return the length each point stands for, ``(n,)``: half the way to its neighbours."""
        steps = self.steps_px()
        return np.asarray((steps + np.append(steps[1:], 0.0)) / 2)

    def tangents(self) -> Values:
        """Return the unit direction of the line at each point, ``(n, 2)``, taken over about a width of the crack."""
        index, line = np.arange(self.radii_px.size), self.line_of()
        reach = np.maximum(np.rint(self.radii_px).astype(np.int64), 2)
        ahead = np.minimum(index + reach, self.starts[line + 1] - 1)
        behind = np.maximum(index - reach, self.starts[line])
        way = self.places[ahead] - self.places[behind]
        return np.asarray(way / np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-9)[:, None])


def space_evenly(lines: Lines) -> Lines:
    """Place the points of each line anew, evenly and about a pixel apart; the ends stay.

    Points that step from pixel to pixel along a diagonal would all see the same part of the pixels' staircase.
    """
    line, lengths = lines.line_of(), lines.lengths_px()
    counts = np.where(lines.counts > 1, np.maximum(np.rint(lengths).astype(np.int64), 1) + 1, 1)
    starts = np.concatenate([[0], np.cumsum(counts)])
    # One long way over all lines, with a pixel between each and the next.
    begins = np.concatenate([[0.0], np.cumsum(lengths + 1)[:-1]])
    way = np.cumsum(lines.steps_px()) + line
    new_line = np.repeat(np.arange(counts.size), counts)
    share = (np.arange(new_line.size) - starts[new_line]) / np.maximum(counts - 1, 1)[new_line]
    wanted = begins[new_line] + share * lengths[new_line]
    places = np.stack([np.interp(wanted, way, axis) for axis in lines.places.T], axis=1)
    return Lines(places, np.interp(wanted, way, lines.radii_px), starts, lines.closed)


def smooth_lines(lines: Lines, sigmas: Values) -> Lines:
    """Smooth the course of lines; the ends of open ones stay where they are.

    Args:
        lines: The lines, with points about a pixel apart.
        sigmas: ``(m,)`` standard deviation of the Gaussian for each line, in points.
    """
    reach = int(np.ceil(3 * sigmas.max(initial=0.0)))
    spread = _spread(lines, reach)
    padded = lines.places[spread.source]
    # Beyond the end of an open line it goes on as its point reflection in that end.
    padded[spread.beyond] = 2 * lines.places[spread.end[spread.beyond]] - padded[spread.beyond]
    shifts = np.arange(-reach, reach + 1)
    kernels = np.exp(-0.5 * (shifts / sigmas[:, None]) ** 2)
    kernels = (kernels / kernels.sum(axis=1, keepdims=True))[lines.line_of()]
    places = np.zeros_like(lines.places)
    for shift in shifts:
        places += kernels[:, shift + reach, None] * padded[spread.centre + shift]
    return Lines(places, lines.radii_px, lines.starts, lines.closed)


def smooth_values(lines: Lines, values: Values, sigma: float) -> Values:
    """Smooth values along lines; what is not finite has no weight, nor has anything beyond an end.

    Args:
        lines: The lines.
        values: ``(n,)`` value at each point.
        sigma: Standard deviation of the Gaussian, in points.

    Returns:
        ``(n,)`` smoothed values; NaN where there is nothing near.
    """
    reach = int(np.ceil(3 * sigma))
    spread = _spread(lines, reach)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = values[spread.source]
    known = np.isfinite(padded) & ~spread.beyond
    summed = np.convolve(np.where(known, padded, 0.0), kernel, mode="same")[spread.centre]
    total = np.convolve(known, kernel, mode="same")[spread.centre]
    return np.asarray(np.divide(summed, total, out=np.full(values.size, np.nan), where=total > 0))


@dataclass(frozen=True, slots=True, eq=False)
class _Spread:
    """Lines with some more points at either end, so that the neighbours of a point in the array are those in its line.

    Attributes:
        source: ``(k,)`` point that stands in each place: round a closed line, mirrored in the end of an open one.
        end: ``(k,)`` the point itself, or the end of the line if the place is beyond it.
        beyond: ``(k,)`` True beyond the end of an open line.
        centre: ``(n,)`` place of each point.
    """

    source: Indices
    end: Indices
    beyond: NDArray[np.bool_]
    centre: Indices


def _spread(lines: Lines, reach: int) -> _Spread:
    counts = lines.counts
    wide = counts + 2 * reach
    line = np.repeat(np.arange(counts.size), wide)
    place = np.arange(line.size) - (np.cumsum(wide) - wide + reach)[line]
    last, base, ring = (counts - 1)[line], lines.starts[:-1][line], lines.closed[line]
    inside = np.clip(place, 0, last)
    source = np.clip(2 * inside - place, 0, last)
    outside = place != inside
    source[ring] = place[ring] % np.maximum(last[ring], 1)
    return _Spread(base + source, base + inside, outside & ~ring, np.flatnonzero(~outside))
