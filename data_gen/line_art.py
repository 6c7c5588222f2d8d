"""Draw line-like confounders: joints, cables, scratches, tar seams, hairs, tile gaps."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.chance import draw_log_uniform, draw_uniform
from data_gen.field import noise_1d, noise_2d
from data_gen.ink import Canvas, Ink
from data_gen.plane import Plane, at_least, blur, clip
from data_gen.relief import shade_relief
from data_gen.render import Raster, render
from data_gen.stroke import Points, Stroke

_STEP_PX = 4.0


def draw_line(rng: np.random.Generator, canvas: Canvas, *, bend: float = 0.0, length_px: float | None = None) -> Points:
    """Draw the path of a straight or evenly bent line.

    Args:
        rng: Source of randomness.
        canvas: Properties of the image.
        bend: Largest total turn, in radians; 0 is straight.
        length_px: Length, in pixels; None to cross the whole image.

    Returns:
        ``(n, 2)`` float64 points (row, col), in pixels, about 4 px apart.
    """
    height, width = canvas.shape
    middle = rng.uniform(0, 1, 2) * (height, width)
    heading = float(rng.uniform(0, math.pi))
    if rng.random() < 0.5:
        heading = float(rng.integers(0, 2) * math.pi / 2 + rng.normal(0, 0.05))
    if canvas.follow is not None:
        way = canvas.follow[1] - canvas.follow[0]
        across = float(rng.random() < 0.35) * rng.uniform(0.4, math.pi / 2)
        heading = float(np.arctan2(way[0], way[1])) + across + float(rng.normal(0, 0.08))
        offset = 0.0 if across else rng.choice([-1, 1]) * (2 + rng.exponential(8.0))
        middle = canvas.follow.mean(axis=0) + offset * np.array([math.cos(heading), -math.sin(heading)])
    length = length_px or 2.2 * math.hypot(height, width)
    count = max(3, int(length / _STEP_PX) + 1)
    turn = heading + np.linspace(-0.5, 0.5, count) * bend * rng.uniform(-1, 1)
    if bend > 0.3:
        turn = turn + 0.25 * bend * noise_1d(rng, count, count / 3)
    path = np.cumsum(np.column_stack([np.sin(turn), np.cos(turn)]) * (length / (count - 1)), axis=0)
    return np.asarray(path - path[count // 2] + middle)


def make_ribbon(points: Points, width_px: float | NDArray[np.float64]) -> Stroke:
    """Return a stroke along a path.

    Args:
        points: ``(n, 2)`` float64 points (row, col), in pixels.
        width_px: Full width, or ``(n,)`` float64 widths at the points, in pixels.
    """
    half = np.broadcast_to(np.asarray(width_px, np.float64) / 2, (len(points),))
    return Stroke(points, half, half)


def _render(canvas: Canvas, *strokes: Stroke) -> Raster:
    return render(strokes, canvas.shape)


def draw_band(canvas: Canvas, path: Points, width_px: float, *, open_end: bool = True) -> Raster:
    """Draw a band of even width along a path with whole-pixel accuracy.

    Args:
        canvas: Properties of the image.
        path: ``(n, 2)`` float64 points (row, col), in pixels.
        width_px: Full width, in pixels.
        open_end: False to connect the last point to the first.

    Returns:
        Coverage and depth of the band.
    """
    middle = np.full(canvas.shape, 255, np.uint8)
    points = [np.rint(path[:, ::-1] * 8).astype(np.int32)]
    cv2.polylines(middle, points, isClosed=not open_end, color=0, thickness=1, lineType=cv2.LINE_8, shift=3)
    away = cv2.distanceTransform(middle, cv2.DIST_L2, cv2.DIST_MASK_5)
    depth = np.float32(width_px / 2) - np.minimum(np.asarray(away, np.float32), np.float32(1e4))
    return Raster(clip(depth + np.float32(0.5)), depth)


def _draw_tone(
    rng: np.random.Generator, canvas: Canvas, *, light_share: float
) -> tuple[float, tuple[float, float, float]]:
    """Draw the gain and colour of a dark or a light ink."""
    contrast = draw_uniform(rng, canvas.contrast)
    if rng.random() < light_share:
        lift = contrast * max(0.95 - canvas.brightness, 0.1)
        return 1 - contrast, (lift + contrast * canvas.brightness,) * 3
    return 1 - contrast, (0.0, 0.0, 0.0)


def draw_joint(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw a joint: an even groove with a lit edge."""
    width = draw_log_uniform(rng, canvas.width_px)
    path = draw_line(rng, canvas)
    strokes = [make_ribbon(path, width)]
    if rng.random() < 0.3:
        spot = path[int(rng.integers(len(path) // 4, 3 * len(path) // 4))]
        way = path[-1] - path[0]
        side = np.array([-way[1], way[0]]) * float(rng.choice([-1, 1]))
        strokes.append(make_ribbon(np.linspace(spot, spot + side, 2 + int(np.hypot(*side) / _STEP_PX)), width))
    coverage = _render(canvas, *strokes).coverage
    gain, colour = _draw_tone(rng, canvas, light_share=0.2)
    soft = blur(coverage, float(rng.uniform(0.5, 1.5)))
    edge = shade_relief(soft, canvas.light_rad, -float(rng.uniform(0.0, 0.6)))
    uneven = at_least(1 + noise_2d(rng, canvas.shape, 14.0) * np.float32(rng.uniform(0, 0.3)), 0.1)
    body = soft if rng.random() < 0.5 else coverage
    return Ink(body * uneven, gain, colour), Ink(edge, 2.0)


def draw_formwork(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw the lit ridge between two shuttering boards of different tones."""
    path = draw_line(rng, canvas)
    width = draw_log_uniform(rng, canvas.width_px)
    coverage = blur(_render(canvas, make_ribbon(path, width)).coverage, 0.8)
    ridge = shade_relief(coverage, canvas.light_rad, float(rng.uniform(0.3, 1.2)))
    side = _right_side(canvas, path, 1.0)
    step = Ink(side, 1 + float(rng.uniform(-0.12, 0.12)))
    return step, Ink(ridge, 2.0), Ink(coverage, 1 + float(rng.uniform(-0.35, 0.2)))


def _right_side(canvas: Canvas, path: Points, softness_px: float) -> Plane:
    """Return ``(H, W)`` float32 1 right of a path, 0 left."""
    return clip(_across(canvas, path) / np.float32(softness_px) + np.float32(0.5))


def _across(canvas: Canvas, path: Points) -> Plane:
    """Return the ``(H, W)`` signed distance from a straight path, in pixels."""
    way = (path[-1] - path[0]) / max(float(np.hypot(*(path[-1] - path[0]))), 1e-9)
    rows = np.arange(canvas.shape[0], dtype=np.float32)[:, None] - np.float32(path[0, 0])
    cols = np.arange(canvas.shape[1], dtype=np.float32)[None] - np.float32(path[0, 1])
    return np.asarray(rows * np.float32(way[1]) - cols * np.float32(way[0]), dtype=np.float32)


def draw_moulding(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw a moulding: parallel bands with different tones or gradients."""
    path = draw_line(rng, canvas)
    count = int(rng.integers(2, 7))
    borders = np.cumsum(rng.gamma(1.2, rng.uniform(3, 25), count + 1) + 1.0)
    borders -= borders.mean()
    tones = rng.normal(0, draw_uniform(rng, canvas.contrast) * 0.6, (count, 2))
    tones[:, 1] = np.where(rng.random(count) < 0.5, tones[:, 0], tones[:, 1])
    soft = float(rng.uniform(0.3, 1.2))
    where = np.concatenate([[borders[0] - soft], *np.column_stack([borders[:-1] + soft, borders[1:] - soft])])
    where = np.maximum.accumulate(np.append(where, borders[-1] + soft))
    profile = np.concatenate([[0.0], tones.ravel(), [0.0]])
    change = np.interp(_across(canvas, path), where, profile).astype(np.float32)
    return (Ink(clip(change, -0.8, 0.8), 2.0),)


def draw_cable(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw a cable or pipe with a highlight and a shadow."""
    width = max(2.0, draw_log_uniform(rng, canvas.width_px) * float(rng.uniform(1.0, 2.0)))
    path = draw_line(rng, canvas, bend=float(rng.choice([0.0, 0.6, 1.6])))
    raster = draw_band(canvas, path, width) if width > 5 else _render(canvas, make_ribbon(path, width))
    level = float(rng.choice([rng.uniform(0.02, 0.2), rng.uniform(0.4, 0.95)]))
    height = np.sqrt(np.clip(raster.depth_px, 0, None) / np.float32(width / 2)) * raster.coverage
    shine = shade_relief(height * np.float32(width / 3), canvas.light_rad, 0.35)
    distance = float(rng.uniform(1, 6))
    away = np.array([math.sin(canvas.light_rad), math.cos(canvas.light_rad)]) * -distance
    shadow = blur(draw_band(canvas, path + away, width).coverage, 0.5 + distance / 3)
    body = Ink(raster.coverage, 0.0, (level, level, level * float(rng.uniform(0.9, 1.1))))
    return Ink(shadow, float(rng.uniform(0.4, 0.9))), body, Ink(shine * raster.coverage, 1.0, (level + 0.15,) * 3)


def draw_scratch(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw a few thin, nearly parallel scratches, light or dark."""
    length = float(rng.uniform(0.1, 0.8)) * max(canvas.shape)
    strokes: list[Stroke] = []
    main = draw_line(rng, canvas, bend=0.2, length_px=length)
    for _ in range(int(rng.integers(1, 5))):
        share = np.sin(np.linspace(0.05, math.pi - 0.05, len(main))) ** 0.5
        shift = rng.normal(0, 12, 2) if strokes else np.zeros(2)
        strokes.append(make_ribbon(main + shift, float(rng.uniform(0.5, 1.8)) * share))
    gain, colour = _draw_tone(rng, canvas, light_share=0.6)
    return (Ink(_render(canvas, *strokes).coverage, gain, colour),)


def draw_tar_seam(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw a sealed crack: a smooth, wide, dark band with soft edges."""
    path = draw_line(rng, canvas, bend=float(rng.uniform(0.1, 1.5)))
    path = path + 3.0 * np.column_stack([noise_1d(rng, len(path), 8), noise_1d(rng, len(path), 8)])
    width = float(rng.uniform(7, 30))
    wobble = noise_2d(rng, canvas.shape, float(rng.uniform(8, 40))) * np.float32(0.12 * width)
    coverage = blur(clip(draw_band(canvas, path, width).depth_px + wobble), float(rng.uniform(0.6, 2.0)))
    level = float(rng.uniform(0.03, 0.55)) * canvas.brightness
    share = float(rng.uniform(0.6, 1.0))
    sheen = coverage * noise_2d(rng, canvas.shape, 20.0)
    return Ink(coverage * np.float32(share), 0.1, (level,) * 3), Ink(sheen, 1 + float(rng.uniform(0, 0.15)))


def draw_pencil(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw thin ruled marks in pencil, chalk or crayon."""
    paths = [draw_line(rng, canvas, length_px=float(rng.uniform(0.2, 2.2)) * max(canvas.shape))]
    if rng.random() < 0.4:
        paths.append(paths[0] + rng.uniform(4, 40) * np.array([1.0, -1.0]))
    coverage = _render(canvas, *(make_ribbon(path, float(rng.uniform(0.7, 2.2))) for path in paths)).coverage
    grain = clip(noise_2d(rng, canvas.shape, 1.5) * np.float32(0.5) + np.float32(0.7))
    gain, colour = _draw_tone(rng, canvas, light_share=0.3)
    if rng.random() < 0.25:
        gain, colour = 0.4, tuple(rng.choice([[0.5, 0.1, 0.1], [0.1, 0.15, 0.5], [0.5, 0.4, 0.1]]))
    return (Ink(coverage * grain, gain, colour),)


def draw_wire_shadow(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw the soft shadow of a wire or twig."""
    path = draw_line(rng, canvas, bend=float(rng.choice([0.0, 0.3, 1.0])))
    width = draw_log_uniform(rng, canvas.width_px)
    coverage = _render(canvas, make_ribbon(path, width)).coverage
    soft = blur(coverage, float(rng.uniform(0.8, 4.0)))
    return (Ink(soft, 1 - draw_uniform(rng, canvas.contrast)),)


def draw_hair(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw hairs, fibres or blades of grass: short, smooth, curved lines."""
    strokes = []
    for _ in range(int(rng.integers(1, 6))):
        length = float(rng.uniform(15, 120))
        path = draw_line(rng, canvas, bend=float(rng.uniform(0.2, 3.0)), length_px=length)
        strokes.append(
            make_ribbon(path, float(rng.uniform(0.6, 3.5)) * np.linspace(1.0, rng.uniform(0.2, 1), len(path)))
        )
    level = float(rng.choice([rng.uniform(0.02, 0.2), rng.uniform(0.5, 0.95)]))
    colour = (level, level * float(rng.uniform(0.85, 1.05)), level * float(rng.uniform(0.5, 1.0)))
    raster = _render(canvas, *strokes)
    shadow = blur(np.roll(raster.coverage, (2, 1), (0, 1)), 1.2)
    return Ink(shadow, 0.75), Ink(raster.coverage, 0.05, colour)


def draw_tile_gap(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw a grid of gaps between tiles, slabs or bricks."""
    pitch = float(rng.uniform(40, 220))
    width = draw_log_uniform(rng, canvas.width_px)
    turn = float(rng.normal(0, 0.03) + (rng.uniform(0, math.pi) if rng.random() < 0.2 else 0.0))
    along, across = np.array([math.sin(turn), math.cos(turn)]), np.array([math.cos(turn), -math.sin(turn)])
    reach = math.hypot(*canvas.shape)
    ratio = float(rng.choice([1.0, 1.0, 2.0, 3.0]))
    start = rng.uniform(0, 1, 2) * pitch
    strokes = []
    for way, side, gap, first in ((along, across, pitch, start[0]), (across, along, pitch * ratio, start[1])):
        for offset in np.arange(first - reach, reach, gap):
            ends = np.array(canvas.shape) / 2 + side * offset + np.array([[-1.0], [1.0]]) * way * reach
            strokes.append(make_ribbon(np.linspace(ends[0], ends[1], max(2, int(2 * reach / _STEP_PX))), width))
        if rng.random() < 0.15:
            break
    coverage = _render(canvas, *strokes).coverage
    gain, colour = _draw_tone(rng, canvas, light_share=0.35)
    bevel = shade_relief(blur(coverage, 1.0), canvas.light_rad, -float(rng.uniform(0, 0.5)))
    return Ink(coverage, gain, colour), Ink(bevel, 2.0)
