"""The width of cracks at every point of their centrelines, across them, to a part of a pixel."""

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
    """Return the width of the mask across lines: the mask, bilinear between its pixels, summed up to where it ends.

    The sum over a stretch of the line is the area of the mask there, so that the steps of its edge average out.

    Args:
        components: The pixels of the cracks.
        lines: Their centrelines.

    Returns:
        ``(n,)`` widths, in pixels.
    """
    picture = components.grid * np.uint8(255)
    widths = np.zeros(lines.radii_px.size)
    for cut in _cuts(lines, 1.3 * lines.radii_px + 3):
        inside = sample(picture, cut.rows - components.origin[0], cut.cols - components.origin[1])
        middle = cut.offsets.size // 2
        for side in (inside[:, middle:], inside[:, middle::-1]):
            open_ = np.logical_and.accumulate(side > 0, axis=1)
            widths[cut.points] += ((side * open_).sum(axis=1) - side[:, 0] / 2) * (_STEP_PX / 255)
    return _smoothed(lines, widths)


def _smoothed(lines: Lines, widths_px: Values) -> Values:
    """Smooth widths along lines, those of narrow cracks more: there the steps of the pixels weigh more."""
    little, more = (smooth_values(lines, widths_px, sigma) for sigma in _SIGMAS_PX)
    return np.where(more < _NARROW_PX, more, little)


def probability_widths(probability: NDArray[np.float32], lines: Lines, threshold: float) -> Values:
    """Return the distance across lines between the two places where the probability falls below the threshold.

    Args:
        probability: ``(H, W)`` crack probability, in [0, 1].
        lines: The centrelines of the components of ``probability >= threshold``.
        threshold: From where a pixel counts as crack.

    Returns:
        ``(n,)`` widths, in pixels.
    """
    widths = np.zeros(lines.radii_px.size)
    for cut in _cuts(lines, 1.3 * lines.radii_px + 3):
        # Beyond the border of the image nothing is known; were it to go on there, cracks that leave would be wider.
        values = sample(probability, cut.rows, cut.cols) * _inside(cut, probability.shape)
        middle = cut.offsets.size // 2
        for side in (values[:, middle:], values[:, middle::-1]):
            inside = np.logical_and.accumulate(side >= threshold, axis=1)
            last = np.maximum(inside.sum(axis=1) - 1, 0)
            widths[cut.points] += _crossing(side, last, np.full(last.size, threshold)) * _STEP_PX
    return _smoothed(lines, widths)


def _inside(cut: _Cut, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Tell which places of a cut lie in an image of height and width ``shape``."""
    rows = (cut.rows >= -0.5) & (cut.rows <= shape[0] - 0.5)
    return np.asarray(rows & (cut.cols >= -0.5) & (cut.cols <= shape[1] - 0.5))


@dataclass(frozen=True, slots=True, eq=False)
class GreyWidths:
    """What the grey values across lines say.

    Attributes:
        widths_px: ``(n,)`` distance between the two edges at half the depth of the crack.
        contrast: ``(n,)`` grey values by which the crack is darker than what lies beside it.
        noise: ``(n,)`` standard deviation of what lies beside it, in grey values.
    """

    widths_px: Values
    contrast: Values
    noise: Values


def grey_widths(picture: NDArray[np.uint8], lines: Lines) -> GreyWidths:
    """Measure dark cracks in a picture at half their depth.

    Each side has its own level, half way between the inside of the crack and what lies beside it on that side. The edge
    is where the sum of what is darker than the level, less what is lighter, is greatest on the way out: a light
    grain inside the crack does not end it.

    Args:
        picture: ``(H, W)`` grey values.
        lines: Centrelines with the radius of the mask at each point; the mask may be too wide, not far too narrow.
    """
    radii = smooth_values(lines, lines.radii_px, 3.0)
    widths, contrast, noise = (np.zeros(radii.size) for _ in range(3))
    beside = _surroundings(picture, lines, radii)
    for cut in _cuts(lines, radii + _GAP_PX + 2):
        part = cut.points
        values = sample(picture, cut.rows, cut.cols)
        levels, spread = beside.mean(axis=2)[part], beside[part].std(axis=2).mean(axis=1)
        near = np.abs(cut.offsets) <= np.maximum(radii[part], 1.0)[:, None]
        centre = np.where(near, values, np.inf).argmin(axis=1)
        inner = np.take_along_axis(values, centre[:, None], axis=1)[:, 0].astype(np.float64)
        far = (np.abs(cut.offsets) > (radii[part] + _GAP_PX + 1)[:, None]) | ~_inside(cut, picture.shape)
        for _ in range(2):
            right = _edge(values, far, centre, (levels[:, 1] + inner) / 2)
            left = _edge(values[:, ::-1], far[:, ::-1], values.shape[1] - 1 - centre, (levels[:, 0] + inner) / 2)
            width, middle = right + left, centre + (right - left) / 2
            index = np.arange(values.shape[1])
            inside = np.abs(index - middle[:, None]) <= np.maximum(0.3 * width, 1.0)[:, None]
            inner = (values * inside).sum(axis=1) / inside.sum(axis=1)
        widths[part], contrast[part], noise[part] = width * _STEP_PX, levels.mean(axis=1) - inner, spread
    return GreyWidths(_smoothed(lines, widths), contrast, noise)


def _surroundings(picture: NDArray[np.uint8], lines: Lines, radii_px: Values) -> Values:
    """Return grey values beside the crack, ``(n, 2, k)``: before it and behind it, as its line's normal points."""
    tangents = lines.tangents()
    out = (radii_px + _GAP_PX)[:, None] + np.arange(_SURROUNDINGS_PX)
    offsets = np.concatenate([-out, out], axis=1)
    rows = lines.places[:, :1] - tangents[:, 1:] * offsets
    cols = lines.places[:, 1:] + tangents[:, :1] * offsets
    return sample(picture, rows, cols).reshape(-1, 2, _SURROUNDINGS_PX).astype(np.float64)


def _edge(values: NDArray[np.float32], far: NDArray[np.bool_], centre: Indices, levels: Values) -> Values:
    """Return how many steps it is from the centre to the edge on the right, ``(p,)``."""
    darker = levels[:, None] - values
    np.copyto(darker, -1e6, where=far)
    np.copyto(darker, 0, where=np.arange(values.shape[1]) < centre[:, None])
    last = np.cumsum(darker, axis=1).argmax(axis=1)
    return np.maximum(_crossing(values, last, levels) - centre, 0.0)


def _crossing(values: NDArray[np.float32], last: Indices, levels: Values) -> Values:
    """Return where values cross a level between the place ``last`` and the next, ``(p,)``, in places."""
    index = np.arange(last.size)
    here, there = values[index, last], values[index, np.minimum(last + 1, values.shape[1] - 1)]
    step = there - here
    share = np.divide(levels - here, step, out=np.zeros(last.size), where=np.abs(step) > 1e-9)
    return np.asarray(last + np.clip(share, 0.0, 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """Places on lines across the centrelines, at points of about the same reach.

    Attributes:
        points: ``(p,)`` which points.
        offsets: ``(k,)`` distance from the point, in pixels; 0 in the middle.
        rows: ``(p, k)`` rows in the image.
        cols: ``(p, k)`` columns.
    """

    points: Indices
    offsets: Values
    rows: Values
    cols: Values


def _cuts(lines: Lines, reach_px: Values) -> Iterator[_Cut]:
    """Yield cuts across all points, ``reach_px`` ``(n,)`` to either side or a little more."""
    tangents = lines.tangents()
    sizes = np.ceil(np.log2(np.maximum(reach_px, 1.0)) * 2).astype(np.int64)
    for size in sorted(set(sizes.tolist())):
        points = np.flatnonzero(sizes == size)
        count = int(np.ceil(2 ** (size / 2) / _STEP_PX))
        offsets = np.arange(-count, count + 1, dtype=np.float64) * _STEP_PX
        rows = np.asarray(lines.places[points, :1] - tangents[points, 1:] * offsets)
        cols = np.asarray(lines.places[points, 1:] + tangents[points, :1] * offsets)
        yield _Cut(points, offsets, rows, cols)
