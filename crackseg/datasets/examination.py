"""Examine one image and its mask: formats, sizes, orientations and values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.findings import Finding
from crackseg.datasets.fingerprint import make_thumbnail
from crackseg.datasets.label_statistics import LabelSums, label_contrast
from crackseg.datasets.pairs import Pair
from crackseg.errors import CracksegError
from crackseg.imaging.codec import MASK_LEVEL, decode_stored, read_file
from crackseg.imaging.decoding import StoredImage

_MOSTLY = 0.5
_FEW_VALUES = 8
_FULL_SCALE = 255


@dataclass(frozen=True, slots=True, eq=False)
class ExaminedPair:
    """Properties of a pair of readable files.

    Attributes:
        pair: The files.
        shape: Height and width of the image, in pixels.
        image_digest: SHA-256 of the image file.
        mask_digest: SHA-256 of the binary mask.
        thumbnail: ``(64, 64)`` uint8 grey thumbnail of the image.
        sums: Sums over the mask.
        contrast: Contrast of the label; see `label_contrast`.
        full_scale: True for a grey mask of 0 and 255.
    """

    pair: Pair
    shape: tuple[int, int]
    image_digest: bytes
    mask_digest: bytes
    thumbnail: NDArray[np.uint8]
    sums: LabelSums
    contrast: float | None
    full_scale: bool = False


def examine_pair(folder: Path, pair: Pair) -> tuple[ExaminedPair | None, list[Finding]]:
    """Read a pair of files and collect findings.

    Args:
        folder: The data folder.
        pair: The files, relative to the folder.

    Returns:
        The examined pair, if both files can be read and have one size, and the findings.
    """
    findings: list[Finding] = []
    image_bytes, image = _read(folder, pair.image, "unreadable-image", findings, as_mask=False)
    _, mask = _read(folder, pair.mask, "unreadable-mask", findings, as_mask=True)
    if image is not None:
        findings += _check_image(pair.image, image)
    if mask is None or image is None:
        return None, findings
    levels = mask.mask_levels()
    findings += _check_mask(pair.mask, mask, levels)
    findings += _check_fit(pair, image, mask)
    if image.samples.shape[:2] != levels.shape:
        return None, findings
    crack = levels >= MASK_LEVEL
    sums = LabelSums.of(crack)
    if not sums.crack_px:
        findings.append(Finding("empty-mask", (pair.mask,), "contains no crack"))
    elif sums.crack_px > _MOSTLY * sums.pixels:
        share = f"{100 * sums.crack_px / sums.pixels:.1f} % of it is crack"
        findings.append(Finding("mostly-crack", (pair.mask,), f"{share}; invert the mask if its cracks are black"))
    grey = np.asarray(cv2.cvtColor(image.rgb(), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    contrast = label_contrast(grey, crack) if sums.crack_px else None
    digests = hashlib.sha256(image_bytes).digest(), hashlib.sha256(crack.data).digest()
    height, width = levels.shape
    full_scale = mask.samples.dtype == np.uint8 and mask.void is None and int(mask.samples.max()) == _FULL_SCALE
    examined = ExaminedPair(pair, (height, width), *digests, make_thumbnail(grey), sums, contrast, full_scale)
    return examined, findings


def _read(
    folder: Path, path: Path, kind: str, findings: list[Finding], *, as_mask: bool
) -> tuple[bytes, StoredImage | None]:
    """Read and decode a file; add a finding if that fails."""
    try:
        data = read_file(folder / path)
        stored = decode_stored(data, as_mask=as_mask)
        # Values that make no sense raise an error only in the conversion to pixels.
        if stored.samples.dtype not in (np.uint8, np.bool_):
            stored.rgb()
    except CracksegError as error:
        findings.append(Finding(kind, (path,), error.what))
        return b"", None
    return data, stored


def _check_image(path: Path, image: StoredImage) -> list[Finding]:
    findings = []
    if image.samples.dtype not in (np.uint8, np.bool_):
        text = f"{image.samples.dtype} samples, reduced to 8 bits by their largest value"
        findings.append(Finding("deep-image", (path,), text))
    if image.palette:
        findings.append(Finding("palette-image", (path,), "holds at most 256 colours"))
    return findings


def _check_fit(pair: Pair, image: StoredImage, mask: StoredImage) -> list[Finding]:
    findings = []
    if image.orientation != mask.orientation:
        both = f"EXIF orientation {image.orientation} for the image, {mask.orientation} for the mask"
        findings.append(Finding("turned", (pair.image, pair.mask), both))
    (rows, cols), (mask_rows, mask_cols) = image.samples.shape[:2], mask.samples.shape[:2]
    if (rows, cols) != (mask_rows, mask_cols):
        text = f"the mask is {mask_cols}x{mask_rows} pixels, its image {cols}x{rows}"
        findings.append(Finding("size-differs", (pair.mask, pair.image), text))
    return findings


def _check_mask(path: Path, mask: StoredImage, levels: NDArray[np.uint8]) -> list[Finding]:
    """Check that a mask is one channel of 0 and 255."""
    findings = []
    if mask.samples.dtype not in (np.uint8, np.bool_):
        findings.append(Finding("deep-mask", (path,), f"{mask.samples.dtype} samples"))
    if mask.palette:
        findings.append(Finding("palette-mask", (path,), "holds indices into a palette, not levels"))
    if mask.samples.ndim == 3 and _is_coloured(mask.samples):
        findings.append(Finding("colour-mask", (path,), "its channels differ; the largest value of each pixel is used"))
    if mask.void is not None and not mask.palette:
        text = f"holds class numbers and 255, which is void: {mask.void.mean():.2%} is neither trained nor scored"
        findings.append(Finding("void-mask", (path,), text))
    between = cv2.countNonZero(cv2.inRange(levels, 1, 254))
    if between:
        findings.append(_describe_values(path, mask, levels))
    elif mask.samples.dtype != np.bool_ and int(mask.samples.max()) == 1:
        findings.append(Finding("zero-one", (path,), "holds 0 and 1, which many programs show and read as black"))
    if mask.kind == "JPEG" and not between:
        findings.append(Finding("jpeg-mask", (path,), "JPEG does not preserve values; here they are all 0 or 255"))
    return findings


def _is_coloured(samples: NDArray[np.generic]) -> bool:
    return bool((samples[..., :1] != samples[..., 1:3]).any())


def _describe_values(path: Path, mask: StoredImage, levels: NDArray[np.uint8]) -> Finding:
    """Describe the cause of other values than 0 and 255."""
    counts = np.bincount(levels.ravel(), minlength=256)
    values = np.flatnonzero(counts).tolist()
    if len(values) <= _FEW_VALUES and mask.kind != "JPEG":
        return Finding(
            "classes",
            (path,),
            f"holds the values {', '.join(map(str, values))}; values of 128 or more are read as crack",
        )
    cause = "stored as JPEG" if mask.kind == "JPEG" else "resized with interpolation, or once a JPEG"
    between = counts[1:255].sum() / levels.size
    close = counts[MASK_LEVEL - 64 : MASK_LEVEL + 64].sum() / levels.size
    text = f"{100 * between:.2f} % of its pixels are neither 0 nor 255 ({cause}), {100 * close:.2f} % are ambiguous"
    return Finding("soft-mask", (path,), text)
