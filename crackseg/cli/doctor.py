"""``crackseg doctor``."""

from __future__ import annotations

from crackseg.cli.options import JsonFlag, print_error, print_json
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED


def doctor(json: JsonFlag = False) -> int:
    """Say what is installed and what is wrong with it.

    Example: crackseg doctor
    """
    from crackseg.machine import describe_machine, find_problems, installed_versions

    machine, versions, problems = describe_machine(), installed_versions(), find_problems()
    if json:
        print_json({"machine": machine, "versions": versions, "problems": problems})
    else:
        for key, value in [*machine.items(), *versions.items()]:
            print(f"{key}: {value or 'not installed'}")
        for problem in problems:
            print_error(problem)
        if not problems:
            print("nothing wrong found")
    return EXIT_SOME_FAILED if problems else EXIT_DONE
