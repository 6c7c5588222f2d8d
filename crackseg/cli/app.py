"""The commands, and what typer makes of their arguments."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from crackseg.cli.exit_codes import guarded
from crackseg.cli.fast_arguments import QuickCommand, QuickGroup
from crackseg.cli.output import print_error
from crackseg.errors import EXIT_DONE, EXIT_USAGE

COMMANDS = (
    *("generate", "train", "predict", "evaluate", "measure", "inspect"),
    *("convert", "clean", "check", "export", "models", "doctor"),
)
"""Each is the function of its name in the module of its name in `crackseg.cli`."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"crackseg {version('crackseg')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Find, segment and measure cracks in photographs."""


def build_app(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """Return the command line with some of its commands; each costs its import and the reading of its options."""
    app = typer.Typer(
        name="crackseg",
        cls=QuickGroup,
        help="Find, segment and measure cracks in photographs.",
        no_args_is_help=True,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in names:
        command = getattr(import_module(f"crackseg.cli.{name}"), name)
        app.command(cls=QuickCommand)(guarded(command))
    app.callback()(_root)
    return app


def _report_usage(error: typer.TyperException) -> int:
    """Say in one line what is wrong with the command line; `crackseg` alone prints its help."""
    describe = getattr(error, "format_message", None)
    message = str(error) if describe is None else str(describe())
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message)
    else:
        path = "crackseg" if context is None else context.command_path
        print_error(f"{' '.join(message.split()).rstrip('.')}; see {path} --help")
    return EXIT_USAGE


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; what goes wrong becomes one line on stderr, never a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    app = build_app(arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS)
    try:
        result = app(args=arguments, prog_name="crackseg", standalone_mode=False)
    except typer.TyperException as error:
        return _report_usage(error)
    return result if isinstance(result, int) else EXIT_DONE
