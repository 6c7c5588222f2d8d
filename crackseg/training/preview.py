"""Draw a sheet of augmented training patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.samples import Sample, check_sizes
from crackseg.files import make_folder
from crackseg.imaging.codec import write_png
from crackseg.training.config import TrainConfig
from crackseg.training.patches import PatchDataset

PREVIEW_FILE = "preview.png"
_SIDE_PX, _GAP_PX = 160, 4
_OUTLINE = (255, 32, 96)
_BORDER_WEIGHT = (0, 160, 255)


def draw_preview(
    config: TrainConfig, samples: Sequence[Sample], output: Path, *, rows: int = 4, columns: int = 6
) -> Path:
    """Draw the first patches of a training to ``preview.png``.

    Each patch is drawn twice: plain, and with the outline of its mask in red. If a loss uses border weights, they
    overlay the second one in blue.

    Args:
        config: Configuration of the training.
        samples: Training samples.
        output: Folder to write to.
        rows: Number of rows of the sheet.
        columns: Number of patches per row.

    Returns:
        The file.

    Raises:
        CracksegError: Any error of reading the samples.
        OutputError: If the file cannot be written.
    """
    check_sizes(samples)
    patches = PatchDataset(samples, config)
    step = _SIDE_PX + _GAP_PX
    sheet = np.full((rows * step + _GAP_PX, 2 * columns * step + _GAP_PX, 3), 255, np.uint8)
    for number in range(rows * columns):
        image, target = patches[number]
        row, col = divmod(number, columns)
        top, left = row * step + _GAP_PX, 2 * col * step + _GAP_PX
        has_border = target.ndim == 3 and config.loss.border.weight > 0
        border = np.asarray(target[1], dtype=np.float32) / max(config.loss.border.w0, 1e-6) if has_border else None
        true = np.asarray(target if target.ndim == 2 else target[0]) > 0
        for place, patch in ((left, image), (left + step, _overlay_mask(image, true, border))):
            small = cv2.resize(patch, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
            sheet[top : top + _SIDE_PX, place : place + _SIDE_PX] = small
    path = make_folder(output) / PREVIEW_FILE
    write_png(path, sheet)
    return path


def _overlay_mask(
    image: NDArray[np.uint8], true: NDArray[np.bool_], border: NDArray[np.float32] | None
) -> NDArray[np.uint8]:
    """Draw the mask outline and the border weights on a patch.

    Args:
        image: ``(P, P, 3)`` uint8 RGB pixels.
        true: ``(P, P)`` bool true mask.
        border: ``(P, P)`` float32 border weights, 1 for the largest; None if there are none.

    Returns:
        ``(P, P, 3)`` uint8 RGB pixels.
    """
    drawn = image.copy()
    if border is not None:
        share = np.clip(border, 0, 1)[..., None]
        drawn = np.rint(drawn * (1 - share) + np.array(_BORDER_WEIGHT) * share).astype(np.uint8)
    inner = cv2.erode(true.astype(np.uint8), np.ones((3, 3), np.uint8))
    drawn[true & (inner == 0)] = _OUTLINE
    return drawn
