"""What a network will see: a sheet of training patches, as they are cut and augmented."""

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
    """Write ``preview.png``: the first patches of a training, each beside itself with its mask.

    The outline of the mask is drawn in red. Where the losses use border weights, these are laid over it in blue.

    Args:
        config: The training.
        samples: What it trains on.
        output: The folder to write to.
        rows: Rows of the sheet.
        columns: Patches in a row.

    Returns:
        The file.

    Raises:
        CracksegError: What reading the samples raises.
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
        truth = np.asarray(target if target.ndim == 2 else target[0]) > 0
        for place, tile in ((left, image), (left + step, _with_truth(image, truth, border))):
            small = cv2.resize(tile, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
            sheet[top : top + _SIDE_PX, place : place + _SIDE_PX] = small
    path = make_folder(output) / PREVIEW_FILE
    write_png(path, sheet)
    return path


def _with_truth(
    image: NDArray[np.uint8], truth: NDArray[np.bool_], border: NDArray[np.float32] | None
) -> NDArray[np.uint8]:
    """Return a patch with the outline of its mask, and its border weights in [0, 1] where there are any."""
    drawn = image.copy()
    if border is not None:
        share = np.clip(border, 0, 1)[..., None]
        drawn = np.rint(drawn * (1 - share) + np.array(_BORDER_WEIGHT) * share).astype(np.uint8)
    inner = cv2.erode(truth.astype(np.uint8), np.ones((3, 3), np.uint8))
    drawn[truth & (inner == 0)] = _OUTLINE
    return drawn
