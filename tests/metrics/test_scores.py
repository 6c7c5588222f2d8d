"""Test scores from summed counts against the counts' own ratios and brute force."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import pytest

from crackseg.metrics.boundary import count_boundary
from crackseg.metrics.centreline import CentrelineCounts
from crackseg.metrics.components import ComponentCounts
from crackseg.metrics.counts import Counts
from crackseg.metrics.curve import Floats
from crackseg.metrics.scores import LINES, ORACLE, PLAIN, SHAPES, SIZES, TOLERANCES_PX, Score, by_key
from crackseg.metrics.sweep import STEPS, ThresholdSweep
from crackseg.metrics.tolerance import ToleranceCounts
from tests.metrics.shapes import Mask, scribbles, shaken

EMPTY = np.zeros((90, 120), np.bool_)


def score(scores: tuple[Score, ...], key: str, sums: Mapping[str, object]) -> float:
    """Compute one score of a data set."""
    (chosen,) = by_key(scores, key)
    return float(chosen.formula({name: np.asarray(value, np.float64) for name, value in sums.items()}))


def pixel_sums(pairs: list[tuple[Mask, Mask]]) -> dict[str, object]:
    """Sum exact and tolerant pixel counts over pairs of masks."""
    counts = sum((Counts.of(*pair) for pair in pairs), Counts())
    near = [[ToleranceCounts.of(*pair, tolerance_px=px) for pair in pairs] for px in TOLERANCES_PX]
    return {
        **dataclasses.asdict(counts),
        "called_near": [sum(item.predicted_near for item in row) for row in near],
        "crack_near": [sum(item.true_near for item in row) for row in near],
    }


PAIRS = [(shaken(scribbles(seed), seed), scribbles(seed)) for seed in range(4)]


@pytest.mark.parametrize("key", ["precision", "recall", "f1", "iou", "false_alarm"])
def test_pixel_scores_are_the_ratios_of_summed_counts(key: str) -> None:
    counts = sum((Counts.of(*pair) for pair in PAIRS), Counts())
    assert score(PLAIN, key, pixel_sums(PAIRS)) == pytest.approx(getattr(counts, key))


@pytest.mark.parametrize("px", [2, 5])
@pytest.mark.parametrize("key", ["precision", "recall", "f1"])
def test_tolerant_scores_are_the_ratios_of_summed_counts(key: str, px: int) -> None:
    counts = sum((ToleranceCounts.of(*pair, tolerance_px=px) for pair in PAIRS), ToleranceCounts())
    assert score(PLAIN, f"{key}_{px}px", pixel_sums(PAIRS)) == pytest.approx(getattr(counts, key))


@pytest.mark.parametrize(
    ("predicted", "true", "expected"),
    [
        pytest.param(EMPTY, EMPTY, math.nan, id="both empty"),
        pytest.param(EMPTY, scribbles(1), 0.0, id="nothing predicted"),
        pytest.param(scribbles(1), EMPTY, 0.0, id="no crack"),
    ],
)
def test_empty_masks_score_as_the_counts_do(predicted: Mask, true: Mask, expected: float) -> None:
    sums = pixel_sums([(predicted, true)])
    values = [score(PLAIN, key, sums) for key in ("f1", "f1_0px", "f1_2px")]
    assert values == pytest.approx([expected] * 3, nan_ok=True)
    assert ToleranceCounts.of(predicted, true, tolerance_px=2).f1 == pytest.approx(expected, nan_ok=True)


def test_shape_scores_are_the_ratios_of_summed_counts() -> None:
    outline = sum((count_boundary(*pair, tolerance_px=2) for pair in PAIRS), ToleranceCounts())
    components = sum((ComponentCounts.of(*pair, tolerance_px=2) for pair in PAIRS), ComponentCounts())
    sums: dict[str, object] = {
        "called_boundary": outline.predicted,
        "called_boundary_near": outline.predicted_near,
        "crack_boundary": outline.true,
        "crack_boundary_near": outline.true_near,
        **dataclasses.asdict(components),
    }
    assert score(SHAPES, "boundary_f1", sums) == pytest.approx(outline.f1)
    assert score(SHAPES, "detection_rate", sums) == pytest.approx(components.detection_rate)
    assert score(SHAPES, "false_per_mpx", sums) == pytest.approx(components.false_per_mpx)


def test_line_scores_are_the_ratios_of_summed_counts() -> None:
    counts = CentrelineCounts(10, 8, 9, 20, 12, 15)
    sums: dict[str, object] = dict(dataclasses.asdict(counts))
    assert score(LINES, "cldice", sums) == pytest.approx(counts.cldice)
    assert score(LINES, "cliou", sums) == pytest.approx(counts.cliou)
    assert score(LINES, "cldice_precision", sums) == 0.8
    assert score(LINES, "cldice_sensitivity", sums) == 0.6


def test_sizes_are_errors_over_the_true_length_and_over_the_images_with_a_width() -> None:
    sums = {
        "called_length_px": 90.0,
        "crack_length_px": 100.0,
        "length_error_px": 30.0,
        "width_images": 4,
        "width_error_px": 2.0,
        "width_bias_px": -1.0,
    }
    values = {item.key: score(SIZES, item.key, sums) for item in SIZES}
    assert values == pytest.approx(
        {"length_error": 0.3, "length_bias": -0.1, "width_error_px": 0.5, "width_bias_px": -0.25}
    )


def oracle_sums(images: list[tuple[Floats, Mask]]) -> dict[str, object]:
    sweeps = [ThresholdSweep.of(probability.astype(np.float32), true) for probability, true in images]
    return {
        "images": len(images),
        "swept_hits": np.sum([sweep.hits for sweep in sweeps], axis=0),
        "swept_called": np.sum([sweep.called for sweep in sweeps], axis=0),
        "swept_crack": sum(sweep.crack for sweep in sweeps),
        "swept_f1": np.sum([sweep.f1() for sweep in sweeps], axis=0),
        "swept_f1_best": [sum(sweep.f1().max() for sweep in sweeps)],
        "swept_mean_iou": np.sum([sweep.mean_iou() for sweep in sweeps], axis=0),
    }


def test_oracle_scores_are_those_of_a_loop_over_thresholds() -> None:
    rng = np.random.default_rng(5)
    images = [
        (np.rint(np.clip(0.6 * true + rng.normal(0.2, 0.2, true.shape), 0, 1) * 255) / 255, true)
        for true in (scribbles(1), scribbles(2))
    ]
    f1 = np.zeros((2, STEPS))
    pooled = [Counts() for _ in range(STEPS)]
    for step in range(STEPS):
        for number, (probability, true) in enumerate(images):
            counts = Counts.of(probability > step / STEPS, true)
            f1[number, step] = counts.f1
            pooled[step] += counts
    best = max(range(STEPS), key=lambda step: pooled[step].f1)
    sums = oracle_sums(images)
    assert score(ORACLE, "ods", sums) == pytest.approx(f1.mean(axis=0).max())
    assert score(ORACLE, "ois", sums) == pytest.approx(f1.max(axis=1).mean())
    assert score(ORACLE, "f1", sums) == pytest.approx(pooled[best].f1)
    assert score(ORACLE, "iou", sums) == pytest.approx(pooled[best].iou)
    assert score(ORACLE, "threshold", sums) == best / STEPS


def test_without_a_crack_the_oracle_has_no_threshold() -> None:
    sums = oracle_sums([(np.full((5, 6), 0.3), np.zeros((5, 6), np.bool_))])
    assert math.isnan(score(ORACLE, "threshold", sums))
    assert score(ORACLE, "ods", sums) == 0


def test_scores_of_bootstrap_samples_are_those_of_each_sample() -> None:
    sums = {name: np.asarray(value, np.float64) for name, value in pixel_sums(PAIRS).items()}
    samples = {name: np.stack([value, 2 * value]) for name, value in sums.items()}
    for item in by_key(PLAIN, "f1", "precision_2px", "f1_5px", "false_alarm"):
        assert item.formula(samples).tolist() == pytest.approx([float(item.formula(sums))] * 2)
