"""The examples in the docstrings of the package."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from tests.datasets.scenes import write_walls

MODULES = ("check", "findings", "fingerprint", "label_statistics", "pairs", "repair", "samples")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_walls(tmp_path / "walls", 4)
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(import_module(f"crackseg.datasets.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
