"""All scores against a second implementation of the definitions in docs/evaluation.md.

It compares each pixel with each other pixel. It shares only the thinning of masks to lines with the package.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage import morphology

from crackseg.datasets.samples import Sample
from crackseg.evaluation import Evaluation
from crackseg.evaluation.counting import PredictedSample, count_image
from crackseg.metrics.protocols import CENTRELINE, CLASSIC, NATIVE
from tests.evaluation.scenes import Mask, draw_image

Pair = tuple[Mask, Mask]
NOT_HERE = {"ap", "length_error", "length_bias", "width_error_px", "width_bias_px"}
KINDS = ("walk", "walk", "walk", "no crack", "no call", "nothing", "full", "dot", "border", "one pixel")


def pair_of(kind: str, seed: int) -> Pair:
    """A predicted and a true mask of a few hundred pixels."""
    rng = np.random.default_rng(seed)
    shape = (1, 1) if kind == "one pixel" else tuple(rng.integers(6, 24, 2).tolist())
    true = np.zeros(shape, np.bool_)
    row, col = (int(rng.integers(side)) for side in shape)
    for step in rng.integers(-1, 2, (60, 2)):
        row, col = (int(np.clip(at + by, 0, side - 1)) for at, by, side in zip((row, col), step, shape, strict=True))
        true[row, col] = True
    if kind == "border":
        true[:] = False
        true[0], true[:, -1] = True, True
    if kind == "dot":
        true[:] = False
        true[row, col] = True
    predicted = np.roll(true, tuple(rng.integers(-2, 3, 2)), (0, 1)) & (rng.random(shape) < 0.8)
    predicted |= rng.random(shape) < 0.03
    if kind == "full":
        predicted[:], true[:] = True, True
    if kind in ("no crack", "nothing"):
        true = np.zeros(shape, np.bool_)
    if kind in ("no call", "nothing"):
        predicted = np.zeros(shape, np.bool_)
    return predicted, true


def near(mask: Mask, other: Mask, distance_px: float) -> Mask:
    """The pixels of a mask within a distance of the other."""
    matched, here, there = np.zeros_like(mask), np.argwhere(mask), np.argwhere(other)
    if len(here) and len(there):
        matched[mask] = cdist(here, there).min(axis=1) <= distance_px + 1e-9
    return matched


def share(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan


def harmonic(precision: float, recall: float) -> float:
    if math.isnan(precision) and math.isnan(recall):
        return math.nan
    return 2 * precision * recall / (precision + recall) if precision > 0 and recall > 0 else 0.0


def outline(mask: Mask) -> Mask:
    """The mask pixels with a direct neighbour outside the mask."""
    padded = np.pad(mask, 1, constant_values=True)
    neighbours = [padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1]]
    return np.asarray(mask & ~np.logical_and.reduce(neighbours))


def pieces(mask: Mask, other: Mask) -> NDArray[np.bool_]:
    """True for each component of which half lies near the other mask."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    matched = near(mask, other, 2)
    return np.array([matched[labels == label].mean() >= 0.5 for label in range(1, count + 1)], np.bool_)


def total(pairs: list[Pair], distance_px: float) -> tuple[float, float]:
    """Pooled shares of the first masks near the second, and back."""
    forth = sum(int(near(one, other, distance_px).sum()) for one, other in pairs)
    back = sum(int(near(other, one, distance_px).sum()) for one, other in pairs)
    return share(forth, sum(int(one.sum()) for one, _ in pairs)), share(back, sum(int(two.sum()) for _, two in pairs))


def expected_scores(pairs: list[Pair]) -> dict[str, float]:
    hit = sum(int((one & two).sum()) for one, two in pairs)
    called, crack, area = (
        sum(int(value) for value in each) for each in zip(*((o.sum(), t.sum(), t.size) for o, t in pairs), strict=True)
    )
    clean = [(int(one.sum()), two.size) for one, two in pairs if not two.any()]
    by_image = [
        (2 * (one & two).sum() / (one.sum() + two.sum()), (one & two).sum() / (one | two).sum())
        for one, two in pairs
        if (one | two).any()
    ]
    detected = [value for one, two in pairs for value in pieces(two, one)]
    right = [value for one, two in pairs for value in pieces(one, two)]
    thin = [tuple(morphology.thin(mask) for mask in pair) for pair in pairs]  # type: ignore[no-untyped-call]
    lines, true_lines = (sum(int(each[place].sum()) for each in thin) for place in (0, 1))
    inside = sum(int((line & two).sum()) for (line, _), (_, two) in zip(thin, pairs, strict=True))
    covered = sum(int((line & one).sum()) for (_, line), (one, _) in zip(thin, pairs, strict=True))
    near_lines = sum(int(near(one, two, 4).sum()) for one, two in thin)
    scores = {
        "f1": share(2 * hit, called + crack),
        "iou": share(hit, called + crack - hit),
        "precision": share(hit, called),
        "recall": share(hit, crack),
        "f1_mean": share(sum(f1 for f1, _ in by_image), len(by_image)),
        "iou_mean": share(sum(iou for _, iou in by_image), len(by_image)),
        "boundary_f1": harmonic(*total([(outline(one), outline(two)) for one, two in pairs], 2)),
        "detection_rate": share(sum(detected), len(detected)),
        "false_per_mpx": 1e6 * (len(right) - sum(right)) / area,
        "false_alarm": share(called - hit, area - crack),
        "false_alarm_clean": share(sum(px for px, _ in clean), sum(size for _, size in clean)),
        "clean_images_alarmed": share(sum(px > 0 for px, _ in clean), len(clean)),
        "cldice_precision": share(inside, lines),
        "cldice_sensitivity": share(covered, true_lines),
        "cldice": harmonic(share(inside, lines), share(covered, true_lines)),
        "cliou": share(sum(int(near(two, one, 4).sum()) for one, two in thin), true_lines + lines - near_lines),
    }
    for px in range(6):
        precision, recall = total(pairs, px)
        scores[f"f1_{px}px"] = harmonic(precision, recall)
        if px in (2, 5):
            scores |= {f"precision_{px}px": precision, f"recall_{px}px": recall}
    return scores


def scored(pairs: list[Pair]) -> dict[str, float]:
    parts = {*NATIVE.parts, *CLASSIC.parts, *CENTRELINE.parts}
    rows = []
    for number, (predicted, true) in enumerate(pairs):
        prediction = PredictedSample(draw_image(predicted), true, predicted.astype(np.float32), predicted)
        rows.append((Sample(Path(f"{number}.png"), Path(f"{number}_mask.png"), "set"), count_image(prediction, parts)))
    evaluation = Evaluation.of(rows, ())
    values = {
        key: value for each in (NATIVE, CLASSIC, CENTRELINE) for key, value in evaluation.scores(each.scores).items()
    }
    return {key: math.nan if value is None else value for key, value in values.items() if key not in NOT_HERE}


@pytest.mark.parametrize("kind", KINDS[2:])
def test_the_scores_of_an_image_are_those_of_the_definitions(kind: str) -> None:
    pairs = [pair_of(kind, 7)]
    assert scored(pairs) == pytest.approx(expected_scores(pairs), nan_ok=True)


def test_the_scores_of_a_set_are_those_of_the_definitions() -> None:
    pairs = [pair_of(kind, seed) for seed, kind in enumerate(KINDS)]
    assert scored(pairs) == pytest.approx(expected_scores(pairs))
