"""The examples in the docstrings of the package."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

from crackseg import evaluation
from tests.evaluation.scenes import scribbled, write_set

MODULES = sorted(module.name for module in pkgutil.iter_modules(evaluation.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path / "walls", scribbled(2))
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(import_module(f"crackseg.evaluation.{name}")).failed == 0


@pytest.mark.parametrize("name", [name for name in evaluation.__all__ if name[0].islower()])
def test_every_public_function_has_an_example(name: str) -> None:
    assert ">>>" in getattr(evaluation, name).__doc__
