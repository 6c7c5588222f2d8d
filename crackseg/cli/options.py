"""The flags by which a user says how much a command tells, and what it tells with."""

from __future__ import annotations

from typing import Annotated

import typer

from crackseg.cli.output import ProgressLine as ProgressLine
from crackseg.cli.output import print_error as print_error
from crackseg.cli.output import print_json as print_json

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout instead of text.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
