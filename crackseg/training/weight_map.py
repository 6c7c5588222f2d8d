"""Distances on true masks: the border weights of the U-Net paper, and the signed distance of the boundary loss."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, OutputError
from crackseg.files import make_folder, write_bytes
from crackseg.geometry import Region
from crackseg.imaging.codec import read_file

NEGLIGIBLE = 1e-6
"""Border weights below this are left at 0; it decides how far from a component one has to look."""

_CACHE_VERSION = 1
_OVERHEAD_PX = 3000
"""What handling one component costs beside its distance transform, in pixels of a distance transform."""


def border_weights(mask: NDArray[np.bool_], *, w0: float = 10.0, sigma: float = 5.0) -> NDArray[np.float32]:
    """Return the border weights ``w0 exp(-(d1 + d2)^2 / (2 sigma^2))`` of a mask.

    d1 and d2 are the distances to the nearest and to the second nearest component, 0 inside it, between pixel centres;
    components hang together over sides and corners. So the weight is high where two cracks nearly touch. With
    fewer than two components it is 0.

    Args:
        mask: ``(H, W)`` true mask.
        w0: Weight where both distances are 0.
        sigma: How fast it falls, in pixels.

    Returns:
        ``(H, W)`` weights in [0, w0], right to `NEGLIGIBLE`.

    Source:
        Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, eq. 2, second term.
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
    """Return the whole weight map ``w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))`` of a mask.

    Args:
        mask: ``(H, W)`` true mask.
        w0: Weight of the border where both distances are 0.
        sigma: How fast it falls, in pixels.
        class_weights: ``w_c`` on background and on crack; see `balanced_class_weights`.

    Returns:
        ``(H, W)`` weights.

    Source:
        Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, eq. 2.
    """
    classes = np.where(mask, np.float32(class_weights[1]), np.float32(class_weights[0]))
    return classes + border_weights(mask, w0=w0, sigma=sigma)


def balanced_class_weights(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return weights of background and crack that give both the same sum over a mask, and a mean of 1.

    A class that is absent gets the weight 1, and so does the other then.
    """
    share = float(mask.mean()) if mask.size else 0.0
    return (0.5 / (1 - share), 0.5 / share) if 0 < share < 1 else (1.0, 1.0)


def two_nearest(mask: NDArray[np.bool_], *, reach_px: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the distance to the nearest and to the second nearest component of a mask, each 0 inside it.

    Exact where their sum is at most ``reach_px``; beyond, too large a value may stand, and infinity where no component
    was looked for. Of two exact ways the cheaper is taken:

    - one distance transform per component, inside its neighbourhood only, for components that are small;
    - two per binary digit of the component numbers: of those with the digit 0, and of those with 1. Two components
      differ in some digit, so the second nearest distance is the least, over the digits, of the larger of the two. For
      components whose bounding boxes fill the image: 16 transforms for 200 of them.

    Args:
        mask: ``(H, W)`` mask; components hang together over sides and corners.
        reach_px: How far to look, in pixels.

    Returns:
        Two ``(H, W)`` arrays, in pixels.
    """
    infinite = np.full(mask.shape, np.inf, np.float32)
    if not mask.any():
        return infinite, infinite.copy()
    found, numbers, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    labels = numbers.astype(np.int32, copy=False)
    if found < 3:
        return _distance(~mask), infinite
    reach = math.ceil(reach_px)
    regions = [_grown(box, reach, mask.shape) for box in statistics[1:]]
    digits = (found - 2).bit_length()
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
    """Do so for components numbered from 0, with -1 between them."""
    nearest = second = np.full(numbers.shape, np.inf, np.float32)
    for digit in range(digits):
        bit = (numbers >> digit) & 1
        zero, one = (_distance((numbers < 0) | (bit != value)) for value in (0, 1))
        nearest = np.minimum(zero, one)
        second = np.minimum(second, np.maximum(zero, one))
    return nearest, second


def _grown(box: NDArray[np.int32], reach: int, shape: tuple[int, ...]) -> Region:
    """Return a component's box with a margin, inside the image; ``box`` is left, top, width, height, area."""
    left, top, width, height = (int(value) for value in box[:4])
    return Region(
        max(top - reach, 0),
        max(left - reach, 0),
        min(top + height + reach, shape[0]),
        min(left + width + reach, shape[1]),
    )


def _distance(outside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return each pixel's exact distance to the nearest pixel that is not ``outside``; there must be one."""
    source = np.ascontiguousarray(outside).view(np.uint8)
    rough = cv2.distanceTransform(source, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # OpenCV's last digit depends on where its memory happens to lie; the squares are whole numbers.
    return np.asarray(np.sqrt(np.rint(rough * rough)), dtype=np.float32)


def signed_distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance to the crack, in pixels: positive outside, 0 on its outermost pixels, negative inside.

    Where a mask is empty or full there is no boundary, and the distance is 0 everywhere.

    Args:
        mask: ``(H, W)`` true mask.

    Source:
        Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019, section 2.
    """
    if not mask.any() or mask.all():
        return np.zeros(mask.shape, np.float32)
    return np.where(mask, 1 - _distance(mask), _distance(~mask)).astype(np.float32, copy=False)


def cache_folder() -> Path:
    """Return where computed maps are kept: ``crackseg/border`` in ``$XDG_CACHE_HOME``, or in ``~/.cache``."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "crackseg" / "border"


def cached_border_weights(
    mask: NDArray[np.bool_], *, w0: float = 10.0, sigma: float = 5.0, folder: Path | None = None
) -> NDArray[np.float32]:
    """Return what `border_weights` returns, from disk where it was computed before for a mask of the same content.

    The name of the file is a hash of the mask and of both numbers. A file that is damaged is computed again; where the
    folder cannot be written, nothing is kept.

    Args:
        mask: ``(H, W)`` true mask.
        w0: Weight where both distances are 0.
        sigma: How fast it falls, in pixels.
        folder: Where the maps are kept; `cache_folder` if None.
    """
    key = hashlib.sha256(repr((_CACHE_VERSION, mask.shape, float(w0), float(sigma))).encode())
    key.update(np.packbits(mask).tobytes())
    place = cache_folder() if folder is None else folder
    path = place / f"{key.hexdigest()}.npz"
    kept = _read_map(path, mask.shape)
    if kept is not None:
        return kept
    weights = border_weights(mask, w0=w0, sigma=sigma)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, weights=weights)
    with contextlib.suppress(OutputError):
        make_folder(place)
        write_bytes(path, buffer.getvalue())
    return weights


def _read_map(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    try:
        with np.load(io.BytesIO(read_file(path)), allow_pickle=False) as arrays:
            weights: NDArray[np.float32] = arrays["weights"]
    except (CracksegError, OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return weights if weights.shape == shape and weights.dtype == np.float32 else None
