"""The examples in the docstrings of the package."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from tests.evaluation.scenes import scribbled, write_set

MODULES = ("comparison", "counting", "report", "request", "run", "table", "text")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path / "walls", scribbled(2))
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(import_module(f"crackseg.evaluation.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
