"""Trainings that have collapsed end with their cause."""

from __future__ import annotations

import numpy as np
import pytest

from crackseg.errors import TrainingError
from crackseg.metrics.histogram import ProbabilityHistogram
from crackseg.training.collapse_guard import PATCHES_WITHOUT_CRACK, CollapseGuard, crack_share


def _histogram(probability: float, *, crack: int, background: int, spread: float = 0.0) -> ProbabilityHistogram:
    rng = np.random.default_rng(0)
    values = np.clip(probability + spread * rng.standard_normal(crack + background), 0, 1).astype(np.float32)
    return ProbabilityHistogram.of(values[None], (np.arange(crack + background) < crack)[None])


def stopped(*epochs: tuple[ProbabilityHistogram, float], patches: int = 0, crack_first: bool = False) -> str | None:
    """Return the error of a guard for patches and validations, if any."""
    guard = CollapseGuard()
    try:
        guard.check_batch(has_crack=crack_first, patches=8)
        guard.check_batch(has_crack=False, patches=patches)
        for histogram, done in epochs:
            guard.check_epoch(histogram, done=done)
    except TrainingError as error:
        return str(error)
    return None


def test_a_training_without_crack_patches_ends() -> None:
    guard = CollapseGuard()
    for _ in range(PATCHES_WITHOUT_CRACK // 8 - 1):
        guard.check_batch(has_crack=False, patches=8)
    with pytest.raises(TrainingError, match=r"no crack pixel in the first 400 patches.*crackseg check"):
        guard.check_batch(has_crack=False, patches=8)


def test_one_patch_with_a_crack_is_enough() -> None:
    assert stopped(patches=10 * PATCHES_WITHOUT_CRACK, crack_first=True) is None
    assert stopped(patches=10 * PATCHES_WITHOUT_CRACK) is not None


@pytest.mark.parametrize(
    ("probability", "crack", "message"),
    [
        pytest.param(0.03, 300, r"background .*learning_rate", id="all black"),
        pytest.param(0.97, 300, r"crack .*learning_rate", id="all white"),
        pytest.param(0.97, 9000, r"swapped, since 90 %", id="masks inverted"),
        pytest.param(0.0, 2, r"crack_share .*0\.020 %", id="hardly any crack"),
    ],
)
def test_a_training_with_a_constant_output_ends(probability: float, crack: int, message: str) -> None:
    guard = CollapseGuard()
    histogram = _histogram(probability, crack=crack, background=10_000 - crack)
    guard.check_epoch(histogram, done=0.3)
    guard.check_epoch(histogram, done=0.4)
    with pytest.raises(TrainingError, match=message):
        guard.check_epoch(histogram, done=0.5)


def test_a_constant_output_in_early_epochs_is_no_error() -> None:
    blank = _histogram(0.03, crack=300, background=9700)
    assert stopped(*[(blank, 0.1)] * 5) is None
    assert stopped(*[(blank, 0.9)] * 2) is None
    assert stopped(*[(blank, 0.9)] * 3) is not None


def test_a_training_with_a_varying_output_continues() -> None:
    assert stopped(*[(_histogram(0.2, crack=300, background=9700, spread=0.1), 0.9)] * 5) is None
    assert stopped(*[(_histogram(0.2, crack=300, background=9700, spread=0.001), 0.9)] * 5) is not None


def test_validation_images_without_cracks_are_no_collapse() -> None:
    assert stopped(*[(_histogram(0.0, crack=0, background=9700), 0.9)] * 5) is None
    assert stopped(*[(_histogram(0.0, crack=300, background=9700), 0.9)] * 5) is not None


def test_the_crack_share_is_the_share_of_crack_pixels() -> None:
    assert crack_share(_histogram(0.1, crack=25, background=75)) == 0.25
    assert np.isnan(crack_share(ProbabilityHistogram.empty()))
