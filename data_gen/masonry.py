"""Draw surfaces that are laid in courses: brick with mortar, glazed tile."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_gen.field import fractal_2d, noise_2d
from data_gen.material import Look
from data_gen.plane import Plane, clip
from data_gen.relief import shade_relief

_KINDS = 1024
"""Number of different units; a power of 2."""


@dataclass(frozen=True)
class _Courses:
    """Pixels of a wall.

    Attributes:
        labels: ``(h, w)`` int32 number of the brick or tile.
        inset_px: ``(h, w)`` float32 distance from the middle of the nearest joint, in pixels.
    """

    labels: NDArray[np.int32]
    inset_px: Plane


def _lay(
    rng: np.random.Generator, shape: tuple[int, int], unit_px: tuple[float, float], sway_px: float, *, stagger: bool
) -> _Courses:
    """Lay units in courses with a small rotation and uneven joints.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(h, w)``, in pixels.
        unit_px: Height and width of a unit, in pixels.
        sway_px: Standard deviation of the joints from straight lines, in pixels.
        stagger: True to shift every second course by half a unit.
    """
    rows, cols = np.arange(shape[0], dtype=np.float32)[:, None], np.arange(shape[1], dtype=np.float32)[None]
    turn = np.float32(rng.normal(0, 0.02) + (np.pi / 2 if rng.random() < 0.25 else 0.0))
    sway = np.float32(sway_px)
    down = rows * np.cos(turn) + cols * np.sin(turn) + noise_2d(rng, shape, 40.0) * sway
    right = cols * np.cos(turn) - rows * np.sin(turn) + noise_2d(rng, shape, 40.0) * sway
    down = (down + np.float32(rng.uniform(0, unit_px[0]))) / np.float32(unit_px[0])
    course = np.floor(down)
    number = course.astype(np.int32)
    right = (right + np.float32(rng.uniform(0, unit_px[1]))) / np.float32(unit_px[1])
    if stagger:
        right += (number & 1) * np.float32(0.5)
    place = np.floor(right)
    inset_row = (np.float32(0.5) - np.abs(down - course - np.float32(0.5))) * np.float32(unit_px[0])
    inset_col = (np.float32(0.5) - np.abs(right - place - np.float32(0.5))) * np.float32(unit_px[1])
    labels = (number * 395 + place.astype(np.int32) * 681) & (_KINDS - 1)
    return _Courses(labels, np.minimum(inset_row, inset_col))


def draw_brick(rng: np.random.Generator, shape: tuple[int, int], look: Look) -> NDArray[np.float32]:
    """Draw brick and mortar.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(h, w)``, in pixels.
        look: Brightness, texture and light.

    Returns:
        ``(3, h, w)`` float32, red, green, blue in about [0, 1].
    """
    height = float(rng.uniform(28, 110))
    courses = _lay(rng, shape, (height, height * float(rng.uniform(2.2, 3.6))), min(0.012 * height, 0.8), stagger=True)
    joint = np.float32(height * rng.uniform(0.05, 0.11))
    inside = np.clip((courses.inset_px - joint / 2 + 0.6 * noise_2d(rng, shape, 5.0)) / 1.5 + 0.5, 0, 1)
    kinds = [(0.55, 0.28, 0.2), (0.62, 0.42, 0.3), (0.45, 0.42, 0.4), (0.75, 0.68, 0.55), (0.8, 0.8, 0.78)]
    colour = np.array(kinds[int(rng.integers(0, len(kinds)))], np.float32) * np.float32(0.5 + look.brightness)
    colour = colour.mean() + np.float32(rng.uniform(0.5, 1.0)) * (colour - colour.mean())
    spread = (1 + 0.12 * rng.standard_normal((_KINDS, 1)) + 0.03 * rng.standard_normal((_KINDS, 3))).astype(np.float32)
    grain = 1 + fractal_2d(rng, shape, (1.5, 12.0), 0.9) * np.float32(0.09 * look.texture)
    mortar = np.float32(rng.uniform(0.35, 0.85)) * np.array([1.0, 0.98, 0.94], np.float32)
    share = np.asarray(inside, np.float32)
    shade = grain * (1 + shade_relief(share, look.light_rad, float(rng.uniform(0.0, 0.5))))
    return _fill_courses(courses, colour * spread, mortar, share, shade)


def _fill_courses(courses: _Courses, units: Plane, joint: Plane, share: Plane, shade: Plane) -> NDArray[np.float32]:
    """Colour the units and the joints of a wall.

    Args:
        courses: Pixels of the wall.
        units: ``(1024, 3)`` float32 colours of the units, about [0, 1].
        joint: ``(3,)`` float32 colour of the joints, about [0, 1].
        share: ``(h, w)`` float32, 1 inside units, 0 in joints.
        shade: ``(h, w)`` float32 factor on the brightness.

    Returns:
        ``(3, h, w)`` float32, red, green, blue in about [0, 1].
    """
    planes = np.empty((3, *share.shape), np.float32)
    for band in range(3):
        np.take(np.ascontiguousarray(units[:, band] - joint[band]), courses.labels, out=planes[band], mode="clip")
        planes[band] *= share
        planes[band] += joint[band]
    planes *= shade
    return planes


def draw_tile(rng: np.random.Generator, shape: tuple[int, int], look: Look) -> NDArray[np.float32]:
    """Draw glazed tiles with grout.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(h, w)``, in pixels.
        look: Brightness, texture and light.

    Returns:
        ``(3, h, w)`` float32, red, green, blue in about [0, 1].
    """
    side = float(rng.uniform(70, 360))
    courses = _lay(rng, shape, (side, side * float(rng.choice([1.0, 1.0, 2.0]))), 0.2, stagger=bool(rng.random() < 0.2))
    joint = np.float32(rng.uniform(1.5, 7.0))
    inside = np.clip((courses.inset_px - joint / 2) / 1.2 + 0.5, 0, 1).astype(np.float32)
    colour = np.clip(look.brightness + 0.15 + rng.normal(0, 0.08, 3), 0.1, 0.97).astype(np.float32)
    spread = (1 + 0.03 * rng.standard_normal((_KINDS, 1))).astype(np.float32)
    glaze = 1 + fractal_2d(rng, shape, (12.0, 120.0), 0.6) * np.float32(0.04 * look.texture)
    glaze += noise_2d(rng, shape, 1.5) * np.float32(0.008 * look.texture)
    grout = np.float32(rng.uniform(0.2, 0.9)) * np.ones(3, np.float32)
    bevel = clip(courses.inset_px, 0.0, 4.0)
    shade = glaze + shade_relief(np.asarray(bevel, np.float32), look.light_rad, float(rng.uniform(0.0, 0.12)))
    return _fill_courses(courses, colour * spread, grout, inside, np.asarray(shade, np.float32))
