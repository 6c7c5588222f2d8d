"""Read a command line by the declaration of its command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from crackseg.cli.command import Command, Parameter, Positional, read_parameters
from crackseg.cli.presentation import Presentation
from crackseg.errors import UsageError

HELP_FLAGS = ("--help", "-h")


@dataclass(frozen=True)
class Syntax:
    """Command line of one command.

    Attributes:
        name: Name of the command.
        command: Class of the command.
        parameters: Fields of the command, in their order.
        presentation: Flags that say what it prints.
    """

    name: str
    command: type[Command[Any]]
    parameters: tuple[Parameter, ...]
    presentation: tuple[Parameter, ...]

    @property
    def positionals(self) -> tuple[Parameter, ...]:
        """Parameters that are given by their place."""
        return tuple(item for item in self.parameters if isinstance(item.marker, Positional))

    @property
    def options(self) -> tuple[Parameter, ...]:
        """Parameters that are given by a flag, those of the presentation last."""
        return tuple(item for item in (*self.parameters, *self.presentation) if item.flags)


def syntax_of(name: str, command: type[Command[Any]]) -> Syntax:
    """Return the command line that a class declares."""
    shown = tuple(item for item in read_parameters(Presentation) if item.name in command.presentation)
    return Syntax(name, command, read_parameters(command), shown)


def parse(syntax: Syntax, arguments: Sequence[str]) -> tuple[Command[Any], Presentation]:
    """Return the command and the presentation that a command line asks for.

    Raises:
        UsageError: If an option is unknown, or a value is missing or wrong.
    """
    hint = f"see crackseg {syntax.name} --help"
    try:
        texts, extras = _split(syntax, arguments)
        texts |= _assign(syntax.positionals, extras)
        values = {item.name: _convert(item, texts[item.name]) for item in _named(syntax) if item.name in texts}
        for item in syntax.parameters:
            if item.required and item.name not in values:
                raise UsageError("missing option", where=item.label)
    except UsageError as error:
        raise UsageError(error.what, where=error.where, hint=f"{error.hint}; {hint}" if error.hint else hint) from error
    shown = {item.name for item in syntax.presentation}
    presentation = Presentation(**{name: value for name, value in values.items() if name in shown})
    return syntax.command(**{name: value for name, value in values.items() if name not in shown}), presentation


def _named(syntax: Syntax) -> tuple[Parameter, ...]:
    return (*syntax.parameters, *syntax.presentation)


class _Splitter(argparse.ArgumentParser):
    """Parser that raises our error instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        where, colon, what = message.removeprefix("argument ").partition(": ")
        if what.startswith("ignored explicit argument"):
            what = "expected no value"
        what = what.replace("expected one argument", "expected a value").replace("arguments", "values")
        raise UsageError(what if colon else message, where=where.split("/")[0] if colon else None)


def _split(syntax: Syntax, arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the texts of the options by field, and the rest.

    Raises:
        UsageError: If an option is unknown or lacks its value.
    """
    splitter = _Splitter(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for item in syntax.options:
        if item.kind is bool:
            splitter.add_argument(*item.flags, dest=item.name, action="store_true")
        elif item.repeated:
            splitter.add_argument(*item.flags, dest=item.name, action="append")
        else:
            splitter.add_argument(*item.flags, dest=item.name, nargs=item.length if item.length > 1 else None)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options, extras = splitter.parse_known_args(list(arguments[:end]))
    for text in extras:
        if text.startswith("-") and text != "-":
            flag = text.partition("=")[0]
            flags = [flag for item in syntax.options for flag in item.flags]
            raise UsageError("no such option", where=flag, hint=suggest(flag, [*flags, *HELP_FLAGS]))
    return vars(options), [*extras, *arguments[end + 1 :]]


def suggest(text: str, known: Iterable[str]) -> str | None:
    """Return a hint with the closest word; None if none is close."""
    import difflib  # only mistakes need it

    close = difflib.get_close_matches(text, list(known), n=1)
    return f"did you mean {close[0]}?" if close else None


def _assign(positionals: Sequence[Parameter], texts: Sequence[str]) -> Mapping[str, Any]:
    """Return the texts of the positionals by field.

    Raises:
        UsageError: If there are too few or too many.
    """
    waiting = list(texts)
    assigned: dict[str, Any] = {}
    for item in positionals:
        if not waiting:
            if item.required:
                raise UsageError(f"missing argument {item.label} ({_as_clause(item.marker.help)})")
        elif item.repeated:
            assigned[item.name], waiting = waiting, []
        else:
            assigned[item.name] = waiting.pop(0)
    if waiting:
        raise UsageError("unexpected argument", where=waiting[0], hint="remove it")
    return assigned


def _as_clause(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:].rstrip(".")


def _convert(item: Parameter, texts: Any) -> Any:
    """Return the value of a parameter.

    Raises:
        UsageError: If a text is no such value.
    """
    if item.kind is bool:
        return texts
    if item.repeated:
        return [_convert_one(item, text) for text in texts]
    if item.length > 1:
        return tuple(_convert_one(item, text) for text in texts)
    return _convert_one(item, texts)


def _convert_one(item: Parameter, text: str) -> Any:
    if item.choices:
        if text not in item.choices:
            raise UsageError(
                f"expected {item.expected}, got '{text}'", where=item.label, hint=suggest(text, item.choices)
            )
        return text
    if item.kind is Path:
        return Path(text)
    if item.kind is str:
        return text
    try:
        number = item.kind(text)
    except ValueError as error:
        raise UsageError(f"expected {item.expected}, got '{text}'", where=item.label) from error
    minimum = getattr(item.marker, "minimum", None)
    if minimum is not None and not number >= minimum:
        raise UsageError(f"expected at least {minimum:g}, got {text}", where=item.label)
    return number
