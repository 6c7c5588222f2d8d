"""Compute the finished share of a training and its learning rate."""

from __future__ import annotations

import math

from crackseg.training.config import OptimiserConfig, ScheduleConfig


def steps_per_epoch(config: ScheduleConfig, *, images: int, batch_size: int) -> int:
    """Return the number of steps between two validations."""
    return config.steps_per_epoch or min(max(math.ceil(images / batch_size), 50), 500)


def share_done(config: ScheduleConfig, *, step: int, epoch_steps: int, elapsed_s: float) -> float:
    """Return the finished share of a training, in [0, 1].

    It follows the clock if ``minutes`` is set, else the steps.
    """
    if config.minutes is not None:
        return min(elapsed_s / (60 * config.minutes), 1.0)
    return min(step / (config.epochs * epoch_steps), 1.0)


def learning_rate(config: OptimiserConfig, done: float) -> float:
    """Return the learning rate at a finished share in [0, 1].

    It rises linearly, then falls to 0 along half a cosine.

    Source:
        Loshchilov, Hutter, "SGDR", ICLR 2017, eq. 5, one period; warm-up as in Goyal et al. 2017.
    """
    if done < config.warmup:
        return config.learning_rate * max(done / config.warmup, 1e-3)
    share = (done - config.warmup) / max(1 - config.warmup, 1e-9)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
