"""Run the examples in docstrings of the measuring, cleaning and scoring packages."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Callable
from types import ModuleType

import pytest

import crackseg.masks
import crackseg.measurement
import crackseg.metrics

PACKAGES = (crackseg.masks, crackseg.measurement, crackseg.metrics)
MODULES = (
    "crackseg.geometry",
    *(f"{package.__name__}.{module.name}" for package in PACKAGES for module in pkgutil.iter_modules(package.__path__)),
)


@pytest.mark.parametrize("name", MODULES)
def test_every_example_prints_what_its_docstring_shows(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(
    "function",
    [getattr(package, name) for package in PACKAGES for name in package.__all__ if name.islower()],
    ids=lambda function: str(function.__name__),
)
def test_every_public_function_has_an_example(function: Callable[..., object]) -> None:
    assert ">>> " in (function.__doc__ or "")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.__name__))
def test_every_public_name_resolves_and_others_do_not(package: ModuleType) -> None:
    assert sorted(package.__all__) == list(package.__all__)
    assert all(getattr(package, name) is not None for name in package.__all__)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="has no attribute 'missing'"):
        _ = package.missing
