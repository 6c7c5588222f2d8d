"""Find a learning rate in a short trial with rising rates."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
"""A trial ends once the smoothed loss exceeds its minimum by this factor."""
_SAFETY = 10.0


@dataclass(frozen=True, slots=True, repr=False)
class RateTrial:
    """Losses of a trial with rising learning rates.

    Attributes:
        rates: Learning rate of each step, rising.
        losses: Smoothed loss of each step.

    Example:
        >>> RateTrial(rates=(1e-4, 1e-3, 1e-2, 1e-1), losses=(1.0, 0.8, 0.3, 2.0)).suggestion
        0.001
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    def __repr__(self) -> str:
        return f"RateTrial({len(self.rates)} steps, learning rate {self.suggestion:g})"

    def to_dict(self) -> dict[str, Any]:
        """Return the suggestion as JSON-ready values."""
        return {"learning_rate": self.suggestion, "steps": len(self.rates)}

    def rows(self) -> list[dict[str, float]]:
        """Return one flat row per step, for a data frame."""
        pairs = zip(self.rates, self.losses, strict=True)
        return [{"step": step, "learning_rate": rate, "loss": loss} for step, (rate, loss) in enumerate(pairs, start=1)]

    @property
    def suggestion(self) -> float:
        """Suggested learning rate: a tenth of the rate with the lowest loss.

        It has two digits. It is high, and still well below the rates at which the loss rises.

        Source:
            Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3, for the trial. The
            factor of a tenth is the rule of the fastai library.
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
    """Train at rising learning rates until the loss diverges; discard the network.

    Args:
        config: Configuration of the training; its learning rate is not used.
        samples: Training samples.
        device: Device to compute on.
        steps: Number of steps from `LOWEST` to `HIGHEST`.
        progress: Called after every step.

    Raises:
        TrainingError: If the loss is not finite in the first three steps.
        CracksegError: Any error of building the network or reading the samples.
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
    """Write ``learning_rate.csv`` and ``learning_rate.png`` to a folder.

    Raises:
        OutputError: If a file cannot be written.
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
