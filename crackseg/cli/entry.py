"""Where the command line begins."""

from __future__ import annotations

import sys

from crackseg.cli.exit_codes import guarded
from crackseg.cli.fast_predict import plain_predict
from crackseg.cli.predict_run import run_predict


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; what goes wrong becomes one line on stderr, never a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["predict"] and (options := plain_predict(arguments[1:])) is not None:
        return guarded(run_predict)(options)
    from crackseg.cli.app import main

    return main(arguments)
