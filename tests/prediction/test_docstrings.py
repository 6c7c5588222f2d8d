"""Run the examples in the docstrings of prediction and model cards."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import crackseg.modelcard
import crackseg.prediction

MODULES = sorted(
    f"{package.__name__}.{module.name}"
    for package in (crackseg.prediction, crackseg.modelcard)
    for module in pkgutil.iter_modules(package.__path__)
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CRACKSEG_MODEL", raising=False)
    results = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert results.failed == 0


@pytest.mark.parametrize(
    "name",
    [
        "loading.load_model",
        "model.Model.predict",
        "model.Model.predict_many",
        "model.Model.with_options",
        "result.Prediction.save",
        "result.Prediction.rows",
    ],
)
def test_the_main_calls_have_an_example(name: str) -> None:
    module = importlib.import_module(f"crackseg.prediction.{name.split('.')[0]}")
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = {test.name.removeprefix("crackseg.prediction."): len(test.examples) for test in finder.find(module)}
    assert examples.get(name, 0) > 0
