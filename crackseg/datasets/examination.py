"""Looking at one image and its mask: can they be read, do they fit, and is the mask what it claims to be."""

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
from crackseg.imaging.codec import MASK_LEVEL, StoredImage, decode_stored, read_file

_MOSTLY = 0.5
_FEW_VALUES = 8


@dataclass(frozen=True, slots=True, eq=False)
class ExaminedPair:
    """What is known of a pair once its files were read; of one that cannot be read there is none.

    Attributes:
        pair: The files.
        shape: Height and width of the image, in pixels.
        image_digest: Of the bytes of the image file.
        mask_digest: Of the mask itself.
        thumbnail: ``(64, 64)`` grey picture.
        sums: Of the mask.
        contrast: How much darker the label is than its surroundings; see `label_contrast`.
    """

    pair: Pair
    shape: tuple[int, int]
    image_digest: bytes
    mask_digest: bytes
    thumbnail: NDArray[np.uint8]
    sums: LabelSums
    contrast: float | None


def examine_pair(folder: Path, pair: Pair) -> tuple[ExaminedPair | None, list[Finding]]:
    """Read a pair and judge it.

    Args:
        folder: The data folder.
        pair: Its files, relative to the folder.

    Returns:
        What is known, if both can be read and are of one size, and the findings.
    """
    findings: list[Finding] = []
    image_bytes, image = _read(folder, pair.image, "unreadable-image", findings, as_mask=False)
    _, mask = _read(folder, pair.mask, "unreadable-mask", findings, as_mask=True)
    if image is not None:
        findings += _judge_image(pair.image, image)
    if mask is None or image is None:
        return None, findings
    levels = mask.mask_levels()
    findings += _judge_mask(pair.mask, mask, levels)
    findings += _judge_fit(pair, image, mask)
    if image.samples.shape[:2] != levels.shape:
        return None, findings
    crack = levels >= MASK_LEVEL
    sums = LabelSums.of(crack)
    if not sums.crack_px:
        findings.append(Finding("empty-mask", (pair.mask,), "holds no crack"))
    elif sums.crack_px > _MOSTLY * sums.pixels:
        share = f"{100 * sums.crack_px / sums.pixels:.1f} % of it is crack"
        findings.append(Finding("mostly-crack", (pair.mask,), f"{share}; is black the crack?"))
    grey = np.asarray(cv2.cvtColor(image.rgb(), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    contrast = label_contrast(grey, crack) if sums.crack_px else None
    digests = hashlib.sha256(image_bytes).digest(), hashlib.sha256(crack.data).digest()
    height, width = levels.shape
    return ExaminedPair(pair, (height, width), *digests, make_thumbnail(grey), sums, contrast), findings


def _read(
    folder: Path, path: Path, kind: str, findings: list[Finding], *, as_mask: bool
) -> tuple[bytes, StoredImage | None]:
    """Return the bytes and the content of a file; a file that cannot be read becomes a finding."""
    try:
        data = read_file(folder / path)
        stored = decode_stored(data, as_mask=as_mask)
        # Whether the values make sense shows when they become pixels.
        if stored.samples.dtype not in (np.uint8, np.bool_):
            stored.rgb()
    except CracksegError as error:
        findings.append(Finding(kind, (path,), error.what))
        return b"", None
    return data, stored


def _judge_image(path: Path, image: StoredImage) -> list[Finding]:
    found = []
    if image.samples.dtype not in (np.uint8, np.bool_):
        text = f"{image.samples.dtype} samples, shifted down to 8 bits by their largest value"
        found.append(Finding("deep-image", (path,), text))
    if image.palette:
        found.append(Finding("palette-image", (path,), "holds at most 256 colours"))
    return found


def _judge_fit(pair: Pair, image: StoredImage, mask: StoredImage) -> list[Finding]:
    found = []
    if image.orientation != mask.orientation:
        both = f"EXIF orientation {image.orientation} for the image, {mask.orientation} for the mask"
        found.append(Finding("turned", (pair.image, pair.mask), both))
    (rows, cols), (mask_rows, mask_cols) = image.samples.shape[:2], mask.samples.shape[:2]
    if (rows, cols) != (mask_rows, mask_cols):
        text = f"the mask is {mask_cols}x{mask_rows} pixels, its image {cols}x{rows}"
        found.append(Finding("size-differs", (pair.mask, pair.image), text))
    return found


def _judge_mask(path: Path, mask: StoredImage, levels: NDArray[np.uint8]) -> list[Finding]:
    """Return in what way a mask file is other than 8 bits of 0 and 255 in one channel."""
    found = []
    if mask.samples.dtype not in (np.uint8, np.bool_):
        found.append(Finding("deep-mask", (path,), f"{mask.samples.dtype} samples"))
    if mask.palette:
        found.append(Finding("palette-mask", (path,), "holds indices into a palette, not levels"))
    if mask.samples.ndim == 3 and _is_coloured(mask.samples):
        found.append(Finding("colour-mask", (path,), "its channels differ; the largest counts"))
    between = cv2.countNonZero(cv2.inRange(levels, 1, 254))
    if between:
        found.append(_judge_values(path, mask, levels))
    elif mask.samples.dtype != np.bool_ and int(mask.samples.max()) == 1:
        found.append(Finding("zero-one", (path,), "holds 0 and 1, which many programs show and read as black"))
    if mask.kind == "JPEG" and not between:
        found.append(Finding("jpeg-mask", (path,), "JPEG does not keep values; these happen to be whole"))
    return found


def _is_coloured(samples: NDArray[np.generic]) -> bool:
    return bool((samples[..., :1] != samples[..., 1:3]).any())


def _judge_values(path: Path, mask: StoredImage, levels: NDArray[np.uint8]) -> Finding:
    """Say why a mask holds more values than two: classes, JPEG, or soft edges."""
    counts = np.bincount(levels.ravel(), minlength=256)
    values = np.flatnonzero(counts).tolist()
    if len(values) <= _FEW_VALUES and mask.kind != "JPEG":
        return Finding("classes", (path,), f"holds the values {', '.join(map(str, values))}; 128 and more is crack")
    cause = "stored as JPEG" if mask.kind == "JPEG" else "resized with smooth edges, or once a JPEG"
    between = counts[1:255].sum() / levels.size
    close = counts[MASK_LEVEL - 64 : MASK_LEVEL + 64].sum() / levels.size
    text = f"{100 * between:.2f} % of it is neither 0 nor 255 ({cause}); {100 * close:.2f} % could be either"
    return Finding("soft-mask", (path,), text)
