"""Draw area-like confounders: stains, tyre marks, stripes, insects, shadows, patches."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.chance import draw_uniform
from data_gen.field import fractal_2d, noise_2d
from data_gen.ink import Canvas, Ink
from data_gen.line_art import draw_band, draw_line, make_ribbon
from data_gen.plane import Plane, at_least, blur, clip
from data_gen.render import render


def _threshold(plane: Plane, softness: float) -> Plane:
    """Threshold a ``(H, W)`` plane at 0 with a linear ramp."""
    return np.asarray(clip(plane / np.float32(softness) + np.float32(0.5)), dtype=np.float32)


def _distance(canvas: Canvas, centre: NDArray[np.float64]) -> Plane:
    """Return the ``(H, W)`` distance of each pixel from a point, in pixels."""
    rows = np.arange(canvas.shape[0], dtype=np.float32)[:, None] - np.float32(centre[0])
    cols = np.arange(canvas.shape[1], dtype=np.float32)[None] - np.float32(centre[1])
    return np.asarray(np.sqrt(rows * rows + cols * cols), dtype=np.float32)


def draw_stain(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw an irregular stain, often with a darker rim or a run."""
    centre = rng.uniform(0, 1, 2) * canvas.shape
    radius = float(np.exp(rng.uniform(math.log(8), math.log(110))))
    rough = fractal_2d(rng, canvas.shape, (5.0, max(radius, 10.0)), 0.6) * np.float32(rng.uniform(0.15, 0.4))
    reach = 1 - _distance(canvas, centre) / np.float32(radius) + rough
    body = _threshold(reach, float(rng.uniform(0.05, 0.8)))
    contrast = draw_uniform(rng, canvas.contrast) * 0.8
    inks = [Ink(body, 1 - contrast * float(rng.choice([1.0, 1.0, -0.5])))]
    if rng.random() < 0.4:
        rim = at_least(1 - np.abs(reach) * np.float32(rng.uniform(6, 25)), 0.0)
        inks.append(Ink(np.asarray(rim, np.float32), 1 - contrast))
    if rng.random() < 0.3:
        length = float(rng.uniform(20, 200))
        path = centre + np.column_stack([np.linspace(0, length, 20), rng.normal(0, 1.0, 20).cumsum()])
        run = render((make_ribbon(path, float(rng.uniform(2, 10)) * np.linspace(1, 0.3, 20)),), canvas.shape).coverage
        inks.append(Ink(blur(run, 1.5), 1 - contrast))
    return tuple(inks)


def draw_tyre_mark(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw one or two wide streaky bands of rubber."""
    path = draw_line(rng, canvas, bend=float(rng.uniform(0, 0.5)))
    width = float(rng.uniform(12, 60))
    depth = draw_band(canvas, path, width).depth_px
    if rng.random() < 0.5:
        other = path + rng.uniform(1.2, 3) * width * np.array([0.7, -0.7])
        depth = np.maximum(depth, draw_band(canvas, other, width).depth_px)
    fade = clip(depth / np.float32(0.25 * width))
    tread = np.sin(depth * np.float32(2 * math.pi / rng.uniform(3, 9)) + np.float32(rng.uniform(0, 6)))
    rough = np.float32(0.7) + np.float32(0.3) * noise_2d(rng, canvas.shape, 6.0) + np.float32(0.25) * tread
    return (Ink(fade * at_least(rough, 0.0), 1 - 0.6 * draw_uniform(rng, canvas.contrast)),)


def draw_marking(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw a worn painted stripe, whose edges look like cracks."""
    width = float(np.exp(rng.uniform(math.log(6), math.log(max(canvas.shape) / 2))))
    whole = rng.random() < 0.7
    path = draw_line(rng, canvas, length_px=None if whole else float(rng.uniform(30, 200)))
    raster = draw_band(canvas, path, width)
    wear = fractal_2d(rng, canvas.shape, (1.5, 24.0), 0.8) * np.float32(rng.uniform(0.1, 0.6))
    paint = raster.coverage * _threshold(wear + np.float32(rng.uniform(0.0, 0.9)), 0.25)
    colours = ((0.9, 0.9, 0.88), (0.85, 0.7, 0.2), (0.75, 0.75, 0.72), (0.7, 0.15, 0.12), (0.15, 0.25, 0.6))
    colour = np.array(colours[int(rng.choice(5, p=[0.5, 0.2, 0.2, 0.05, 0.05]))]) * rng.uniform(0.6, 1.05)
    share = float(rng.uniform(0.4, 0.95))
    rim = clip(np.asarray(1 - np.abs(raster.depth_px) / np.float32(rng.uniform(1, 2.5)), np.float32))
    inks = [Ink(paint, 1 - share, (share * colour[0], share * colour[1], share * colour[2]))]
    if rng.random() < 0.4:
        inks.append(Ink(rim, float(rng.uniform(0.5, 0.95))))
    return tuple(inks)


def draw_insect(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw one or more insects with a dark body and six legs."""
    body = np.zeros(canvas.shape, np.uint8)
    for _ in range(int(rng.integers(1, 6))):
        size, turn = float(rng.uniform(3, 11)), float(rng.uniform(0, 2 * math.pi))
        along = np.array([math.sin(turn), math.cos(turn)])
        side = np.array([along[1], -along[0]])
        centre = rng.uniform(0, 1, 2) * canvas.shape
        for place, length, breadth in ((-0.9, 1.2, 0.8), (0.0, 0.8, 0.5), (0.7, 0.6, 0.55)):
            spot = centre + along * place * size
            oval = ((float(spot[1]), float(spot[0])), (length * size, breadth * size), math.degrees(turn))
            cv2.ellipse(body, oval, 255, cv2.FILLED, cv2.LINE_AA)
        for place in (-0.4, 0.0, 0.4):
            hip = centre + along * place * size * 0.6
            for way in (-1, 1):
                foot = hip + side * way * size * 1.1 + along * place * size
                ends = np.rint(np.stack([hip, foot])[:, ::-1] * 8).astype(np.int32)
                cv2.polylines(body, [ends], isClosed=False, color=200, thickness=1, lineType=cv2.LINE_AA, shift=3)
    level = float(rng.uniform(0.0, 0.12))
    return (Ink(body.astype(np.float32) * np.float32(1 / 255), 0.1, (level, level * 0.8, level * 0.6)),)


def draw_shadow(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw the soft or sharp shadow of a wall or tree."""
    if rng.random() < 0.3:
        size = float(rng.uniform(25, 160))
        leaves = fractal_2d(rng, canvas.shape, (size / 10, size), 0.75) + np.float32(rng.uniform(-0.8, 0.8))
        share = _threshold(leaves, float(rng.uniform(0.1, 0.9)))
    else:
        path = draw_line(rng, canvas, bend=float(rng.choice([0.0, 0.5])))
        width = float(rng.uniform(0.1, 0.8)) * max(canvas.shape)
        side = np.array([path[-1, 1] - path[0, 1], path[0, 0] - path[-1, 0]])
        side = side / max(float(np.hypot(*side)), 1e-9) * width
        outline = np.concatenate([path, path[::-1] + side])
        shape = np.zeros(canvas.shape, np.uint8)
        cv2.fillPoly(shape, [np.rint(outline[:, ::-1] * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
        share = blur(shape.astype(np.float32) / np.float32(255), float(rng.uniform(0.6, 6)))
    return (Ink(share, 1 - float(rng.uniform(0.2, 0.7))),)


def draw_patch_edge(rng: np.random.Generator, canvas: Canvas) -> tuple[Ink, ...]:
    """Draw a repaired patch with straight edges and another tone and grain."""
    centre = rng.uniform(0, 1, 2) * canvas.shape
    size = rng.uniform(0.15, 0.7, 2) * canvas.shape
    oval = ((float(centre[1]), float(centre[0])), (float(size[1]), float(size[0])), float(rng.normal(0, 12)))
    corners = cv2.boxPoints(oval)
    shape = np.zeros(canvas.shape, np.uint8)
    outline = [np.rint(corners * 8).astype(np.int32)]
    cv2.fillPoly(shape, outline, 255, cv2.LINE_AA, 3)
    area = shape.astype(np.float32) * np.float32(1 / 255)
    grain = area * noise_2d(rng, canvas.shape, float(rng.uniform(1.0, 4.0)))
    inks = [Ink(area, 1 + float(rng.uniform(-0.4, 0.25))), Ink(grain, 1 + float(rng.uniform(0.0, 0.15)))]
    if canvas.opaque:
        inks[0] = Ink(area, 0.0, (canvas.brightness * float(rng.uniform(0.6, 1.2)),) * 3)
    if rng.random() < 0.5:
        border = np.zeros(canvas.shape, np.uint8)
        thick = int(rng.integers(1, 7))
        cv2.polylines(border, outline, isClosed=True, color=255, thickness=thick, lineType=cv2.LINE_AA, shift=3)
        soft = blur(border.astype(np.float32) / np.float32(255), float(rng.uniform(0.5, 1.5)))
        inks.append(Ink(soft, 1 - draw_uniform(rng, canvas.contrast)))
    return tuple(inks)
