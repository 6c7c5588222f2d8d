"""Write completion scripts for shells from the declarations of the commands."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from crackseg.cli.app import COMMANDS, GROUPS
from crackseg.cli.command import Parameter
from crackseg.cli.loading import load_syntax
from crackseg.cli.parser import HELP_FLAGS, Syntax

Shell = Literal["bash", "zsh", "fish"]


def completion_script(shell: Shell) -> str:
    """Return the completion script for a shell."""
    syntaxes = [load_syntax(name) for name in COMMANDS]
    match shell:
        case "bash":
            return _bash(syntaxes)
        case "zsh":
            return _zsh(syntaxes)
        case "fish":
            return _fish(syntaxes)


def _known_names(item: Parameter, command: str) -> tuple[str, ...]:
    """Return the names of shipped models or configurations that a parameter accepts."""
    if item.name in ("model", "init"):
        from crackseg.prediction.loading import shipped_models

        return shipped_models()
    if item.name in ("config", "rules") or command == "configs":
        from crackseg.config import shipped_configs

        kind = {"inspect": "rules"}.get(command, command)
        return tuple(config.name for config in shipped_configs() if command == "configs" or config.kind == kind)
    return ()


def _summary(name: str) -> str:
    return next(commands[name] for commands in GROUPS.values() if name in commands)


def _help(item: Parameter) -> str:
    return item.marker.help.rstrip(".")


def _bash(syntaxes: list[Syntax]) -> str:
    lines = [
        "_crackseg() {",
        '    local word="${COMP_WORDS[COMP_CWORD]}" last="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"',
        "    local flags= values= words=",
        "    COMPREPLY=()",
        '    if [ "$COMP_CWORD" -eq 1 ]; then',
        f'        COMPREPLY=( $(compgen -W "{" ".join((*COMMANDS, *HELP_FLAGS, "--version"))}" -- "$word") )',
        "        return",
        "    fi",
        '    case "$command" in',
    ]
    for syntax in syntaxes:
        flags = [flag for item in syntax.options for flag in item.flags]
        choices = [word for item in syntax.positionals for word in item.choices or _known_names(item, syntax.name)]
        lines.append(f"    {syntax.name})")
        lines.append(
            f"        flags={shlex.quote(' '.join((*flags, *HELP_FLAGS)))} words={shlex.quote(' '.join(choices))}"
        )
        lines.append('        case "$last" in')
        for item in syntax.options:
            if item.kind is not bool:
                files = " ".join(("@files", *_known_names(item, syntax.name)))
                value = " ".join(item.choices) or (files if _takes_file(item) else "@none")
                lines.append(f"        {'|'.join(item.flags)}) values={shlex.quote(value)} ;;")
        lines += ["        esac", "        ;;"]
    lines += [
        "    esac",
        '    case "$values" in',
        "    @none) return ;;",
        '    @files*) COMPREPLY=( $(compgen -W "${values#@files}" -- "$word") ) ;;',
        '    ?*) COMPREPLY=( $(compgen -W "$values" -- "$word") ); return ;;',
        "    *)",
        '        case "$word" in',
        '        -*) COMPREPLY=( $(compgen -W "$flags" -- "$word") ); return ;;',
        '        *) if [ -n "$words" ]; then COMPREPLY=( $(compgen -W "$words" -- "$word") ); return; fi ;;',
        "        esac",
        "        ;;",
        "    esac",
        "    local IFS=$'\\n'",
        '    COMPREPLY+=( $(compgen -f -- "$word") )',
        "}",
        "complete -o filenames -F _crackseg crackseg",
    ]
    return "\n".join(lines)


def _takes_file(item: Parameter) -> bool:
    return item.kind is Path or "FILE" in item.metavar


def _zsh(syntaxes: list[Syntax]) -> str:
    lines = ["#compdef crackseg", "", "_crackseg() {", "    local -a commands", "    commands=("]
    lines += [f"        {_zsh_quote(name + ':' + _summary(name).replace(':', ' -'))}" for name in COMMANDS]
    lines += [
        "    )",
        "    if (( CURRENT == 2 )); then",
        "        _describe -t commands command commands",
        "        _arguments '--help[Show the help]' '--version[Print the version]'",
        "        return",
        "    fi",
        '    local name="${words[2]}"',
        '    words=("${words[@]:1}")',
        "    (( CURRENT-- ))",
        '    case "$name" in',
    ]
    for syntax in syntaxes:
        lines.append(f"    {syntax.name})")
        specs = [spec for item in syntax.options for spec in _zsh_option(item, syntax.name)]
        specs += [f"{flag}[Show the help]" for flag in HELP_FLAGS]
        specs += [_zsh_positional(item, syntax.name) for item in syntax.positionals]
        lines.append("        _arguments \\")
        lines += [f"            {_zsh_quote(spec)} \\" for spec in specs[:-1]]
        lines += [f"            {_zsh_quote(specs[-1])}", "        ;;"]
    lines += [
        "    esac",
        "}",
        "",
        'if [ "$funcstack[1]" = _crackseg ]; then',
        '    _crackseg "$@"',
        "else",
        "    compdef _crackseg crackseg",
        "fi",
    ]
    return "\n".join(lines)


def _zsh_quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _zsh_option(item: Parameter, command: str) -> list[str]:
    text = _help(item).replace("[", "(").replace("]", ")").replace(":", " -")
    value = "" if item.kind is bool else "".join(f":{_zsh_value(item, command)}" for _ in range(item.length))
    star = "*" if item.repeated else ""
    return [f"{star}{flag}[{text}]{value}" for flag in item.flags]


def _zsh_positional(item: Parameter, command: str) -> str:
    return f"{'*' if item.repeated else ''}:{_zsh_value(item, command)}"


def _zsh_value(item: Parameter, command: str) -> str:
    label = item.metavar.replace(":", " ")
    if item.choices:
        return f"{label}:({' '.join(item.choices)})"
    if names := _known_names(item, command):
        return f"{label}:{{compadd -- {' '.join(names)}; _files}}"
    return f"{label}:_files" if _takes_file(item) else f"{label}: "


def _fish(syntaxes: list[Syntax]) -> str:
    lines = ["complete -c crackseg -n __fish_use_subcommand -f -l version -d 'Print the version'"]
    lines.append("complete -c crackseg -s h -l help -d 'Show the help'")
    for name in COMMANDS:
        lines.append(f"complete -c crackseg -n __fish_use_subcommand -f -a {name} -d {_fish_quote(_summary(name))}")
    for syntax in syntaxes:
        condition = f"complete -c crackseg -n '__fish_seen_subcommand_from {syntax.name}'"
        for item in syntax.options:
            lines.append(f"{condition} {_fish_option(item, syntax.name)} -d {_fish_quote(_help(item))}")
        for item in syntax.positionals:
            if words := item.choices or _known_names(item, syntax.name):
                lines.append(f"{condition} -f -a {_fish_quote(' '.join(words))}")
    return "\n".join(lines)


def _fish_option(item: Parameter, command: str) -> str:
    flags = [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in item.flags]
    if item.choices:
        flags.append(f"-x -a {_fish_quote(' '.join(item.choices))}")
    elif _takes_file(item):
        names = _known_names(item, command)
        flags.append(f"-r -F -a {_fish_quote(' '.join(names))}" if names else "-r -F")
    elif item.kind is not bool:
        flags.append("-x")
    return " ".join(flags)


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
