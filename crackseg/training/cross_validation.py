"""Train and validate once per fold, to show how much scores depend on the held-out part."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crackseg.datasets.samples import Sample
from crackseg.datasets.separation import Clusters, rank_sample
from crackseg.errors import UsageError, display_text
from crackseg.files import make_folder, write_bytes
from crackseg.training.config import TrainConfig
from crackseg.training.loop import TrainingCallback, TrainingProgress, ignore_progress
from crackseg.training.run import TrainingData, train

SUMMARY_FILE = "folds.json"
_SCORES = ("f1", "precision", "recall", "iou")


@dataclass(frozen=True, slots=True, repr=False)
class FoldsResult:
    """Result of the trainings of all folds, finished or stopped.

    Attributes:
        output: Folder of all folds.
        finished: False if the training was stopped and can be resumed.
        scores: Validation scores of each finished fold: ``f1``, ``precision``, ``recall`` and ``iou``.

    Example:
        >>> scores = tuple({"f1": f1, "precision": f1, "recall": f1, "iou": f1} for f1 in (0.7, 0.8))
        >>> result = FoldsResult(Path("folds"), finished=True, scores=scores)
        >>> result
        FoldsResult('folds', 2 folds, F1 0.750 +- 0.071)
    """

    output: Path
    finished: bool
    scores: tuple[dict[str, float], ...]

    def __repr__(self) -> str:
        folds = "1 fold" if len(self.scores) == 1 else f"{len(self.scores)} folds"
        score = f", F1 {self.mean('f1'):.3f} +- {self.deviation('f1'):.3f}" if self.scores else ""
        return f"FoldsResult('{display_text(self.output)}', {folds}{score}{'' if self.finished else ', stopped'})"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        means = {key: self.mean(key) if self.scores else None for key in _SCORES}
        deviations = {f"{key}_deviation": self.deviation(key) for key in _SCORES}
        return {
            "output": display_text(self.output),
            "finished": self.finished,
            "folds": self.rows(),
            **means,
            **deviations,
        }

    def rows(self) -> list[dict[str, float]]:
        """Return one flat row per fold, for a data frame."""
        return [{"fold": number, **scores} for number, scores in enumerate(self.scores, start=1)]

    def mean(self, key: str) -> float:
        """Return the mean of a score over the folds; NaN without folds."""
        values = [scores[key] for scores in self.scores]
        return sum(values) / len(values) if values else math.nan

    def deviation(self, key: str) -> float:
        """Return the sample standard deviation of a score; 0 for one fold."""
        if len(self.scores) < 2:
            return 0.0
        mean = self.mean(key)
        return math.sqrt(sum((scores[key] - mean) ** 2 for scores in self.scores) / (len(self.scores) - 1))


def split_folds(samples: Sequence[Sample], count: int, clusters: Clusters | None = None) -> tuple[TrainingData, ...]:
    """Split samples into folds that each hold out other samples.

    The samples of each data set are distributed evenly, in the order of a hash of their file stems.

    Args:
        samples: Samples, at least one per fold.
        count: Number of folds, at least two.
        clusters: Clusters of samples that share a fold; None if every sample may go to any fold.

    Raises:
        UsageError: If there are too few folds, samples or clusters.
    """
    if count < 2 or count > len(samples):
        raise UsageError(
            f"expected 2 to {len(samples)} folds for {len(samples)} images, got {count}",
            where="--folds",
            hint="choose another number or add images",
        )
    number_of = {sample: number for number, sample in enumerate(samples)} if clusters is None else clusters.of
    members: dict[int, list[Sample]] = {}
    for group in dict.fromkeys(sample.group for sample in samples):
        for sample in sorted((sample for sample in samples if sample.group == group), key=rank_sample):
            members.setdefault(number_of[sample], []).append(sample)
    if len(members) < count:
        raise UsageError(
            f"expected at most {len(members)} folds, the number of photos without their copies and tiles; got {count}",
            where="--folds",
            hint="choose fewer folds or add images of other places",
        )
    fold_of: dict[Sample, int] = {}
    sizes = [0] * count
    for cluster in members.values():
        fold = sizes.index(min(sizes))
        sizes[fold] += len(cluster)
        fold_of |= dict.fromkeys(cluster, fold)
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
    """Train once per fold and write the scores to ``folds.json``.

    Fold K goes to the run folder ``output/foldK``, counted from 1.

    Args:
        config: Configuration of the training; minutes and epochs are those of one fold.
        folds: Folds from `split_folds`.
        output: Folder of all folds.
        resume: Continue an earlier call; finished folds are not trained again.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        progress: Called after every step and every epoch, with the finished share of all folds.

    Raises:
        CracksegError: Any error of `train`.
    """
    notify = progress or ignore_progress
    scores: list[dict[str, float]] = []
    for number, data in enumerate(folds):

        def shift(current: TrainingProgress, number: int = number) -> None:
            notify(dataclasses.replace(current, done=(number + current.done) / len(folds)))

        fold = train(config, data, output / f"fold{number + 1}", resume=resume, device=device, progress=shift)
        if not fold.finished:
            return FoldsResult(output, finished=False, scores=tuple(scores))
        scores.append({key: float(fold.card.scores["validation"]["all"][key]) for key in _SCORES})
    result = FoldsResult(output, finished=True, scores=tuple(scores))
    summary = {
        "folds": scores,
        "mean": {key: round(result.mean(key), 4) for key in _SCORES},
        "deviation": {key: round(result.deviation(key), 4) for key in _SCORES},
    }
    write_bytes(make_folder(output) / SUMMARY_FILE, (json.dumps(summary, indent=2) + "\n").encode())
    return result
