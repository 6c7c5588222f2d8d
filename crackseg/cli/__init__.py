"""The command line."""

from crackseg.cli.app import main

__all__ = ["main"]
