"""The learning rate that suits a network and its data: a short trial with rates that rise at every step."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from crackseg.datasets.samples import Sample, check_sizes
from crackseg.errors import TrainingError
from crackseg.files import make_folder, write_bytes
from crackseg.networks.checkpoint import initialise
from crackseg.networks.factory import build_network, start_at_prior
from crackseg.networks.precision import use_bfloat16
from crackseg.prediction.loading import find_weights
from crackseg.training.config import TrainConfig
from crackseg.training.distributed import Team
from crackseg.training.loader import iter_batches
from crackseg.training.loop import Loop, TrainingCallback, TrainingProgress, ignore_progress
from crackseg.training.patches import PatchDataset

LOWEST, HIGHEST = 1e-6, 1.0
_SMOOTHING = 0.9
_TOO_HIGH = 4.0
"""A trial ends once the smoothed loss is so many times the lowest seen."""
_SAFETY = 10.0


@dataclass(frozen=True, slots=True)
class RateTrial:
    """A trial of learning rates.

    Attributes:
        rates: Learning rate of each step, rising.
        losses: Smoothed loss of each step.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def suggestion(self) -> float:
        """A tenth of the rate at which the loss was lowest, to two digits: high, and still far from where it rises.

        Source:
            Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3, for the trial; the
            tenth is the rule of the fastai library.
        """
        return float(f"{self.rates[int(np.argmin(self.losses))] / _SAFETY:.1e}")


def find_rate(
    config: TrainConfig,
    samples: tuple[Sample, ...],
    *,
    device: torch.device,
    steps: int = 100,
    progress: TrainingCallback | None = None,
) -> RateTrial:
    """Train a copy of nothing lasting: each step at a higher rate, until the loss runs away.

    Args:
        config: The training to find a rate for; its own rate is left aside.
        samples: What to train on.
        device: Where to compute.
        steps: Steps from `LOWEST` to `HIGHEST`.
        progress: Called after every step.

    Raises:
        TrainingError: If the loss is no number from the first steps on.
        CracksegError: What building the network and reading the samples raise.
    """
    notify = progress or ignore_progress
    check_sizes(samples)
    torch.manual_seed(config.seed)
    patches = PatchDataset(samples, config)
    network = build_network(config.network)
    start_at_prior(network, patches.crack_prior())
    if config.init is not None:
        initialise(network, find_weights(config.init))
    team = Team(device)
    loop = Loop(network, patches, config, epoch_steps=steps, team=team, bfloat16=use_bfloat16(config.precision, device))
    loop.network.train()
    mean = 0.0
    rates: list[float] = []
    losses: list[float] = []
    single = config.model_copy(update={"optimiser": config.optimiser.model_copy(update={"accumulate": 1})})
    for step, batch in enumerate(iter_batches(patches, single, range(steps), team)):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / max(steps - 1, 1))
        try:
            loss = loop.train_step([batch], rate=rate, progress=notify)
        except TrainingError:
            if len(rates) < 3:
                raise
            break
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        rates.append(rate)
        losses.append(mean / (1 - _SMOOTHING ** (step + 1)))
        notify(TrainingProgress((step + 1) / steps, 1.0, step=step + 1, loss=losses[-1]))
        if losses[-1] > _TOO_HIGH * min(losses):
            break
    return RateTrial(tuple(rates), tuple(losses))


def save_trial(trial: RateTrial, output: Path) -> None:
    """Write ``learning_rate.csv`` and ``learning_rate.png`` into a folder.

    Raises:
        OutputError: If they cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder = make_folder(output)
    rows = "".join(f"{rate:.6g},{loss:.6g}\n" for rate, loss in zip(trial.rates, trial.losses, strict=True))
    write_bytes(folder / "learning_rate.csv", f"learning_rate,loss\n{rows}".encode())
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.plot(trial.rates, trial.losses)
    axis.axvline(trial.suggestion, linestyle="--", color="black", label=f"suggested: {trial.suggestion:g}")
    axis.set_xscale("log")
    axis.set_xlabel("learning rate")
    axis.set_ylabel("loss, smoothed")
    axis.grid(alpha=0.3)
    axis.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    write_bytes(folder / "learning_rate.png", buffer.getvalue())
