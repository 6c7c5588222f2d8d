"""The trial of rising learning rates."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crackseg.datasets.samples import find_samples
from crackseg.errors import TrainingError
from crackseg.training.loop import Loop, TrainingProgress
from crackseg.training.rate_finder import HIGHEST, LOWEST, find_rate
from tests.runs import tiny_config

pytestmark = pytest.mark.train

CPU = torch.device("cpu")


def losses_in_turn(monkeypatch: pytest.MonkeyPatch, *losses: float | None) -> list[float]:
    """Replace training steps by fixed losses; None is not finite."""
    rates: list[float] = []
    turn = iter(losses)

    def step(_: Loop, __: object, *, rate: float, progress: object) -> float:
        rates.append(rate)
        loss = next(turn)
        if loss is None:
            raise TrainingError("the loss is nan")
        return loss

    monkeypatch.setattr(Loop, "train_step", step)
    return rates


def test_rates_rise_evenly_in_their_logarithm(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = losses_in_turn(monkeypatch, *[1.0] * 7)
    notes: list[TrainingProgress] = []
    trial = find_rate(tiny_config(), find_samples(data, "train"), device=CPU, steps=7, progress=notes.append)
    assert trial.rates == tuple(rates) == pytest.approx([10.0**exponent for exponent in range(-6, 1)])
    assert (rates[0], rates[-1]) == pytest.approx((LOWEST, HIGHEST))
    assert trial.losses == pytest.approx([1.0] * 7), "the smoothed loss of equal losses is that loss"
    assert [note.done for note in notes] == pytest.approx([number / 7 for number in range(1, 8)])


def test_a_diverging_loss_ends_the_trial(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses_in_turn(monkeypatch, 1.0, 1.0, 1.0, 1000.0, 1.0, 1.0)
    assert len(find_rate(tiny_config(), find_samples(data, "train"), device=CPU, steps=6).rates) == 4


def test_a_loss_that_is_not_finite_ends_the_trial_after_three_steps(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses_in_turn(monkeypatch, 1.0, 1.0, 1.0, None)
    assert len(find_rate(tiny_config(), find_samples(data, "train"), device=CPU, steps=6).rates) == 3


def test_a_loss_that_is_never_finite_is_an_error(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses_in_turn(monkeypatch, 1.0, None)
    with pytest.raises(TrainingError, match="the loss is nan"):
        find_rate(tiny_config(), find_samples(data, "train"), device=CPU, steps=6)


def test_a_trial_starts_from_the_initial_weights(run: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples, single = find_samples(data, "train"), {}
    for name, overrides in (("new", ()), ("trained", (f"init={run}",))):
        single[name] = find_rate(tiny_config(*overrides), samples, device=CPU, steps=1).losses[0]
    assert single["trained"] < 0.5 * single["new"]
