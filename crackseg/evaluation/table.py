"""Counts of the images of a data set, row by row, and the scores that follow from their sums."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
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
"""The scores that are told even when nothing was asked for."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score and how sure it is.

    Attributes:
        value: The score; None where it is undefined.
        interval: From where to where it would be on other images like these, at a confidence of 95 %; None where the
            images are too few to say.
    """

    value: float | None
    interval: tuple[float, float] | None

    def to_dict(self) -> dict[str, float | None]:
        """Return value and interval, ready for JSON."""
        low, high = self.interval or (None, None)
        return {"value": self.value, "low": low, "high": high}


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Counts by image. Evaluations add up with ``+``.

    Attributes:
        samples: The images counted.
        columns: Counts by name, ``(n, ...)``, a row for each of them.
        failed: Samples that could not be read, with the reason.
    """

    samples: tuple[Sample, ...] = ()
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    failed: tuple[tuple[Sample, CracksegError], ...] = ()

    @classmethod
    def of(
        cls, rows: Sequence[tuple[Sample, ImageCounts]], failed: Iterable[tuple[Sample, CracksegError]]
    ) -> Evaluation:
        """Put the tallies of images together."""
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

    @property
    def images(self) -> int:
        """Images counted."""
        return len(self.samples)

    def sums(self) -> dict[str, Floats]:
        """Return the counts summed over the images, by name."""
        return {name: column.sum(axis=0, dtype=np.float64) for name, column in self.columns.items()}

    def scores(self, scores: Sequence[Score] = HEADLINE) -> dict[str, float | None]:
        """Return scores by key; None where one is undefined, as F1 is where no crack is and none is called."""
        sums = self.sums()
        return {score.key: _value(score, sums) if self.samples else None for score in scores}

    def resampled_sums(self) -> dict[str, Floats] | None:
        """Return the sums of a thousand draws of the images; None where a single image allows none."""
        return resample(self.columns) if self.images > 1 else None

    def estimates(
        self, scores: Sequence[Score] = NATIVE.scores, drawn: Mapping[str, Floats] | None = None
    ) -> dict[str, Estimate]:
        """Return scores by key, with their intervals.

        Args:
            scores: Which.
            drawn: What `drawn` returned, for whoever asks more than once.
        """
        values = self.scores(scores)
        sums = drawn or self.resampled_sums()
        return {
            score.key: Estimate(values[score.key], None if sums is None else interval(score.formula(sums)))
            for score in scores
        }

    def by_image(self, score: Score) -> Floats:
        """Return a score of each image alone, ``(n,)``; NaN where it is undefined."""
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
