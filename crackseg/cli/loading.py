"""Load the declaration of a command by its name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from crackseg.cli.command import Command
from crackseg.cli.parser import Syntax, syntax_of


def load_syntax(name: str) -> Syntax:
    """Return the command line of a command."""
    command: type[Command[Any]] = getattr(import_module(f"crackseg.cli.{name}"), name.capitalize())
    return syntax_of(name, command)
