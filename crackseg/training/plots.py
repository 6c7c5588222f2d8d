"""What a run leaves for people to look at: curves.png and samples.png."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.files import write_bytes
from crackseg.imaging.codec import write_png
from crackseg.metrics.counts import Counts

# RGB of the kinds of pixel in samples.png; the last is a defect of another class than it is called.
_HIT, _MISS, _FALSE, _MISTAKEN = (60, 200, 80), (255, 170, 0), (255, 32, 96), (70, 110, 255)
_TILE_PX = 288


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A validation image with its truth and what the network says.

    Attributes:
        name: The image's name.
        image: ``(H, W, 3) uint8`` RGB pixels.
        true: ``(H, W) bool`` true mask.
        predicted: ``(H, W) bool`` predicted mask.
        mistaken: ``(H, W) bool`` pixels that are, or would be, called another class of defect than they are of.
    """

    name: str
    image: NDArray[np.uint8]
    true: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    mistaken: NDArray[np.bool_]

    @property
    def f1(self) -> float:
        """F1 of this image alone; 1 where nothing is there and nothing is called."""
        value = Counts.of(self.predicted, self.true).f1
        return 1.0 if math.isnan(value) else value


def draw_curves(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw loss, validation F1 and learning rate over the steps.

    Args:
        history: One row per epoch: ``step``, ``loss``, ``f1``, ``precision``, ``recall``, ``learning_rate``, and
            ``f1_class1`` and so on where there are several classes.
        path: The PNG file to write.

    Raises:
        OutputError: If it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6))
    FigureCanvasAgg(figure)
    # A layout that is worked out from the labels draws everything twice.
    figure.subplots_adjust(left=0.05, right=0.99, bottom=0.15, top=0.9, wspace=0.26)
    steps = [row["step"] for row in history]
    panels = (
        ("training loss", ("loss",)),
        ("validation", ("f1", "precision", "recall", *class_keys(history[0]))),
        ("learning rate", ("learning_rate",)),
    )
    for axis, (title, keys) in zip(figure.subplots(1, 3), panels, strict=True):
        for key in keys:
            axis.plot(steps, [row[key] for row in history], marker=".", label=key)
        axis.set_title(title)
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
        if len(keys) > 1:
            axis.set_ylim(0, 1)
            axis.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    write_bytes(path, buffer.getvalue())


def class_keys(row: Mapping[str, float]) -> tuple[str, ...]:
    """Return the keys of a row that hold the score of one class of defect."""
    return tuple(key for key in row if key.startswith("f1_class"))


def draw_samples(judged: Sequence[Judged], path: Path, *, columns: int = 4) -> None:
    """Draw the worst, the median and the best validation images: hits green, misses orange, false calls red.

    A defect that is called another class than it is of is blue.

    Args:
        judged: Validation images, among them these.
        path: The PNG file to write.
        columns: Images per row.

    Raises:
        OutputError: If it cannot be written.
    """
    ranked = sorted(judged, key=lambda item: (item.f1, item.name))
    middle = max(0, (len(ranked) - columns) // 2)
    rows = (("worst", ranked[:columns]), ("median", ranked[middle : middle + columns]), ("best", ranked[-columns:]))
    sheet = np.vstack([_row(title, items, columns) for title, items in rows])
    write_png(path, sheet)


def _row(title: str, items: Sequence[Judged], columns: int) -> NDArray[np.uint8]:
    row = np.full((_TILE_PX + 24, columns * _TILE_PX, 3), 255, dtype=np.uint8)
    for index, item in enumerate(items):
        tile = _judged_tile(item)
        col = index * _TILE_PX
        row[24 : 24 + tile.shape[0], col : col + tile.shape[1]] = tile
        name = item.name.encode("ascii", "replace").decode()
        label = f"{title}  F1 {item.f1:.2f}  {name}"[:40]
        cv2.putText(row, label, (col + 4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return row


def _judged_tile(item: Judged) -> NDArray[np.uint8]:
    drawn = item.image.copy()
    kinds = (
        (item.predicted & item.true, _HIT),
        (~item.predicted & item.true, _MISS),
        (item.predicted & ~item.true, _FALSE),
        (item.predicted & item.true & item.mistaken, _MISTAKEN),
    )
    for pixels, colour in kinds:
        drawn[pixels] = colour
    factor = (_TILE_PX - 4) / max(drawn.shape[:2])
    size = (max(1, round(drawn.shape[1] * factor)), max(1, round(drawn.shape[0] * factor)))
    return cv2.resize(drawn, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
