"""The public names of the packages that need PyTorch."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

PACKAGES = [pytest.param(f"crackseg.{name}", id=name) for name in ("exporting", "networks", "training")]


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_the_package_loads_no_heavy_library(package: str) -> None:
    code = f"import sys, {package}; print({{'torch', 'cv2', 'onnx', 'pydantic'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.train
@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_resolves(package: str) -> None:
    module = import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)
    assert list(module.__all__) == sorted(module.__all__, key=lambda name: (not name.isupper(), name.islower(), name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing
