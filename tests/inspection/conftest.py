"""Provide fixtures for the tests of inspection."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inspection.scenes import write_model


@pytest.fixture(scope="session")
def dark_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that takes dark for crack."""
    return write_model(tmp_path_factory.mktemp("model") / "dark.onnx")
