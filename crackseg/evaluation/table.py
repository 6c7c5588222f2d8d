"""Hold the counts of a data set by image and compute scores from their sums."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.samples import Sample
from crackseg.errors import CracksegError
from crackseg.evaluation.counting import ImageCounts
from crackseg.metrics.bootstrap import interval, resample
from crackseg.metrics.curve import Floats
from crackseg.metrics.protocols import NATIVE
from crackseg.metrics.scores import PLAIN, Score, by_key

HEADLINE = by_key(PLAIN, "f1", "precision", "recall", "iou", "f1_2px", "precision_2px", "recall_2px", "false_alarm")
"""Scores that every report holds."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Score with its interval.

    Attributes:
        value: The score; None where it is undefined.
        interval: Bounds of the 95 % bootstrap interval over images; None where the images allow none.

    Example:
        >>> Estimate(0.5, (0.25, 0.75)).to_dict()
        {'value': 0.5, 'low': 0.25, 'high': 0.75}
    """

    value: float | None
    interval: tuple[float, float] | None

    def to_dict(self) -> dict[str, float | None]:
        """Return value and interval, ready for JSON."""
        low, high = self.interval or (None, None)
        return {"value": self.value, "low": low, "high": high}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evaluation:
    """Counts by image. Evaluations add up with ``+``.

    Example:
        >>> from pathlib import Path
        >>> counts = {"true_positive": 30, "false_positive": 10, "false_negative": 30, "true_negative": 30}
        >>> samples = [Sample(Path(f"{name}.png"), Path(f"{name}_mask.png"), "walls") for name in ("one", "two")]
        >>> evaluation = Evaluation.of([(sample, counts) for sample in samples], failed=())
        >>> evaluation.scores(by_key(PLAIN, "precision", "recall"))
        {'precision': 0.75, 'recall': 0.5}

    Attributes:
        samples: N samples, in the order of the rows.
        columns: ``(N, ...)`` counts by name, a row for each sample.
        failed: Samples that could not be read, each with its error.
    """

    samples: tuple[Sample, ...] = ()
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    failed: tuple[tuple[Sample, CracksegError], ...] = ()

    def __repr__(self) -> str:
        f1 = self.scores()["f1"]
        count = f"{self.images} image{'' if self.images == 1 else 's'}"
        return f"Evaluation({count}, {'F1 undefined' if f1 is None else f'F1 {f1:.3f}'})"

    @classmethod
    def of(
        cls, rows: Sequence[tuple[Sample, ImageCounts]], failed: Iterable[tuple[Sample, CracksegError]]
    ) -> Evaluation:
        """Stack the counts of images."""
        names = rows[0][1] if rows else ()
        columns = {name: np.stack([np.asarray(row[name]) for _, row in rows]) for name in names}
        return cls(tuple(sample for sample, _ in rows), columns, tuple(failed))

    def __add__(self, other: Evaluation) -> Evaluation:
        filled = [each for each in (self, other) if each.samples]
        names = filled[0].columns if filled else ()
        return Evaluation(
            self.samples + other.samples,
            {name: np.concatenate([each.columns[name] for each in filled]) for name in names},
            self.failed + other.failed,
        )

    def restrict(self, samples: Collection[Sample]) -> Evaluation:
        """Return the counts of some of the samples."""
        kept = np.array([index for index, sample in enumerate(self.samples) if sample in samples], dtype=np.intp)
        columns = {name: column[kept] for name, column in self.columns.items()}
        return Evaluation(tuple(self.samples[index] for index in kept), columns, self.failed)

    @property
    def images(self) -> int:
        """Number of counted images."""
        return len(self.samples)

    def sums(self) -> dict[str, Floats]:
        """Return the counts summed over the images, ``(...)`` float64, by name."""
        return {name: column.sum(axis=0, dtype=np.float64) for name, column in self.columns.items()}

    def scores(self, scores: Sequence[Score] = HEADLINE) -> dict[str, float | None]:
        """Return scores by key.

        An undefined score is None, for example F1 where there is no crack and none is predicted.
        """
        sums = self.sums()
        return {score.key: _value(score, sums) if self.samples else None for score in scores}

    def resampled_sums(self) -> dict[str, Floats] | None:
        """Return the sums of a thousand bootstrap draws of the images.

        Returns:
            ``(1000, ...)`` float64 sums by name; None for fewer than two images.
        """
        return resample(self.columns) if self.images > 1 else None

    def estimates(
        self, scores: Sequence[Score] = NATIVE.scores, resampled: Mapping[str, Floats] | None = None
    ) -> dict[str, Estimate]:
        """Return scores by key, with their intervals.

        Args:
            scores: Scores to compute.
            resampled: ``(1000, ...)`` float64 sums from `resampled_sums`, to share them between calls.
        """
        values = self.scores(scores)
        sums = resampled or self.resampled_sums()
        return {
            score.key: Estimate(values[score.key], None if sums is None else interval(score.formula(sums)))
            for score in scores
        }

    def by_image(self, score: Score) -> Floats:
        """Return a score of each image, ``(N,)`` float64; NaN if undefined."""
        return score.formula({name: column.astype(np.float64) for name, column in self.columns.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return the headline scores, counts and failures, ready for JSON."""
        sums = self.sums()
        hit = int(sums["true_positive"]) if self.samples else 0
        return {
            "images": self.images,
            **self.scores(),
            "crack_px": hit + int(sums["false_negative"]) if self.samples else 0,
            "called_px": hit + int(sums["false_positive"]) if self.samples else 0,
            "failed": [str(error) for _, error in self.failed],
        }


def _value(score: Score, sums: Mapping[str, Floats]) -> float | None:
    value = float(score.formula(sums))
    return None if math.isnan(value) else value
