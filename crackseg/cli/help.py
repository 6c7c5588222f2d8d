"""Write the help of one command, complete at 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from crackseg.cli.command import Parameter
from crackseg.cli.parser import HELP_FLAGS, Syntax

WIDTH = 80
_COLUMN = 26


def command_help(syntax: Syntax) -> str:
    """Return the help of a command."""
    places = "".join(f" {_place(item)}" for item in syntax.positionals)
    needed = "".join(f" {item.label} {item.metavar}" for item in syntax.options if item.required)
    parts = [f"Usage: crackseg {syntax.name}{places}{needed} [options]", *_paragraphs(description(syntax))]
    if syntax.positionals:
        parts.append(_section("Arguments", [(_place(item), item.marker.help) for item in syntax.positionals]))
    groups: dict[str, list[tuple[str, str]]] = {}
    for item in syntax.options:
        groups.setdefault(getattr(item.marker, "group", ""), []).append((_flags(item), option_text(item)))
    groups.setdefault("Display", []).append((", ".join(reversed(HELP_FLAGS)), "Show this help."))
    parts += [_section(title, entries) for title, entries in groups.items()]
    examples = syntax.command.examples
    parts.append("\n".join([f"Example{'s' if len(examples) > 1 else ''}:", *(f"  {line}" for line in examples)]))
    return "\n\n".join(parts)


def description(syntax: Syntax) -> str:
    """Return the docstring of a command without its sections."""
    lines = textwrap.dedent("    " + (syntax.command.__doc__ or "")).strip().splitlines()
    end = next((number for number, line in enumerate(lines) if line.endswith(":") and " " not in line), len(lines))
    return "\n".join(lines[:end]).strip()


def option_text(item: Parameter) -> str:
    """Return the description of an option with its choices, minimum and default."""
    marker, remarks = item.marker, []
    if item.choices:
        remarks.append(f"{'one of ' if item.choices[1:] else ''}{', '.join(item.choices)}")
    if item.repeated:
        remarks.append("repeatable")
    if item.required:
        remarks.append("required")
    elif default := getattr(marker, "default", ""):
        remarks.append(f"default: {default}")
    elif item.kind is not bool:
        remarks.append(f"default: {'none' if item.default in (None, ()) else item.default}")
    return f"{marker.help} [{'; '.join(remarks)}]" if remarks else marker.help


def _place(item: Parameter) -> str:
    text = f"{item.label} ..." if item.repeated else item.label
    return text if item.required else f"[{text}]"


def _flags(item: Parameter) -> str:
    flags = ", ".join(sorted(item.flags, key=len))
    return f"{flags} {item.metavar}".rstrip()


def _paragraphs(text: str) -> Iterable[str]:
    return (textwrap.fill(" ".join(part.split()), WIDTH, break_on_hyphens=False) for part in text.split("\n\n"))


def _section(title: str, entries: Sequence[tuple[str, str]]) -> str:
    """Return a headed list in two columns."""
    lines = [f"{title}:"]
    for left, right in entries:
        wrapped = textwrap.wrap(right, WIDTH - _COLUMN, break_on_hyphens=False)
        if len(left) + 4 > _COLUMN:
            lines.append(f"  {left}")
        else:
            lines.append(f"  {left:<{_COLUMN - 2}}{wrapped.pop(0)}")
        lines += [" " * _COLUMN + line for line in wrapped]
    return "\n".join(lines)
