"""Run the examples in docstrings of the measuring, cleaning and scoring packages."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
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
SHOWN = (
    "crackseg.geometry.as_scale_source",
    "crackseg.masks.cleaning.clean",
    "crackseg.masks.cleaning.preset",
    "crackseg.masks.gaps.bridge_gaps",
    "crackseg.masks.morphology.fill_holes",
    "crackseg.measurement.crack.measure_cracks",
    "crackseg.measurement.skeleton.skeletonise",
    "crackseg.metrics.counts.Counts.of",
    "crackseg.metrics.curve.average_precision",
)


@pytest.mark.parametrize("name", MODULES)
def test_every_example_prints_what_its_docstring_shows(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_main_functions_have_an_example() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = {test.name for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples}
    assert set(SHOWN) <= names


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.__name__))
def test_every_public_name_resolves_and_others_do_not(package: ModuleType) -> None:
    assert sorted(package.__all__) == list(package.__all__)
    assert all(getattr(package, name) is not None for name in package.__all__)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="has no attribute 'missing'"):
        _ = package.missing
