"""Run the examples in the docstrings of networks, training and exporting."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

pytestmark = pytest.mark.train

MODULES = (
    "exporting.parity",
    "networks.config",
    "networks.factory",
    "training.cross_validation",
    "training.loss_sum",
    "training.losses",
    "training.rate_finder",
    "training.schedule",
    "training.weight_map",
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_print_what_they_show(name: str) -> None:
    results = doctest.testmod(import_module(f"crackseg.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
