"""The examples in the docstrings of the label formats."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import crackseg.labels

MODULES = sorted(path.stem for path in Path(crackseg.labels.__file__).parent.glob("[!_]*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_print_what_they_claim(name: str) -> None:
    module = importlib.import_module(f"crackseg.labels.{name}")
    result = doctest.testmod(module)
    assert result.failed == 0


def test_most_modules_have_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = [importlib.import_module(f"crackseg.labels.{name}") for name in MODULES]
    counts = {module.__name__: sum(len(test.examples) for test in finder.find(module)) for module in modules}
    assert sum(count > 0 for count in counts.values()) >= 18, counts
