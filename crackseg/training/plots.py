"""Draw curves.png and samples.png, the figures of a run."""

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

# RGB of a hit, a miss, a false alarm and a defect predicted as another class, in samples.png.
_HIT, _MISS, _FALSE, _WRONG_CLASS = (60, 200, 80), (255, 170, 0), (255, 32, 96), (70, 110, 255)
_CELL_PX = 288


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A validation image with its true and predicted masks.

    Attributes:
        name: File name of the image.
        image: ``(H, W, 3)`` uint8 RGB pixels.
        true: ``(H, W)`` bool true mask.
        predicted: ``(H, W)`` bool predicted mask.
        wrong_class: ``(H, W)`` bool, defect pixels whose likeliest defect class is not the true one.
    """

    name: str
    image: NDArray[np.uint8]
    true: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    wrong_class: NDArray[np.bool_]

    @property
    def f1(self) -> float:
        """F1 of this image; 1 without true and predicted cracks."""
        value = Counts.of(self.predicted, self.true).f1
        return 1.0 if math.isnan(value) else value


def draw_curves(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw loss, validation F1 and learning rate over the steps.

    Args:
        history: One row per epoch: ``step``, ``loss``, ``f1``, ``precision``, ``recall``, ``learning_rate``, and
            ``f1_class1`` and so on where there are several classes.
        path: PNG file to write.

    Raises:
        OutputError: If the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6))
    FigureCanvasAgg(figure)
    # A constrained layout draws everything twice.
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
    """Return the keys of per-class F1 in a row."""
    return tuple(key for key in row if key.startswith("f1_class"))


def draw_samples(examples: Sequence[Example], path: Path, *, columns: int = 4) -> None:
    """Draw validation images with the worst, median and best F1.

    Hits are green, misses orange and false alarms red. A defect predicted as another class is blue.

    Args:
        examples: Validation images, among them those to draw.
        path: PNG file to write.
        columns: Images per row.

    Raises:
        OutputError: If the file cannot be written.
    """
    ranked = sorted(examples, key=lambda item: (item.f1, item.name))
    middle = max(0, (len(ranked) - columns) // 2)
    rows = (("worst", ranked[:columns]), ("median", ranked[middle : middle + columns]), ("best", ranked[-columns:]))
    sheet = np.vstack([_row(title, items, columns) for title, items in rows])
    write_png(path, sheet)


def _row(title: str, items: Sequence[Example], columns: int) -> NDArray[np.uint8]:
    row = np.full((_CELL_PX + 24, columns * _CELL_PX, 3), 255, dtype=np.uint8)
    for index, item in enumerate(items):
        cell = _draw_example(item)
        col = index * _CELL_PX
        row[24 : 24 + cell.shape[0], col : col + cell.shape[1]] = cell
        name = item.name.encode("ascii", "replace").decode()
        label = f"{title}  F1 {item.f1:.2f}  {name}"[:40]
        cv2.putText(row, label, (col + 4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return row


def _draw_example(item: Example) -> NDArray[np.uint8]:
    drawn = item.image.copy()
    kinds = (
        (item.predicted & item.true, _HIT),
        (~item.predicted & item.true, _MISS),
        (item.predicted & ~item.true, _FALSE),
        (item.predicted & item.true & item.wrong_class, _WRONG_CLASS),
    )
    for pixels, colour in kinds:
        drawn[pixels] = colour
    factor = (_CELL_PX - 4) / max(drawn.shape[:2])
    size = (max(1, round(drawn.shape[1] * factor)), max(1, round(drawn.shape[0] * factor)))
    return cv2.resize(drawn, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
