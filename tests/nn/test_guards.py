"""Trainings that have collapsed end with their cause."""

from __future__ import annotations

import numpy as np
import pytest

from crackseg.errors import TrainingError
from crackseg.metrics.histogram import ProbabilityHistogram
from crackseg.nn.guards import PATCHES_WITHOUT_CRACK, CollapseGuard, crack_share


def _histogram(probability: float, *, crack: int, background: int, spread: float = 0.0) -> ProbabilityHistogram:
    rng = np.random.default_rng(0)
    values = np.clip(probability + spread * rng.standard_normal(crack + background), 0, 1).astype(np.float32)
    return ProbabilityHistogram.of(values[None], (np.arange(crack + background) < crack)[None])


def test_a_training_that_sees_no_crack_is_stopped() -> None:
    guard = CollapseGuard()
    for _ in range(PATCHES_WITHOUT_CRACK // 8 - 1):
        guard.check_batch(has_crack=False, patches=8)
    with pytest.raises(TrainingError, match=r"no crack pixel in the first 400 patches.*crackseg check"):
        guard.check_batch(has_crack=False, patches=8)


def test_one_patch_with_a_crack_is_enough() -> None:
    guard = CollapseGuard()
    guard.check_batch(has_crack=True, patches=8)
    for _ in range(PATCHES_WITHOUT_CRACK):
        guard.check_batch(has_crack=False, patches=8)


@pytest.mark.parametrize(
    ("probability", "crack", "message"),
    [
        pytest.param(0.03, 300, r"background .*learning_rate", id="all black"),
        pytest.param(0.97, 300, r"crack .*learning_rate", id="all white"),
        pytest.param(0.97, 9000, r"90 % .*swapped", id="masks inverted"),
        pytest.param(0.0, 2, r"0\.020 % .*crack_share", id="hardly any crack"),
    ],
)
def test_a_network_that_answers_the_same_everywhere_is_stopped(probability: float, crack: int, message: str) -> None:
    guard = CollapseGuard()
    histogram = _histogram(probability, crack=crack, background=10_000 - crack)
    guard.check_epoch(histogram, done=0.3)
    guard.check_epoch(histogram, done=0.4)
    with pytest.raises(TrainingError, match=message):
        guard.check_epoch(histogram, done=0.5)


def test_early_epochs_and_a_slow_start_are_let_pass() -> None:
    guard = CollapseGuard()
    for _ in range(5):
        guard.check_epoch(_histogram(0.03, crack=300, background=9700), done=0.1)


def test_a_network_that_tells_pixels_apart_goes_on() -> None:
    guard = CollapseGuard()
    for _ in range(5):
        guard.check_epoch(_histogram(0.2, crack=300, background=9700, spread=0.1), done=0.9)


def test_validation_images_without_crack_are_no_collapse() -> None:
    guard = CollapseGuard()
    for _ in range(5):
        guard.check_epoch(_histogram(0.0, crack=0, background=9700), done=0.9)


def test_the_share_of_crack_is_that_of_the_pixels() -> None:
    assert crack_share(_histogram(0.1, crack=25, background=75)) == 0.25
    assert np.isnan(crack_share(ProbabilityHistogram.empty()))
