"""crackseg models and crackseg configs: lists of what ships with the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crackseg.cli import main
from crackseg.cli.models import is_free
from crackseg.config import shipped_configs
from tests.runs import REPOSITORY, only_error


def test_each_model_begins_with_its_name_and_terms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    heads = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    assert [lines[number] for number in heads] == ["crackseg-mobile: RESTRICTED", "crackseg-synthetic: free to use"]
    assert all(lines[number + 1].startswith("  terms: ") for number in heads)


def test_the_json_of_each_model_says_if_it_is_free(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    assert {model["name"]: model["free"] for model in models} == {"crackseg-mobile": False, "crackseg-synthetic": True}


@pytest.mark.parametrize(
    ("terms", "free"),
    [
        pytest.param("MIT", True, id="open licence"),
        pytest.param("MIT, but for research only", False, id="research"),
        pytest.param("CC BY-NC 4.0, no commercial use", False, id="no commerce"),
        pytest.param("not stated", False, id="not stated"),
        pytest.param("", False, id="empty"),
    ],
)
def test_a_model_is_free_only_if_its_terms_name_an_open_licence_without_limits(terms: str, free: bool) -> None:  # noqa: FBT001
    assert is_free(terms) == free


def test_configs_lists_every_shipped_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs"]) == 0
    shown = capsys.readouterr().out
    assert [config.name for config in shipped_configs() if f"  {config.name:<16}{config.summary}\n" not in shown] == []
    assert main(["configs", "--json"]) == 0
    configs = json.loads(capsys.readouterr().out)["configs"]
    assert {(entry["kind"], entry["name"]) for entry in configs} == {(c.kind, c.name) for c in shipped_configs()}


def test_configs_prints_one_configuration_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "thin"]) == 0
    assert capsys.readouterr().out == (REPOSITORY / "configs" / "train" / "thin.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "mentions"),
    [
        pytest.param(["configs", "thni"], "did you mean 'thin'?", id="configs"),
        pytest.param(["generate", "out", "--config", "mixd"], "did you mean 'mixed'?", id="recipe"),
        pytest.param(["train", "--data", "walls", "--config", "thni"], "did you mean 'thin'?", id="training"),
        pytest.param(["inspect", "walls", "--rules", "concrete"], "concrete-0.3mm", id="rules"),
    ],
)
def test_an_unknown_name_lists_the_known_ones(
    arguments: list[str],
    mentions: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert mentions in only_error(capsys.readouterr().err)


def test_rules_and_recipes_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--count", "1", "--size", "64", "--config", "concrete", "--workers", "1", "--quiet"]
    assert main(["generate", "walls", *words]) == 0
    rules = ["--rules", "concrete-0.3mm", "--scale", "0.1", "--workers", "1", "--quiet"]
    assert main(["inspect", "walls/images", "--model", "crackseg-synthetic", *rules]) == 0
    assert Path("inspection/results.csv").exists()
