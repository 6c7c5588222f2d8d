"""Find the command that the user asks for, run it, and turn errors into exit codes."""

from __future__ import annotations

import os
import sys

from crackseg.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_RUN, EXIT_USAGE, CracksegError, UsageError

# Only what the list of commands needs is imported here: it shows in a few hundredths of a second.

GROUPS = {
    "Find cracks": {
        "predict": "Find the cracks in images: mask, overlay and measurements of each.",
        "inspect": "Inspect a folder of images by rules: OK, WARN, NG or CANNOT JUDGE.",
        "measure": "Measure the cracks of existing masks.",
    },
    "Prepare data": {
        "generate": "Generate synthetic crack images with exact masks.",
        "check": "Check a folder of images and masks for errors.",
        "convert": "Convert labels from one format to another.",
        "clean": "Remove specks, holes and gaps from masks.",
    },
    "Make models": {
        "train": "Train a network on images and masks.",
        "adapt": "Adapt a model to the images of one site, with or without masks.",
        "evaluate": "Score models or masks against true masks.",
        "export": "Export a model to ONNX or OpenVINO after verifying its predictions.",
        "models": "List the shipped models with their terms, scores and limits.",
    },
    "Set up": {
        "configs": "List the shipped configurations, or print one.",
        "doctor": "Report installed versions and known problems of this environment.",
        "completion": "Print a completion script for bash, zsh or fish.",
    },
}
"""Commands by group, each with its summary; each is declared in the module of its name in `crackseg.cli`."""

COMMANDS = tuple(name for group in GROUPS.values() for name in group)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code.

    An error becomes one line on stderr, never a traceback.

    Args:
        arguments: Words after ``crackseg``; those of this process if None.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return _dispatch(arguments)
    except CracksegError as error:
        _print_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _print_error("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has left; without this Python would print a traceback when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NOT_RUN
    except MemoryError:
        _print_error("out of memory; close other programs, or use smaller images or tiles")
        return EXIT_NOT_RUN


def _print_error(message: str) -> None:
    print(f"crackseg: error: {message}", file=sys.stderr)


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        print(program_help())
        return EXIT_USAGE
    first, rest = arguments[0], arguments[1:]
    if first in ("--help", "-h"):
        print(program_help())
        return EXIT_DONE
    if first == "--version":
        from importlib.metadata import version

        print(f"crackseg {version('crackseg')}")
        return EXIT_DONE
    if first in COMMANDS:
        return _run(first, rest)
    from crackseg.cli.parser import suggest

    kind = "option" if first.startswith("-") else "command"
    close = suggest(first, [*COMMANDS, "--help", "--version"])
    raise UsageError(f"no such {kind}", where=first, hint="; ".join(filter(None, (close, "see crackseg --help"))))


def _run(name: str, arguments: list[str]) -> int:
    from crackseg.cli.console import Console
    from crackseg.cli.loading import load_syntax
    from crackseg.cli.parser import HELP_FLAGS, parse

    syntax = load_syntax(name)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if any(flag in arguments[:end] for flag in HELP_FLAGS):
        from crackseg.cli.help import command_help

        print(command_help(syntax))
        return EXIT_DONE
    command, shown = parse(syntax, arguments)
    return command.execute(Console(json=shown.json, quiet=shown.quiet, verbose=shown.verbose))


def program_help() -> str:
    """Return the help of the program: its commands in groups."""
    parts = ["Usage: crackseg COMMAND [arguments] [options]", "Find, segment and measure cracks in images."]
    for title, commands in GROUPS.items():
        parts.append("\n".join([f"{title}:", *(f"  {name:<11}{summary}" for name, summary in commands.items())]))
    parts.append("Options:\n  --version  Print the version.\n  -h, --help Show this help, or that of a command.")
    parts.append("Without -o, results go to a folder named for them, such as predictions.")
    parts.append("Example:\n  crackseg predict wall.jpg -o out")
    return "\n\n".join(parts)
