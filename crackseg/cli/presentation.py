"""Declare the flags that say how a command prints; Python calls have none of them."""

from dataclasses import dataclass
from typing import Annotated

from crackseg.cli.command import option


@dataclass(frozen=True, kw_only=True)
class Presentation:
    """Choice of what a command prints."""

    json: Annotated[bool, option("--json", help="Print one JSON object on stdout.", group="Display")] = False
    quiet: Annotated[bool, option("--quiet", "-q", help="Show no progress.", group="Display")] = False
    verbose: Annotated[
        bool, option("--verbose", "-v", help="Print tiles, memory and the terms of the model.", group="Display")
    ] = False
