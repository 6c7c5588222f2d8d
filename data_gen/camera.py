"""What a camera does to a scene: blur, light fall-off, white balance, noise, sharpening, JPEG."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen import chance
from data_gen.field import white_2d
from data_gen.plane import Plane, Planes, at_least, blurred, to_picture
from data_gen.recipe import CameraRecipe

_KNEE, _HIGHLIGHTS = 0.75, 0.4


def photograph(rng: np.random.Generator, planes: Planes, recipe: CameraRecipe) -> NDArray[np.uint8]:
    """Take a picture. Nothing moves: every blur is centred, so that a mask stays true.

    Args:
        rng: Source of randomness.
        planes: ``(3, H, W)`` float32 scene, red, green, blue in about [0, 1]; changed in place.
        recipe: What the camera adds.

    Returns:
        ``(H, W, 3)`` uint8, red, green, blue.
    """
    if not recipe.enabled:
        return to_picture(planes)
    _blur(rng, planes, recipe)
    planes *= _light(rng, (planes.shape[1], planes.shape[2]), recipe)
    cast = rng.uniform(-1, 1) * np.array([1.0, 0.0, -1.0]) + 0.35 * rng.uniform(-1, 1, 3)
    balance = 1 + chance.uniform(rng, recipe.white_balance) * cast
    gamma = chance.log_uniform(rng, recipe.gamma)
    for band in range(3):
        planes[band] *= np.float32(balance[band])
        planes[band] -= np.float32(1 - _HIGHLIGHTS) * at_least(planes[band] - np.float32(_KNEE), 0.0)
        if abs(gamma - 1) > 0.02:
            planes[band] = cv2.pow(at_least(planes[band], 0.0), gamma)
    grey = chance.happens(rng, recipe.grey_probability)
    if grey:
        planes[0] = 0.3 * planes[0] + 0.59 * planes[1] + 0.11 * planes[2]
        planes = planes[:1]
    _add_noise(rng, planes, recipe)
    if chance.happens(rng, recipe.sharpen_probability):
        amount = chance.uniform(rng, recipe.sharpen)
        sigma = float(rng.uniform(0.7, 1.6))
        planes = np.stack([cv2.addWeighted(p, 1 + amount, blurred(p, sigma), -amount, 0.0) for p in planes])
    image = to_picture(planes)
    if chance.happens(rng, recipe.jpeg_probability):
        image = _compressed(image, chance.integer(rng, recipe.jpeg_quality))
    return np.asarray(np.repeat(image[:, :, None], 3, axis=2) if grey else image)


def _blur(rng: np.random.Generator, planes: Planes, recipe: CameraRecipe) -> None:
    """Blur in place, by defocus and by motion."""
    if chance.happens(rng, recipe.defocus_probability):
        sigma = chance.uniform(rng, recipe.defocus_sigma_px)
        if sigma > 0.2:
            for band in range(3):
                planes[band] = blurred(planes[band], sigma)
    if chance.happens(rng, recipe.motion_probability):
        kernel = _streak(chance.uniform(rng, recipe.motion_px), float(rng.uniform(0, math.pi)))
        for band in range(3):
            planes[band] = cv2.filter2D(planes[band], cv2.CV_32F, kernel)


def _streak(length_px: float, angle_rad: float) -> Plane:
    """Return a centred line-shaped kernel of sum 1."""
    half = math.ceil(length_px / 2)
    rows, cols = np.indices((2 * half + 1, 2 * half + 1)) - half
    across = np.abs(rows * math.cos(angle_rad) - cols * math.sin(angle_rad))
    along = np.abs(cols * math.cos(angle_rad) + rows * math.sin(angle_rad))
    kernel = np.clip(1 - across, 0, 1) * np.clip(length_px / 2 + 0.5 - along, 0, 1)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _light(rng: np.random.Generator, shape: tuple[int, int], recipe: CameraRecipe) -> Plane:
    """Return exposure times vignette times a gradient of light as ``(H, W)`` float32."""
    rows = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    cols = np.linspace(-1, 1, shape[1], dtype=np.float32)[None]
    exposure = np.float32(chance.log_uniform(rng, recipe.exposure))
    fall = np.float32(chance.uniform(rng, recipe.vignette) * rng.random())
    turn, slope = rng.uniform(0, 2 * math.pi), chance.uniform(rng, recipe.shading) * rng.random()
    tilt = rows * np.float32(slope * math.sin(turn)) + cols * np.float32(slope * math.cos(turn))
    return np.asarray(exposure * (1 - fall * np.float32(0.5) * (rows * rows + cols * cols)) * (1 + tilt))


def _add_noise(rng: np.random.Generator, planes: Planes, recipe: CameraRecipe) -> None:
    """Add shot noise (grows with the root of the light) and read noise, mostly common to the colours."""
    shot = np.float32(chance.uniform(rng, recipe.shot_noise) * rng.random())
    read = np.float32(chance.uniform(rng, recipe.read_noise) * rng.random())
    shape = (planes.shape[1], planes.shape[2])
    common = white_2d(rng, shape)
    common *= cv2.sqrt(at_least(planes[planes.shape[0] // 2], 0.0)) * shot + read
    for band in range(len(planes)):
        planes[band] += common
    colour = np.float32(0.5) * (shot + read)
    if len(planes) == 3 and colour > 0.004:
        half = white_2d(rng, (shape[0] // 2 + 1, shape[1] // 2 + 1)) * colour
        spread = cv2.resize(half, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]
        planes[0] += spread
        planes[2] -= spread


def _compressed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Encode as JPEG in memory and decode again; colours in either order come back in the same order."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("expected cv2 to encode a JPEG in memory, got a failure")
    flag = cv2.IMREAD_COLOR if image.ndim == 3 else cv2.IMREAD_GRAYSCALE
    return np.asarray(cv2.imdecode(data, flag), dtype=np.uint8)
