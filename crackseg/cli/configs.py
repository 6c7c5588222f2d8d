"""Declare ``crackseg configs``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from crackseg.cli.command import Command, Positional
from crackseg.errors import EXIT_DONE

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.config import ShippedConfig

_TITLES = {
    "generate": "crackseg generate --config NAME",
    "train": "crackseg train --config NAME",
    "rules": "crackseg inspect --rules NAME",
}


@dataclass(frozen=True)
class Configs(Command["tuple[ShippedConfig, ...]"]):
    """List the shipped configurations, or print one.

    A name that exists in several kinds is written as KIND/NAME, such as train/default.
    """

    name: Annotated[str | None, Positional("NAME", "Configuration to print.")] = None
    examples = ("crackseg configs", "crackseg configs concrete-0.3mm > rules.yaml")
    presentation = ("json",)

    def run(self) -> "tuple[ShippedConfig, ...]":
        """Find the shipped configurations, or the one that is named."""
        from crackseg.config import find_shipped, shipped_configs

        return shipped_configs() if self.name is None else (find_shipped(self.name),)

    def show(self, result: "tuple[ShippedConfig, ...]", console: "Console") -> int:
        """Print the list, or the file."""
        if self.name is not None:
            (config,) = result
            text = config.path.read_text("utf-8")
            console.result({**_values(config), "text": text}, text.rstrip("\n"))
            return EXIT_DONE
        lines: list[str] = []
        for kind, title in _TITLES.items():
            lines += ["", f"{title}:"] if lines else [f"{title}:"]
            lines += [f"  {config.name:<16}{config.summary}" for config in result if config.kind == kind]
        console.result({"configs": [_values(config) for config in result]}, "\n".join(lines))
        return EXIT_DONE


def _values(config: "ShippedConfig") -> dict[str, Any]:
    return {"kind": config.kind, "name": config.name, "summary": config.summary, "path": str(config.path)}
