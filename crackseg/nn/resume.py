"""Where a run stopped, and whether it may go on: with the same configuration only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import ValidationError

from crackseg.config import dump_config
from crackseg.errors import ConfigError, UsageError
from crackseg.nn.checkpoint import ResumeState
from crackseg.nn.train_config import TrainConfig

RESUME_FILE = "resume.safetensors"
"""Network, average, optimiser and counters of a run, in one file beside ``last.safetensors``."""
_MAY_CHANGE = ("schedule.epochs", "schedule.minutes", "schedule.patience")
_SHOWN = 5
"""Differences that are shown; a line has its limits."""


def state_to_resume(config: TrainConfig, output: Path, *, resume: bool) -> ResumeState | None:
    """Return the state of the run in a folder; None if there is none yet.

    Raises:
        UsageError: If the folder holds a run and ``resume`` is off.
        ConfigError: If the run was begun with another configuration; how long it lasts may differ.
        ModelError: If the state is damaged.
    """
    path = output / RESUME_FILE
    if not path.exists():
        if (output / "best.safetensors").exists() and not resume:
            raise UsageError("holds a run already", where=output, hint="choose another folder")
        return None
    if not resume:
        raise UsageError("holds a run already", where=output, hint="add --resume to go on, or choose another folder")
    state = ResumeState.load(path)
    was, now = yaml.safe_load(dump_config(_config_of(state))), yaml.safe_load(dump_config(config))
    differences = list(_differences(was, now))
    if differences:
        shown = ", ".join(differences[:_SHOWN])
        more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise ConfigError(
            f"the run was begun with another configuration: {shown}{more}",
            where=output,
            hint="use the same one, or another folder",
        )
    return state


def _config_of(state: ResumeState) -> TrainConfig:
    """Return the configuration of a run; keys that did not exist when it was begun have their defaults."""
    try:
        return TrainConfig.model_validate(yaml.safe_load(state.values["config"]))
    except (ValidationError, yaml.YAMLError, KeyError) as error:
        raise ConfigError("the run was begun with a configuration that is not understood here") from error


def _differences(was: object, now: object, key: str = "") -> Iterator[str]:
    """Yield the keys in which two configurations differ; how long to train may change."""
    if key in _MAY_CHANGE:
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted(was.keys() | now.keys()):
            yield from _differences(was.get(name), now.get(name), f"{key}.{name}" if key else str(name))
    elif was != now:
        yield f"{key} was {was!r} and is {now!r}"
