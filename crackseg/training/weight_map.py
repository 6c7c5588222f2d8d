"""Compute border weights and signed distances of true masks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, OutputError
from crackseg.files import make_folder, user_cache_folder, write_bytes
from crackseg.geometry import Region
from crackseg.imaging.codec import read_file

NEGLIGIBLE = 1e-6
"""Border weights below this are 0; it limits the distance to search for components."""

_CACHE_VERSION = 1
_OVERHEAD_PX = 3000
"""Fixed cost of one component, as a number of pixels of a distance transform."""


def border_weights(mask: NDArray[np.bool_], *, w0: float = 10.0, sigma: float = 5.0) -> NDArray[np.float32]:
    """Return the border weights ``w0 exp(-(d1 + d2)^2 / (2 sigma^2))`` of a mask.

    d1 and d2 are the distances to the nearest and the second nearest component, between pixel centres, and 0 inside a
    component. Components are 8-connected. The weight is high where two cracks nearly touch. With fewer than two
    components it is 0.

    Args:
        mask: ``(H, W)`` bool true mask.
        w0: Weight where both distances are 0.
        sigma: Distance over which the weight decreases, in pixels.

    Returns:
        ``(H, W)`` float32 weights in [0, w0], exact to `NEGLIGIBLE`.

    Source:
        Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, eq. 2, second term.

    Example:
        >>> mask = np.zeros((1, 5), np.bool_)
        >>> mask[0, [1, 3]] = True  # two cracks with a gap of one pixel
        >>> border_weights(mask, w0=10, sigma=1).astype(float).round(2).tolist()
        [[0.0, 1.35, 1.35, 1.35, 0.0]]
    """
    if w0 <= NEGLIGIBLE:
        return np.zeros(mask.shape, np.float32)
    reach_px = sigma * math.sqrt(2 * math.log(w0 / NEGLIGIBLE))
    nearest, second = two_nearest(mask, reach_px=reach_px)
    distance = nearest + second
    weights = w0 * np.exp(distance * distance * np.float32(-0.5 / sigma**2))
    weights[distance > reach_px] = 0
    return weights.astype(np.float32, copy=False)


def weight_map(
    mask: NDArray[np.bool_], *, w0: float = 10.0, sigma: float = 5.0, class_weights: tuple[float, float] = (1.0, 1.0)
) -> NDArray[np.float32]:
    """Return the weight map ``w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))``.

    Args:
        mask: ``(H, W)`` bool true mask.
        w0: Border weight where both distances are 0.
        sigma: Distance over which the border weight decreases, in pixels.
        class_weights: ``w_c`` of background and of crack; see `balanced_class_weights`.

    Returns:
        ``(H, W)`` float32 weights.

    Source:
        Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, eq. 2.
    """
    classes = np.where(mask, np.float32(class_weights[1]), np.float32(class_weights[0]))
    return classes + border_weights(mask, w0=w0, sigma=sigma)


def balanced_class_weights(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return weights of background and crack that balance a mask.

    Both classes then have the same total weight, and the mean weight is 1. If one class is absent, both weights are 1.

    Args:
        mask: ``(H, W)`` bool true mask.

    Example:
        >>> background, crack = balanced_class_weights(np.array([[True, False, False, False]]))
        >>> round(background, 2), crack
        (0.67, 2.0)
    """
    share = float(mask.mean()) if mask.size else 0.0
    return (0.5 / (1 - share), 0.5 / share) if 0 < share < 1 else (1.0, 1.0)


def two_nearest(mask: NDArray[np.bool_], *, reach_px: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the distances to the two nearest components of a mask.

    They are exact where their sum is at most ``reach_px``. Beyond, they may be too large or infinite. There are two
    methods, and the cheaper one is used:

    - For small components: one distance transform per component, in its neighbourhood.
    - For components whose bounding boxes fill the image: two transforms per binary digit of the component numbers, one
      of the components with the digit 0 and one of those with 1. Two components differ in some digit. The second
      distance is therefore the minimum, over the digits, of the larger of the two. 200 components need 16 transforms.

    Args:
        mask: ``(H, W)`` bool mask; components are 8-connected.
        reach_px: Largest sum of the distances of interest, in pixels.

    Returns:
        Two ``(H, W)`` float32 arrays of distances in pixels, 0 inside a component.

    Example:
        >>> nearest, second = two_nearest(np.array([[True, False, False, True]]), reach_px=10)
        >>> nearest.tolist(), second.tolist()
        ([[0.0, 1.0, 1.0, 0.0]], [[3.0, 2.0, 2.0, 3.0]])
    """
    infinite = np.full(mask.shape, np.inf, np.float32)
    if not mask.any():
        return infinite, infinite.copy()
    count, numbers, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    labels = numbers.astype(np.int32, copy=False)
    if count < 3:
        return _distance(~mask), infinite
    reach = math.ceil(reach_px)
    regions = [_grow(box, reach, mask.shape) for box in statistics[1:]]
    digits = (count - 2).bit_length()
    local_px = sum(region.height * region.width + _OVERHEAD_PX for region in regions)
    if local_px <= 2 * digits * mask.size:
        return _by_neighbourhood(labels, regions)
    return _by_digit(labels - 1, digits)


def _by_neighbourhood(
    labels: NDArray[np.int32], regions: list[Region]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    nearest = np.full(labels.shape, np.inf, np.float32)
    second = nearest.copy()
    for number, region in enumerate(regions, start=1):
        place = region.slices()
        distance = _distance(labels[place] != number)
        np.minimum(second[place], np.maximum(nearest[place], distance), out=second[place])
        np.minimum(nearest[place], distance, out=nearest[place])
    return nearest, second


def _by_digit(numbers: NDArray[np.int32], digits: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Use component numbers from 0; -1 is background. Arrays are ``(H, W)``."""
    nearest = second = np.full(numbers.shape, np.inf, np.float32)
    for digit in range(digits):
        bit = (numbers >> digit) & 1
        zero, one = (_distance((numbers < 0) | (bit != value)) for value in (0, 1))
        nearest = np.minimum(zero, one)
        second = np.minimum(second, np.maximum(zero, one))
    return nearest, second


def _grow(box: NDArray[np.int32], reach: int, shape: tuple[int, ...]) -> Region:
    """Grow the box of a component by a margin, within the image.

    Args:
        box: ``(5,)`` int32 left, top, width, height and area, in pixels.
        reach: Margin, in pixels.
        shape: Height and width of the image, in pixels.
    """
    left, top, width, height = (int(value) for value in box[:4])
    return Region(
        max(top - reach, 0),
        max(left - reach, 0),
        min(top + height + reach, shape[0]),
        min(left + width + reach, shape[1]),
    )


def _distance(outside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the exact distance to the nearest pixel that is not outside.

    Args:
        outside: ``(H, W)`` bool, False for at least one pixel.

    Returns:
        ``(H, W)`` float32 distances, in pixels.
    """
    source = np.ascontiguousarray(outside).view(np.uint8)
    rough = cv2.distanceTransform(source, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # The last digit of OpenCV depends on memory alignment; the squares are integers.
    return np.asarray(np.sqrt(np.rint(rough * rough)), dtype=np.float32)


def signed_distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the signed distance to the boundary of a mask.

    It is positive outside, 0 on the outermost crack pixels, and negative inside. Empty and full masks have no boundary
    and a distance of 0 everywhere.

    Args:
        mask: ``(H, W)`` bool true mask.

    Returns:
        ``(H, W)`` float32 distances, in pixels.

    Source:
        Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019, section 2.

    Example:
        >>> signed_distance(np.array([[False, False, True, True, True]])).tolist()
        [[2.0, 1.0, 0.0, -1.0, -2.0]]
    """
    if not mask.any() or mask.all():
        return np.zeros(mask.shape, np.float32)
    return np.where(mask, 1 - _distance(mask), _distance(~mask)).astype(np.float32, copy=False)


def cache_folder() -> Path:
    """Return the cache folder, ``crackseg/border`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return user_cache_folder("border")


def cached_border_weights(
    mask: NDArray[np.bool_], *, w0: float = 10.0, sigma: float = 5.0, folder: Path | None = None
) -> NDArray[np.float32]:
    """Return `border_weights`, from a cache on disk if possible.

    The file name is a hash of the mask, ``w0`` and ``sigma``. A damaged file is computed again. If the folder cannot be
    written, nothing is cached.

    Args:
        mask: ``(H, W)`` bool true mask.
        w0: Weight where both distances are 0.
        sigma: Distance over which the weight decreases, in pixels.
        folder: Cache folder; `cache_folder` if None.

    Returns:
        ``(H, W)`` float32 weights in [0, w0].
    """
    key = hashlib.sha256(repr((_CACHE_VERSION, mask.shape, float(w0), float(sigma))).encode())
    key.update(np.packbits(mask).tobytes())
    parent = cache_folder() if folder is None else folder
    path = parent / f"{key.hexdigest()}.npz"
    cached = _read_map(path, mask.shape)
    if cached is not None:
        return cached
    weights = border_weights(mask, w0=w0, sigma=sigma)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, weights=weights)
    with contextlib.suppress(OutputError):
        make_folder(parent)
        write_bytes(path, buffer.getvalue())
    return weights


def _read_map(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    try:
        with np.load(io.BytesIO(read_file(path)), allow_pickle=False) as arrays:
            weights: NDArray[np.float32] = arrays["weights"]
    except (CracksegError, OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return weights if weights.shape == shape and weights.dtype == np.float32 else None
