"""Tests of the examples in the docstrings of ``data_gen``."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import data_gen

MODULES = sorted(path.stem for path in Path(data_gen.__file__).parent.glob("[!_]*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_print_what_they_claim(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"data_gen.{name}")).failed == 0


def test_public_functions_have_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in ("draw_confounders", "generate_sample", "Recipe"):
        item = getattr(data_gen, name)
        assert any(test.examples for test in finder.find(item, item.__name__)), name
