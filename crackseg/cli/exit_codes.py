"""The one place where an error becomes a line and an exit code."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable

from crackseg.cli.output import print_error
from crackseg.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_RUN, CracksegError


def guarded(command: Callable[..., int | None]) -> Callable[..., int]:
    """Let a command end in an exit code, whatever happens; typer would have its own way with some of these."""

    @functools.wraps(command)
    def run(*arguments: object, **options: object) -> int:
        try:
            return command(*arguments, **options) or EXIT_DONE
        except CracksegError as error:
            print_error(str(error))
            return error.exit_code
        except KeyboardInterrupt:
            print_error("interrupted")
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has left; keep Python from saying so once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_NOT_RUN
        except MemoryError:
            print_error("out of memory; close other programs, or give smaller images or tiles")
            return EXIT_NOT_RUN

    return run
