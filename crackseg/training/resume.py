"""Save the state of a training, and check that a run may be resumed."""

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
"""File in the run folder with network, moving average, optimiser and counters."""
_MAY_CHANGE = ("schedule.epochs", "schedule.minutes", "schedule.patience")
_SHOWN = 5
"""Largest number of differences in an error message."""


@dataclass(frozen=True, slots=True)
class ResumeState:
    """Complete state of a stopped training.

    Attributes:
        tensors: Tensors of network, moving average and optimiser by name, of any shape.
        values: JSON-ready counters, history and configuration.
    """

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]

    def save(self, path: Path) -> None:
        """Write the state to one file, completely or not at all.

        Raises:
            OutputError: If the file cannot be written.
        """
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        write_bytes(path, safetensors.torch.save(tensors, {"state": json.dumps(self.values)}), durable=True)

    @classmethod
    def load(cls, path: Path) -> ResumeState:
        """Read a state from a file.

        Raises:
            UsageError: If there is no such file.
            ModelError: If the file holds no state of a training.
        """
        data = read_file(path)
        try:
            tensors = safetensors.torch.load(data)
            length = int.from_bytes(data[:8], "little")
            values = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["state"])
        except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ModelError("not the state of a training", where=path, hint="start again in another folder") from error
        return cls(tensors, values)


def state_to_resume(config: TrainConfig, output: Path, *, resume: bool) -> ResumeState | None:
    """Return the state of the run in a folder, if any.

    Args:
        config: Configuration of the training.
        output: Run folder.
        resume: Allow a run in the folder.

    Raises:
        UsageError: If the folder holds a run and ``resume`` is False.
        ConfigError: If the run has another configuration. Only its length may differ.
        ModelError: If the state is damaged.
    """
    path = output / RESUME_FILE
    if not path.exists():
        if (output / "best.safetensors").exists() and not resume:
            raise UsageError("the folder already holds a run", where=output, hint="choose another folder")
        return None
    if not resume:
        raise UsageError(
            "the folder already holds a run", where=output, hint="add --resume to continue it, or choose another folder"
        )
    state = ResumeState.load(path)
    was, now = yaml.safe_load(dump_config(_config_of(state, output))), yaml.safe_load(dump_config(config))
    differences = list(_differences(was, now))
    if differences:
        shown = ", ".join(differences[:_SHOWN])
        more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise ConfigError(
            f"the run has another configuration: {shown}{more}",
            where=output,
            hint="use the same configuration or another folder",
        )
    return state


def _config_of(state: ResumeState, output: Path) -> TrainConfig:
    """Return the configuration of a run; keys added since have their defaults."""
    try:
        return TrainConfig.model_validate(yaml.safe_load(state.values["config"]))
    except (ValidationError, yaml.YAMLError, KeyError) as error:
        raise ConfigError(
            "the configuration of the run is invalid in this version",
            where=output,
            hint="start again in another folder",
        ) from error


def _differences(was: object, now: object, key: str = "") -> Iterator[str]:
    """Yield the differences of two configurations, except in their length."""
    if key in _MAY_CHANGE:
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted(was.keys() | now.keys()):
            yield from _differences(was.get(name), now.get(name), f"{key}.{name}" if key else str(name))
    elif was != now:
        yield f"{key} was {was!r} and is {now!r}"
