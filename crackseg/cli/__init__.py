"""The command line."""

from crackseg.cli.entry import main

__all__ = ["main"]
