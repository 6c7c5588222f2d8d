"""Several trainings, each validated on another part of the samples: how far a score depends on the division."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crackseg.datasets.samples import Sample
from crackseg.errors import UsageError
from crackseg.files import make_folder, write_bytes
from crackseg.training.config import TrainConfig
from crackseg.training.loop import TrainingCallback, TrainingProgress, ignore_progress
from crackseg.training.run import TrainingData, train

SUMMARY_FILE = "folds.json"
_SCORES = ("f1", "precision", "recall", "iou")


@dataclass(frozen=True, slots=True)
class FoldsResult:
    """How the trainings of all folds ended.

    Attributes:
        finished: False if they were stopped; then they can be resumed.
        scores: The validation scores of each fold that has ended.
    """

    finished: bool
    scores: tuple[dict[str, float], ...]

    def mean(self, key: str) -> float:
        """Return the mean of a score over the folds; NaN of none."""
        values = [scores[key] for scores in self.scores]
        return sum(values) / len(values) if values else math.nan

    def deviation(self, key: str) -> float:
        """Return the standard deviation of a score over the folds, n - 1 in its denominator; 0 of one."""
        if len(self.scores) < 2:
            return 0.0
        mean = self.mean(key)
        return math.sqrt(sum((scores[key] - mean) ** 2 for scores in self.scores) / (len(self.scores) - 1))


def split_folds(samples: Sequence[Sample], count: int) -> tuple[TrainingData, ...]:
    """Divide samples into folds: each sample is validated on in one of them, and trained on in the others.

    Each group is dealt out evenly, in the order of a hash of the files' stems.

    Args:
        samples: As many as folds at least.
        count: How many folds, two at least.

    Raises:
        UsageError: If there are too few folds or samples.
    """
    if count < 2 or count > len(samples):
        raise UsageError(
            f"expected 2 to {len(samples)} folds, as there are {len(samples)} images, got {count}", where="--folds"
        )
    fold_of: dict[Sample, int] = {}
    for group in dict.fromkeys(sample.group for sample in samples):
        members = [sample for sample in samples if sample.group == group]
        for member in sorted(members, key=_rank):
            fold_of[member] = len(fold_of) % count
    return tuple(
        TrainingData(
            train=tuple(sample for sample in samples if fold_of[sample] != fold),
            validation=tuple(sample for sample in samples if fold_of[sample] == fold),
        )
        for fold in range(count)
    )


def train_folds(
    config: TrainConfig,
    folds: Sequence[TrainingData],
    output: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    progress: TrainingCallback | None = None,
) -> FoldsResult:
    """Train once for each fold, into ``output/fold1``, ``output/fold2``, ..., and write ``folds.json``.

    Args:
        config: How; minutes and epochs are those of one fold.
        folds: The folds, by `split_folds`.
        output: The folder for all of them.
        resume: Go on where an earlier call stopped; finished folds are not trained again.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        progress: Called after every step and every epoch, with the finished share of all folds.

    Raises:
        CracksegError: What `train` raises.
    """
    notify = progress or ignore_progress
    scores: list[dict[str, float]] = []
    for number, data in enumerate(folds):

        def shift(current: TrainingProgress, number: int = number) -> None:
            notify(dataclasses.replace(current, done=(number + current.done) / len(folds)))

        result = train(config, data, output / f"fold{number + 1}", resume=resume, device=device, progress=shift)
        if not result.finished:
            return FoldsResult(finished=False, scores=tuple(scores))
        scores.append({key: float(result.card.scores["validation"]["all"][key]) for key in _SCORES})
    found = FoldsResult(finished=True, scores=tuple(scores))
    summary = {
        "folds": scores,
        "mean": {key: round(found.mean(key), 4) for key in _SCORES},
        "deviation": {key: round(found.deviation(key), 4) for key in _SCORES},
    }
    write_bytes(make_folder(output) / SUMMARY_FILE, (json.dumps(summary, indent=2) + "\n").encode())
    return found


def _rank(sample: Sample) -> bytes:
    return hashlib.sha256(sample.image.stem.encode("utf-8", "replace")).digest()
