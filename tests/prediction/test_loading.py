"""Choose a model by name, file, run folder or environment variable."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crackseg.errors import ModelError, UsageError
from crackseg.prediction.loading import DEFAULT_MODEL, default_model, find_model, load_model, shipped_models


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRACKSEG_MODEL", raising=False)


def test_without_a_choice_the_default_model_is_found() -> None:
    assert default_model() == find_model().name == DEFAULT_MODEL


@pytest.mark.parametrize("value", ["", "crackseg-synthetic"])
def test_the_environment_chooses_the_default_model(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CRACKSEG_MODEL", value)
    name = value or DEFAULT_MODEL
    assert (default_model(), find_model().name, load_model().card.name) == (name, name, name)


def test_the_environment_may_name_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = shutil.copy(find_model().path, tmp_path / "mine.onnx")
    monkeypatch.setenv("CRACKSEG_MODEL", str(path))
    assert find_model().path == path


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRACKSEG_MODEL", "nothing")
    assert find_model("crackseg-synthetic").name == "crackseg-synthetic"


def test_an_unknown_model_in_the_environment_is_an_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRACKSEG_MODEL", "nothing")
    with pytest.raises(UsageError, match=r"^CRACKSEG_MODEL: no such model 'nothing'; set it to .*crackseg-mobile"):
        load_model()


def test_an_unknown_model_is_an_error_that_lists_the_shipped_ones() -> None:
    with pytest.raises(UsageError, match=f"^nothing: no such model; give .*{', '.join(shipped_models())}"):
        load_model("nothing")


def test_a_run_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model yet"):
        find_model(tmp_path)


def test_the_help_of_load_model_explains_every_choice_in_place() -> None:
    text = load_model.__doc__ or ""
    for choice in ("onnx", "openvino", "torch", "torch-compiled", "auto", "fp32", "bf16", "int8", "cuda:N"):
        assert f"``{choice}``" in text
    assert "see `" not in text
