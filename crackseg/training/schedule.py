"""Compute the finished share of a training and its learning rate."""

from __future__ import annotations

import math

from crackseg.training.config import OptimiserConfig, ScheduleConfig


def steps_per_epoch(config: ScheduleConfig, *, images: int, batch_size: int) -> int:
    """Return the number of steps between two validations.

    Example:
        >>> steps_per_epoch(ScheduleConfig(), images=1000, batch_size=8)
        125
    """
    return config.steps_per_epoch or min(max(math.ceil(images / batch_size), 50), 500)


def share_done(config: ScheduleConfig, *, step: int, epoch_steps: int, elapsed_s: float) -> float:
    """Return the finished share of a training, in [0, 1].

    It follows the clock if ``minutes`` is set, else the steps.

    Example:
        >>> share_done(ScheduleConfig(minutes=10), step=0, epoch_steps=50, elapsed_s=150)
        0.25
    """
    if config.minutes is not None:
        return min(elapsed_s / (60 * config.minutes), 1.0)
    return min(step / (config.epochs * epoch_steps), 1.0)


def learning_rate(config: OptimiserConfig, done: float) -> float:
    """Return the learning rate at a finished share in [0, 1].

    It rises linearly, then falls to 0 along half a cosine.

    Source:
        Loshchilov, Hutter, "SGDR", ICLR 2017, eq. 5, one period; warm-up as in Goyal et al. 2017.

    Example:
        >>> config = OptimiserConfig(learning_rate=0.002, warmup=0.1)
        >>> [round(learning_rate(config, done), 5) for done in (0.05, 0.1, 0.55, 1)]
        [0.001, 0.002, 0.001, 0.0]
    """
    if done < config.warmup:
        return config.learning_rate * max(done / config.warmup, 1e-3)
    share = (done - config.warmup) / max(1 - config.warmup, 1e-9)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
