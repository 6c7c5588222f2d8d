"""Measure sub-pixel widths across centrelines, in mask, probability or grey values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.components import Components
from crackseg.measurement.lines import Indices, Lines, Values, smooth_values
from crackseg.measurement.profile import sample

_STEP_PX = 0.5
_SIGMAS_PX, _NARROW_PX = (2.0, 3.0), 3.0
_GAP_PX, _SURROUNDINGS_PX = 1.5, 6


def mask_widths(components: Components, lines: Lines) -> Values:
    """Return the widths of a mask across lines.

    A width is the integral of the mask, bilinear between its pixels, up to its edge. Summed along a line it is the
    area of the mask there, so the steps of its edge average out.

    Args:
        components: The components of the mask.
        lines: Their centrelines.

    Returns:
        ``(n,)`` float64 widths at the points of the lines, in pixels.
    """
    solid = components.grid * np.uint8(255)
    widths = np.zeros(lines.radii_px.size)
    for cut in _cuts(lines, 1.3 * lines.radii_px + 3):
        inside = sample(solid, cut.rows - components.origin[0], cut.cols - components.origin[1])
        middle = cut.offsets.size // 2
        for side in (inside[:, middle:], inside[:, middle::-1]):
            open_ = np.logical_and.accumulate(side > 0, axis=1)
            widths[cut.points] += ((side * open_).sum(axis=1) - side[:, 0] / 2) * (_STEP_PX / 255)
    return _smooth(lines, widths)


def _smooth(lines: Lines, widths_px: Values) -> Values:
    """Smooth widths along lines, more for narrow cracks."""
    little, more = (smooth_values(lines, widths_px, sigma) for sigma in _SIGMAS_PX)
    return np.where(more < _NARROW_PX, more, little)


def probability_widths(probability: NDArray[np.float32], lines: Lines, threshold: float) -> Values:
    """Return the widths across lines within which the probability reaches a threshold.

    Args:
        probability: ``(H, W)`` float32 crack probability, in [0, 1].
        lines: The centrelines of the components of ``probability >= threshold``.
        threshold: Least probability of a crack pixel, in [0, 1].

    Returns:
        ``(n,)`` float64 widths at the points of the lines, in pixels.
    """
    widths = np.zeros(lines.radii_px.size)
    for cut in _cuts(lines, 1.3 * lines.radii_px + 3):
        # Values outside the image are 0: repeated border pixels would widen cracks that leave the image.
        values = sample(probability, cut.rows, cut.cols) * _inside(cut, probability.shape)
        middle = cut.offsets.size // 2
        for side in (values[:, middle:], values[:, middle::-1]):
            inside = np.logical_and.accumulate(side >= threshold, axis=1)
            last = np.maximum(inside.sum(axis=1) - 1, 0)
            widths[cut.points] += _crossing(side, last, np.full(last.size, threshold)) * _STEP_PX
    return _smooth(lines, widths)


def _inside(cut: _Cut, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which places of a cut lie in the image, ``(p, k)`` bool."""
    rows = (cut.rows >= -0.5) & (cut.rows <= shape[0] - 0.5)
    return np.asarray(rows & (cut.cols >= -0.5) & (cut.cols <= shape[1] - 0.5))


@dataclass(frozen=True, slots=True, eq=False)
class GreyWidths:
    """Widths from grey values, with contrast and noise at each point.

    Attributes:
        widths_px: ``(n,)`` float64 distance between the two edges at half depth, in pixels.
        contrast: ``(n,)`` float64 depth of the crack below its surroundings, in grey values.
        noise: ``(n,)`` float64 standard deviation of the surroundings, in grey values.
    """

    widths_px: Values
    contrast: Values
    noise: Values


def grey_widths(grey: NDArray[np.uint8], lines: Lines) -> GreyWidths:
    """Measure the widths of dark cracks at half their depth.

    Each side has a level half way between the inside of the crack and the surroundings on that side. Going outwards,
    the edge is where the sum of level minus grey value is greatest. A light grain inside the crack does not end it.

    Args:
        grey: ``(H, W)`` uint8 grey values, 0 to 255.
        lines: Centrelines with the radius of the mask at each point; the mask may be too wide, but not much too narrow.
    """
    radii = smooth_values(lines, lines.radii_px, 3.0)
    widths, contrast, noise = (np.zeros(radii.size) for _ in range(3))
    surroundings = _surroundings(grey, lines, radii)
    for cut in _cuts(lines, radii + _GAP_PX + 2):
        part = cut.points
        values = sample(grey, cut.rows, cut.cols)
        levels, spread = surroundings.mean(axis=2)[part], surroundings[part].std(axis=2).mean(axis=1)
        near = np.abs(cut.offsets) <= np.maximum(radii[part], 1.0)[:, None]
        centre = np.where(near, values, np.inf).argmin(axis=1)
        inner = np.take_along_axis(values, centre[:, None], axis=1)[:, 0].astype(np.float64)
        far = (np.abs(cut.offsets) > (radii[part] + _GAP_PX + 1)[:, None]) | ~_inside(cut, grey.shape)
        for _ in range(2):
            right = _edge(values, far, centre, (levels[:, 1] + inner) / 2)
            left = _edge(values[:, ::-1], far[:, ::-1], values.shape[1] - 1 - centre, (levels[:, 0] + inner) / 2)
            width, middle = right + left, centre + (right - left) / 2
            index = np.arange(values.shape[1])
            inside = np.abs(index - middle[:, None]) <= np.maximum(0.3 * width, 1.0)[:, None]
            inner = (values * inside).sum(axis=1) / inside.sum(axis=1)
        widths[part], contrast[part], noise[part] = width * _STEP_PX, levels.mean(axis=1) - inner, spread
    return GreyWidths(_smooth(lines, widths), contrast, noise)


def _surroundings(grey: NDArray[np.uint8], lines: Lines, radii_px: Values) -> Values:
    """Return grey values on both sides of the crack, ``(n, 2, k)`` float64."""
    tangents = lines.tangents()
    out = (radii_px + _GAP_PX)[:, None] + np.arange(_SURROUNDINGS_PX)
    offsets = np.concatenate([-out, out], axis=1)
    rows = lines.places[:, :1] - tangents[:, 1:] * offsets
    cols = lines.places[:, 1:] + tangents[:, :1] * offsets
    return sample(grey, rows, cols).reshape(-1, 2, _SURROUNDINGS_PX).astype(np.float64)


def _edge(values: NDArray[np.float32], far: NDArray[np.bool_], centre: Indices, levels: Values) -> Values:
    """Return the steps from the centre to the right edge, ``(p,)``."""
    darker = levels[:, None] - values
    np.copyto(darker, -1e6, where=far)
    np.copyto(darker, 0, where=np.arange(values.shape[1]) < centre[:, None])
    last = np.cumsum(darker, axis=1).argmax(axis=1)
    return np.maximum(_crossing(values, last, levels) - centre, 0.0)


def _crossing(values: NDArray[np.float32], last: Indices, levels: Values) -> Values:
    """Return the fractional places behind ``last`` where values cross a level, ``(p,)``."""
    index = np.arange(last.size)
    here, there = values[index, last], values[index, np.minimum(last + 1, values.shape[1] - 1)]
    step = there - here
    share = np.divide(levels - here, step, out=np.zeros(last.size), where=np.abs(step) > 1e-9)
    return np.asarray(last + np.clip(share, 0.0, 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """Places on lines across the centrelines, at points of about the same reach.

    Attributes:
        points: ``(p,)`` int64 numbers of the points.
        offsets: ``(k,)`` float64 distances from the point, in pixels; 0 in the middle.
        rows: ``(p, k)`` float64 rows in the image, in pixels.
        cols: ``(p, k)`` float64 columns in the image, in pixels.
    """

    points: Indices
    offsets: Values
    rows: Values
    cols: Values


def _cuts(lines: Lines, reach_px: Values) -> Iterator[_Cut]:
    """Yield cuts across all points, at least ``reach_px`` ``(n,)`` to either side."""
    tangents = lines.tangents()
    sizes = np.ceil(np.log2(np.maximum(reach_px, 1.0)) * 2).astype(np.int64)
    for size in sorted(set(sizes.tolist())):
        points = np.flatnonzero(sizes == size)
        count = int(np.ceil(2 ** (size / 2) / _STEP_PX))
        offsets = np.arange(-count, count + 1, dtype=np.float64) * _STEP_PX
        rows = np.asarray(lines.places[points, :1] - tangents[points, 1:] * offsets)
        cols = np.asarray(lines.places[points, 1:] + tangents[points, :1] * offsets)
        yield _Cut(points, offsets, rows, cols)
