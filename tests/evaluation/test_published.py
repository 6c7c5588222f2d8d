"""Protocols resize512 and centreline on a data set against the published evaluations, step by step."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.morphology import disk, thin

from crackseg.datasets.samples import Sample
from crackseg.evaluation import Evaluation
from crackseg.evaluation.counting import PredictedSample, count_image
from crackseg.metrics.protocols import CENTRELINE, RESIZE512
from tests.evaluation.scenes import Mask, draw_image, scribbled

Answer = tuple[NDArray[np.float32], Mask]


def answers(seed: int) -> list[Answer]:
    """Noisy probabilities and true masks, some of them empty."""
    rng = np.random.default_rng(seed)
    predictions = []
    for number in range(6):
        true = np.zeros((40, 50), np.bool_)
        if number != 4:
            true[5 + number : 8 + number] = True
        probability = rng.normal(0.3 + 0.3 * true, 0.12 + 0.03 * number).clip(0, 1)
        predictions.append(((probability if number != 5 else 0 * probability).astype(np.float32), true))
    return predictions


def published(images: list[Answer]) -> dict[str, float]:
    """Scores by the rules of the evaluation of SCSegamba."""
    f1, iou, pooled = np.zeros((100, len(images))), np.zeros((100, len(images))), np.zeros((100, 3))
    for step in range(100):
        for number, (probability, true) in enumerate(images):
            called = np.rint(probability * 255) / 255 > step / 100
            hit, false, missed = (called & true).sum(), (called & ~true).sum(), (~called & true).sum()
            calm = true.size - hit - false - missed
            precision = hit / (hit + false) if hit + false else 1.0
            recall = hit / (hit + missed) if hit + missed else 0.0
            f1[step, number] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
            if hit + false + missed:
                iou[step, number] = (hit / (hit + false + missed) + calm / (calm + false + missed)) / 2
            pooled[step] += hit, false, missed
    pooled_f1 = 2 * pooled[:, 0] / (2 * pooled[:, 0] + pooled[:, 1] + pooled[:, 2])
    step = int(pooled_f1.argmax())
    means = {"ods": f1.mean(axis=1).max(), "ois": f1.max(axis=0).mean(), "miou": iou.mean(axis=1).max()}
    best = {"f1": pooled_f1[step], "iou": pooled[step, 0] / pooled[step].sum(), "threshold": step / 100}
    return {key: float(value) for key, value in (means | best).items()}


@pytest.mark.parametrize("seed", range(3))
def test_ods_ois_miou_and_f1_are_those_of_the_published_evaluation(seed: int) -> None:
    images, rows = answers(seed), []
    for number, (probability, true) in enumerate(images):
        prediction = PredictedSample(draw_image(true), true, probability, true, (probability, true))
        rows.append((_sample(number), count_image(prediction, RESIZE512.parts)))
    scores = Evaluation.of(rows, ()).scores(RESIZE512.scores)
    expected = published(images)
    assert {key: scores[key] for key in expected} == pytest.approx(expected, abs=1e-6)


def published_cliou(pairs: list[tuple[Mask, Mask]]) -> float:
    """Compute clIoU by the rules of the evaluation of OmniCrack30k."""
    both = either = 0
    disc = disk(4).astype(np.uint8)  # type: ignore[no-untyped-call]
    for predicted, true in pairs:
        one, other = (thin(mask).astype(np.uint8) for mask in (true, predicted))  # type: ignore[no-untyped-call]
        hit = one * cv2.dilate(other, disc)
        false = other - other * cv2.dilate(one, disc)
        called, crack = hit + false > 0, one > 0
        both += int((called & crack).sum())
        either += int((called | crack).sum())
    return both / either


@pytest.mark.parametrize("first", [0, 20, 40])
def test_cliou_is_that_of_the_published_evaluation_of_masks(first: int) -> None:
    pairs, rows = scribbled(20, first), []
    for number, (predicted, true) in enumerate(pairs):
        sample = PredictedSample(draw_image(predicted), true, predicted.astype(np.float32), predicted)
        rows.append((_sample(number), count_image(sample, CENTRELINE.parts)))
    cliou = Evaluation.of(rows, ()).scores(CENTRELINE.scores)["cliou"]
    assert cliou == pytest.approx(published_cliou(pairs), abs=1e-6)


def _sample(number: int) -> Sample:
    return Sample(Path(f"{number}.png"), Path(f"{number}_mask.png"), "set")
