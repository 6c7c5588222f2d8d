"""Write the curves of a training for TensorBoard (extra ``[tensorboard]``)."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

from crackseg.machine import require_extra
from crackseg.training.loop import TrainingCallback, TrainingProgress
from crackseg.training.plots import class_keys

FOLDER = "tensorboard"


@contextlib.contextmanager
def tensorboard_progress(output: Path) -> Iterator[TrainingCallback]:
    """Write the progress of a training to ``output/tensorboard`` during the block.

    Every step writes ``loss/step``. Every epoch writes ``loss/epoch``, ``learning_rate`` and, below ``validation/``,
    ``f1``, ``precision``, ``recall``, ``iou`` and ``threshold``; with several classes also ``f1_class1`` and so on.
    ``tensorboard --logdir output`` shows them.

    Args:
        output: Run folder.

    Yields:
        The progress callback that writes.

    Raises:
        MissingExtraError: If TensorBoard is not installed.
    """
    require_extra("tensorboard")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(output / FOLDER))

    def write(progress: TrainingProgress) -> None:
        if progress.note:
            writer.add_text("notes", progress.note, progress.step)
        elif progress.row is None:
            writer.add_scalar("loss/step", progress.loss, progress.step)
        else:
            writer.add_scalar("loss/epoch", progress.row["loss"], progress.step)
            writer.add_scalar("learning_rate", progress.row["learning_rate"], progress.step)
            for key in ("f1", "precision", "recall", "iou", "threshold", *class_keys(progress.row)):
                writer.add_scalar(f"validation/{key}", progress.row[key], progress.step)

    try:
        yield write
    finally:
        writer.close()
