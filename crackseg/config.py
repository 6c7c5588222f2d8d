"""Read frozen configurations from YAML and ``--set``, and find the shipped ones."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from crackseg.errors import ConfigError, UsageError, display_text

_Config = TypeVar("_Config", bound=BaseModel)
_Key = tuple[str | int, ...]


ConfigKind = Literal["generate", "train", "rules"]
"""Recipe of `crackseg generate`, configuration of `crackseg train`, or rules of `crackseg inspect`."""

_SUFFIX = ".yaml"


@dataclass(frozen=True)
class ShippedConfig:
    """A configuration that ships with crackseg.

    Attributes:
        kind: Command that reads it.
        name: Name to give to the command.
        path: Its file.
    """

    kind: ConfigKind
    name: str
    path: Path

    @property
    def summary(self) -> str:
        """First line of the comment at the top of the file."""
        line = self.path.read_text("utf-8").partition("\n")[0]
        return line.removeprefix("#").strip()


def shipped_configs() -> tuple[ShippedConfig, ...]:
    """Return all shipped configurations, sorted by kind and name."""
    folder = _configs_folder()
    return tuple(
        ShippedConfig(kind, path.stem if path.suffix == _SUFFIX else path.name, path)
        for kind in get_args(ConfigKind)
        for path in sorted((folder / kind).glob(f"*{_SUFFIX}"))
    )


def find_shipped(name: str) -> ShippedConfig:
    """Return a shipped configuration by ``NAME`` or ``KIND/NAME``.

    Raises:
        UsageError: If there is none, or several kinds have the name.
    """
    configs = shipped_configs()
    full = {f"{config.kind}/{config.name}": config for config in configs}
    matches = [config for key, config in full.items() if name in (key, config.name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        names = " or ".join(f"{config.kind}/{config.name}" for config in matches)
        raise UsageError("several configurations have this name", where=name, hint=f"give {names}")
    raise UsageError("no such configuration", where=name, hint=_advice(name, [config.name for config in configs]))


def find_config(kind: ConfigKind, name: str | os.PathLike[str] | None) -> Path | None:
    """Return the file of a configuration.

    Args:
        kind: Command that reads it.
        name: Path of a file, or else the name of a shipped configuration; None for the defaults.

    Returns:
        The file; None for the defaults.

    Raises:
        UsageError: If there is neither such a file nor such a name.
    """
    if name is None:
        return None
    path = Path(name)
    if path.exists() or path.suffix in (_SUFFIX, ".yml") or len(path.parts) > 1:
        return path
    names = {config.name: config.path for config in shipped_configs() if config.kind == kind}
    if str(path) in names:
        return names[str(path)]
    raise UsageError("no such file or configuration", where=path, hint=_advice(str(path), list(names)))


def _advice(name: str, known: Sequence[str]) -> str:
    """Return a hint with the closest name and all known names."""
    close = difflib.get_close_matches(name, known, n=1)
    question = f"did you mean '{close[0]}'? " if close else ""
    return f"{question}give a YAML file or one of {', '.join(dict.fromkeys(known))}"


def _configs_folder() -> Path:
    """Return the folder of the shipped configurations."""
    package = Path(__file__).parent
    return package / "configs" if (package / "configs").is_dir() else package.parent / "configs"


class Section(BaseModel):
    """Base of every section of a configuration: frozen, without unknown keys, defaults validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


def load_config(kind: type[_Config], path: Path | None = None, *, overrides: Sequence[str] = ()) -> _Config:
    """Read a configuration.

    Args:
        kind: Class of the configuration, which holds the defaults.
        path: YAML file; None for the defaults.
        overrides: Settings ``a.b=value``, each value in YAML; they override the file, and later ones earlier ones.

    Raises:
        ConfigError: If the file cannot be read or parsed, a key is unknown or a value wrong. The message names file
            and line, or the override.
    """
    values: dict[str, Any] = {}
    places: dict[_Key, str] = {}
    if path is not None:
        values, places = _read_yaml(path)
    for override in overrides:
        _apply(values, places, override)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, kind, places, path) from error


def dump_config(config: BaseModel) -> str:
    """Return a configuration as YAML with all defaults, for `load_config`."""
    text = yaml.safe_dump(json.loads(config.model_dump_json()), sort_keys=False, default_flow_style=None, width=120)
    return str(text)


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[_Key, str]]:
    shown = display_text(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", where=path, hint="check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", where=path, hint="save it as UTF-8") from error
    places: dict[_Key, str] = {}
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
        if node is not None:
            _collect_places(node, (), shown, places)
    except RecursionError as error:
        raise ConfigError("a value contains itself or is nested too deeply", where=path) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f":{mark.line + 1}"
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise ConfigError(f"not valid YAML: {problem}", where=f"{shown}{line}") from error
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise ConfigError("expected keys and values", where=f"{shown}:1")
    return values, places


def _collect_places(node: yaml.Node, key: _Key, shown: str, places: dict[_Key, str]) -> None:
    """Collect the file and line of every key under ``node``."""
    places.setdefault(key, f"{shown}:{node.start_mark.line + 1}")
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            child = (*key, str(name.value))
            places[child] = f"{shown}:{name.start_mark.line + 1}"
            _collect_places(value, child, shown, places)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _collect_places(value, (*key, index), shown, places)


def _apply(values: dict[str, Any], places: dict[_Key, str], override: str) -> None:
    name, equals, text = override.partition("=")
    keys = name.strip().split(".")
    where = f"--set {override}"
    if not equals or not all(keys):
        raise ConfigError("expected KEY=VALUE, such as schedule.epochs=20", where=where)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError("the value is not valid YAML", where=where) from error
    section: Any = values
    for depth, key in enumerate(keys[:-1]):
        places.setdefault(tuple(keys[: depth + 1]), where)
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            raise ConfigError(f"{'.'.join(keys[: depth + 1])} is a value, not a section", where=where)
    section.pop(keys[-1], None)  # the last key is the last setting, also where a key has two names
    section[keys[-1]] = value
    places[tuple(keys)] = where


def _config_error(
    error: ValidationError, kind: type[BaseModel], places: Mapping[_Key, str], path: Path | None
) -> ConfigError:
    """Return the first problem that pydantic reports, in one line."""
    problem = error.errors(include_url=False)[0]
    key: _Key = tuple(problem["loc"])
    place = next((places[key[:end]] for end in range(len(key), 0, -1) if key[:end] in places), None)
    where = place or (display_text(path) if path is not None else "configuration")
    name = ".".join(str(part) for part in key)
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(key[-1]), _known_keys(kind, key[:-1]), n=1)
        return ConfigError(f"{name}: unknown key", where=where, hint=f"did you mean '{close[0]}'?" if close else None)
    if problem["type"] == "missing":
        return ConfigError(f"{name}: this key is required", where=where)
    message = problem["msg"]
    expected = message.removeprefix("Input should be ").removeprefix("Value error, ")
    lead = "expected " if message.startswith("Input should be ") else ""
    return ConfigError(f"{name}: {lead}{expected}; got {problem['input']!r}" if name else expected, where=where)


def _known_keys(kind: type[BaseModel], key: _Key) -> list[str]:
    """Return the keys of the section at ``key``."""
    section: Any = kind
    for part in key:
        field = (
            section.model_fields.get(str(part))
            if isinstance(section, type) and issubclass(section, BaseModel)
            else None
        )
        section = None if field is None else field.annotation
    if isinstance(section, type) and issubclass(section, BaseModel):
        return list(section.model_fields)
    return []
