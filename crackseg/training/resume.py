"""Where a run stopped, and whether it may go on: with the same configuration only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import yaml
from pydantic import ValidationError
from torch import Tensor

from crackseg.config import dump_config
from crackseg.errors import ConfigError, ModelError, UsageError
from crackseg.files import write_bytes
from crackseg.imaging.codec import read_file
from crackseg.training.config import TrainConfig

RESUME_FILE = "resume.safetensors"
"""Network, average, optimiser and counters of a run, in one file beside ``last.safetensors``."""
_MAY_CHANGE = ("schedule.epochs", "schedule.minutes", "schedule.patience")
_SHOWN = 5
"""Differences that are shown; a line has its limits."""


@dataclass(frozen=True, slots=True)
class ResumeState:
    """Everything a training needs to go on as if it had never stopped.

    Attributes:
        tensors: Network, average and optimiser, by name.
        values: Counters, history and configuration, ready for JSON.
    """

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]

    def save(self, path: Path) -> None:
        """Write the state to one file, durably, whole or not at all.

        Raises:
            OutputError: If it cannot be written.
        """
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        write_bytes(path, safetensors.torch.save(tensors, {"state": json.dumps(self.values)}), durable=True)

    @classmethod
    def load(cls, path: Path) -> ResumeState:
        """Read a state back.

        Raises:
            UsageError: If there is no such file.
            ModelError: If it is no such state.
        """
        data = read_file(path)
        try:
            tensors = safetensors.torch.load(data)
            length = int.from_bytes(data[:8], "little")
            values = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["state"])
        except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ModelError("is no state of a training", where=path, hint="start again in another folder") from error
        return cls(tensors, values)


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
