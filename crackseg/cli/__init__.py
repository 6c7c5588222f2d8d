"""Offer the package on the command line."""

from crackseg.cli.app import main

__all__ = ["main"]
