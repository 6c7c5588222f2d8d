"""Simulate a camera: blur, light fall-off, white balance, noise, sharpening, JPEG."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen.chance import draw_integer, draw_log_uniform, draw_uniform, happens
from data_gen.field import white_2d
from data_gen.plane import Plane, Planes, at_least, blur, to_image
from data_gen.recipe import CameraRecipe

_KNEE, _HIGHLIGHTS = 0.75, 0.4
_STRIP_ROWS = 16
"""Rows per strip of pixelwise operations; a strip fits into the processor's cache."""


@dataclass(frozen=True)
class _Exposure:
    """Settings of one exposure.

    Attributes:
        gain: Factor on all light.
        fall: Loss of light in the corners, as a fraction.
        tilt: Slope of the light along rows and along columns, from the middle to the border.
        balance: Factors on red, green and blue.
        lift: Amount by which middle tones are raised; 0 keeps them.
        shot: Standard deviation of the noise that grows with the root of the light.
        read: Standard deviation of the noise without light.
    """

    gain: float
    fall: float
    tilt: tuple[float, float]
    balance: tuple[float, float, float]
    lift: float
    shot: float
    read: float


def capture(rng: np.random.Generator, planes: Planes, recipe: CameraRecipe) -> NDArray[np.uint8]:
    """Render a scene as the image of a camera.

    Every blur is centred, so that the mask stays valid.

    Args:
        rng: Source of randomness.
        planes: ``(3, H, W)`` float32 scene, red, green, blue in about [0, 1]; changed in place.
        recipe: Camera effects.

    Returns:
        ``(H, W, 3)`` uint8 RGB image, in [0, 255].
    """
    if not recipe.enabled:
        return to_image(planes)
    _blur_planes(rng, planes, recipe)
    exposure = _draw_exposure(rng, recipe)
    grey = happens(rng, recipe.grey_probability)
    places = np.linspace(-1, 1, planes.shape[1], dtype=np.float32)
    for row in range(0, planes.shape[1], _STRIP_ROWS):
        strip = planes[:, row : row + _STRIP_ROWS]
        _expose(strip, places[row : row + _STRIP_ROWS], exposure)
        if grey:
            strip[0] = 0.3 * strip[0] + 0.59 * strip[1] + 0.11 * strip[2]
        _add_noise(rng, strip[:1] if grey else strip, exposure)
    if grey:
        planes = planes[:1]
    if happens(rng, recipe.sharpen_probability):
        amount = draw_uniform(rng, recipe.sharpen)
        sigma = float(rng.uniform(0.7, 1.6))
        for plane in planes:
            cv2.addWeighted(plane, 1 + amount, blur(plane, sigma), -amount, 0.0, dst=plane)
    image = to_image(planes)
    if happens(rng, recipe.jpeg_probability):
        image = _compress_jpeg(image, draw_integer(rng, recipe.jpeg_quality))
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False) if grey else image


def _draw_exposure(rng: np.random.Generator, recipe: CameraRecipe) -> _Exposure:
    turn, slope = rng.uniform(0, 2 * math.pi), draw_uniform(rng, recipe.shading) * rng.random()
    cast = rng.uniform(-1, 1) * np.array([1.0, 0.0, -1.0]) + 0.35 * rng.uniform(-1, 1, 3)
    balance = (1 + draw_uniform(rng, recipe.white_balance) * cast).tolist()
    return _Exposure(
        gain=draw_log_uniform(rng, recipe.exposure),
        fall=draw_uniform(rng, recipe.vignette) * rng.random(),
        tilt=(slope * math.sin(turn), slope * math.cos(turn)),
        balance=(balance[0], balance[1], balance[2]),
        lift=4 * (0.5 ** draw_log_uniform(rng, recipe.gamma) - 0.5),
        shot=draw_uniform(rng, recipe.shot_noise) * rng.random(),
        read=draw_uniform(rng, recipe.read_noise) * rng.random(),
    )


def _expose(strip: Planes, places: NDArray[np.float32], exposure: _Exposure) -> None:
    """Apply light, white balance and tone to a strip in place.

    Args:
        strip: ``(3, h, W)`` float32 rows of the scene, about [0, 1].
        places: ``(h,)`` float32 positions of the rows, from -1 at the top to 1 at the bottom of the image.
        exposure: Settings.
    """
    rows, cols = places[:, None], np.linspace(-1, 1, strip.shape[2], dtype=np.float32)[None]
    fall, lift = np.float32(0.5 * exposure.fall), np.float32(exposure.lift)
    light = (1 - fall * rows * rows) - fall * cols * cols
    light *= (1 + np.float32(exposure.tilt[0]) * rows) + np.float32(exposure.tilt[1]) * cols
    strip *= light
    strip *= (np.array(exposure.balance) * exposure.gain).astype(np.float32)[:, None, None]
    np.maximum(strip, np.float32(0), out=strip)
    strip -= np.float32(1 - _HIGHLIGHTS) * at_least(strip - np.float32(_KNEE), 0.0)
    # The parabola approximates gamma at a tenth of the cost.
    strip *= np.float32(1) + lift - lift * np.minimum(strip, np.float32(1))


def _blur_planes(rng: np.random.Generator, planes: Planes, recipe: CameraRecipe) -> None:
    """Apply defocus and motion blur in place."""
    if happens(rng, recipe.defocus_probability):
        sigma = draw_uniform(rng, recipe.defocus_sigma_px)
        if sigma > 0.2:
            for band in range(3):
                planes[band] = blur(planes[band], sigma)
    if happens(rng, recipe.motion_probability):
        kernel = _motion_kernel(draw_uniform(rng, recipe.motion_px), float(rng.uniform(0, math.pi)))
        for band in range(3):
            planes[band] = cv2.filter2D(planes[band], cv2.CV_32F, kernel)


def _motion_kernel(length_px: float, angle_rad: float) -> Plane:
    """Return a centred line-shaped ``(k, k)`` kernel with sum 1."""
    half = math.ceil(length_px / 2)
    rows, cols = np.indices((2 * half + 1, 2 * half + 1)) - half
    across = np.abs(rows * math.cos(angle_rad) - cols * math.sin(angle_rad))
    along = np.abs(cols * math.cos(angle_rad) + rows * math.sin(angle_rad))
    kernel = np.clip(1 - across, 0, 1) * np.clip(length_px / 2 + 0.5 - along, 0, 1)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _add_noise(rng: np.random.Generator, strip: Planes, exposure: _Exposure) -> None:
    """Add shot and read noise to a ``(3, h, W)`` or ``(1, h, W)`` strip."""
    shape = (strip.shape[1], strip.shape[2])
    common = white_2d(rng, shape)
    common *= cv2.sqrt(at_least(strip[len(strip) // 2], 0.0)) * np.float32(exposure.shot) + np.float32(exposure.read)
    strip += common
    colour = 0.5 * (exposure.shot + exposure.read)
    if len(strip) == 3 and colour > 0.004:
        half = white_2d(rng, (shape[0] // 2 + 1, shape[1] // 2 + 1)) * np.float32(colour)
        spread = cv2.resize(half, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]
        strip[0] += spread
        strip[2] -= spread


def _compress_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Encode an image as JPEG and decode it again."""
    encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise RuntimeError("expected cv2 to encode a JPEG in memory, got a failure")
    flag = cv2.IMREAD_COLOR if image.ndim == 3 else cv2.IMREAD_GRAYSCALE
    return np.asarray(cv2.imdecode(data, flag), dtype=np.uint8)
