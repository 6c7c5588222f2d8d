"""Fixtures of the tests of the commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs import one_thread, trained_run, walls


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="session")
def data() -> Path:
    """A data folder of walls with a dark line each."""
    return walls()


@pytest.fixture(scope="session")
def run() -> Path:
    """A finished run folder; not to be written to."""
    return trained_run()
