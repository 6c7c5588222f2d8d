"""Declare ``crackseg doctor``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crackseg.cli.command import Command
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED

if TYPE_CHECKING:
    from crackseg.cli.console import Console


@dataclass(frozen=True)
class Diagnosis:
    """State of this environment.

    Attributes:
        machine: Processor, system and versions of Python and crackseg.
        versions: Version by package; None if it is not installed.
        problems: Known problems, one line each.
    """

    machine: dict[str, str | int]
    versions: dict[str, str | None]
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return {"machine": self.machine, "versions": self.versions, "problems": list(self.problems)}


@dataclass(frozen=True)
class Doctor(Command[Diagnosis]):
    """Report installed versions and known problems of this environment."""

    examples = ("crackseg doctor",)
    presentation = ("json",)

    def run(self) -> Diagnosis:
        """Examine the environment."""
        from crackseg.machine import describe_machine, find_problems, installed_versions

        return Diagnosis(describe_machine(), installed_versions(), tuple(find_problems()))

    def show(self, result: Diagnosis, console: "Console") -> int:
        """Print versions and problems."""
        lines = [
            f"{key}: {value or 'not installed'}" for key, value in [*result.machine.items(), *result.versions.items()]
        ]
        if not console.json:
            for problem in result.problems:
                console.error(problem)
        if not result.problems:
            lines.append("no problem found")
        console.result(result.to_dict(), "\n".join(lines))
        return EXIT_SOME_FAILED if result.problems else EXIT_DONE
