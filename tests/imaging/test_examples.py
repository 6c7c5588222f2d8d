"""Run the examples in the docstrings of the imaging package."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import crackseg.imaging

MODULES = [f"crackseg.imaging.{module.name}" for module in pkgutil.iter_modules(crackseg.imaging.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_the_printed_results(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize("name", crackseg.imaging.__all__)
def test_every_public_function_has_an_example(name: str) -> None:
    item = getattr(crackseg.imaging, name)
    if inspect.isfunction(item) and name != "read_file":
        assert ">>> " in (item.__doc__ or "")
