"""Finished share and learning rate of a training."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackseg.training.config import OptimiserConfig, ScheduleConfig
from crackseg.training.schedule import learning_rate, share_done, steps_per_epoch

PLAIN = OptimiserConfig(learning_rate=0.01, warmup=0.2)


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        pytest.param(0.0, 0.01 * 1e-3, id="first step is not for nothing"),
        pytest.param(0.1, 0.005, id="half way up"),
        pytest.param(0.2, 0.01, id="peak"),
        pytest.param(0.6, 0.005, id="half way down"),
        pytest.param(0.4, 0.01 * 0.5 * (1 + math.cos(math.pi / 4)), id="a quarter down"),
        pytest.param(1.0, 0.0, id="end"),
    ],
)
def test_the_learning_rate_rises_linearly_and_falls_as_a_cosine(done: float, expected: float) -> None:
    assert learning_rate(PLAIN, done) == pytest.approx(expected, abs=1e-12)


@given(
    warmup=st.floats(0, 1),
    one=st.floats(0, 1),
    two=st.floats(0, 1),
)
def test_the_learning_rate_never_exceeds_its_peak_or_rises_after_the_warmup(
    warmup: float, one: float, two: float
) -> None:
    config = OptimiserConfig(learning_rate=1.0, warmup=warmup)
    early, late = sorted((one, two))
    before, after = learning_rate(config, early), learning_rate(config, late)
    assert 0 <= before <= 1
    if early >= warmup:
        assert after <= before + 1e-12
    if late < warmup:
        assert after >= before


def test_without_warmup_the_first_step_is_at_the_peak() -> None:
    assert learning_rate(OptimiserConfig(learning_rate=0.5, warmup=0), 0) == 0.5


@pytest.mark.parametrize(
    ("images", "batch", "steps", "expected"),
    [
        pytest.param(10, 8, None, 50, id="few images"),
        pytest.param(801, 8, None, 101, id="rounded up"),
        pytest.param(100_000, 8, None, 500, id="many images"),
        pytest.param(100_000, 8, 7, 7, id="as configured"),
    ],
)
def test_steps_per_epoch_follow_the_images_within_limits(
    images: int, batch: int, steps: int | None, expected: int
) -> None:
    assert steps_per_epoch(ScheduleConfig(steps_per_epoch=steps), images=images, batch_size=batch) == expected


def test_the_finished_share_counts_steps_unless_minutes_are_set() -> None:
    by_steps, by_clock = ScheduleConfig(epochs=4), ScheduleConfig(epochs=4, minutes=2)
    assert share_done(by_steps, step=10, epoch_steps=5, elapsed_s=1e6) == 0.5
    assert share_done(by_clock, step=10**6, epoch_steps=5, elapsed_s=30) == 0.25
    assert share_done(by_steps, step=99, epoch_steps=5, elapsed_s=0) == 1.0
    assert share_done(by_clock, step=0, epoch_steps=5, elapsed_s=1e6) == 1.0
