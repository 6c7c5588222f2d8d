"""Behaviour that all commands share: help, version, and one line for each mistake."""

from __future__ import annotations

import json

import pytest

from crackseg import __version__
from crackseg.cli import main
from crackseg.cli.app import COMMANDS
from tests.runs import only_error, run_module


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_help_of_every_command_shows_an_example(
    command: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, flag]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1].startswith(("  crackseg ", "  eval "))
    assert f"crackseg {command}" in shown.out[shown.out.index("\nExample") :]
    assert shown.err == ""


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [command for command in COMMANDS if command not in shown] == []


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"crackseg {__version__}\n"


def test_python_dash_m_works() -> None:
    done = run_module("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"crackseg {__version__}\n", "")


def test_no_command_shows_the_help_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert len((shown.out + shown.err).splitlines()) > 5
    assert "Usage:" in shown.out + shown.err
    assert "crackseg: error" not in shown.err


@pytest.mark.parametrize(
    ("arguments", "mentions"),
    [
        pytest.param(["predict", "--nope", "photo.png"], "--nope", id="unknown option"),
        pytest.param(["preditc", "photo.png"], "preditc", id="unknown command"),
        pytest.param(["predict"], "images", id="no image"),
        pytest.param(["train", "--output", "run"], "--data", id="no data folder"),
        pytest.param(["train", "--data", "walls", "--output"], "--output", id="no run folder"),
        pytest.param(["evaluate"], "--data", id="no data"),
        pytest.param(["generate"], "OUT", id="no output"),
        pytest.param(["generate", "out", "--count", "many"], "--count", id="count is no number"),
        pytest.param(["generate", "out", "--seed", "-1"], "--seed", id="negative seed"),
        pytest.param(["generate", "out", "--workers", "0"], "--workers", id="no workers"),
        pytest.param(["predict", "photo.png", "--tile", "8"], "--tile", id="tile below the smallest"),
        pytest.param(["predict", "photo.png", "--runtime", "tensorflow"], "tensorflow", id="unknown runtime"),
        pytest.param(["evaluate", "--data", "walls", "--protocol", "best"], "best", id="unknown protocol"),
        pytest.param(["predict", "photo.png", "--scale", "wide"], "--scale", id="scale is no number"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_code_2(
    arguments: list[str], mentions: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    line = only_error(shown.err)
    assert mentions.lower() in line.lower()
    assert "see crackseg" in line
    assert shown.out == ""


def test_a_mistake_in_a_process_of_its_own_is_one_line_and_exit_code_2() -> None:
    done = run_module("predict", "--nope", "photo.png")
    assert done.returncode == 2
    assert "--nope" in only_error(done.stderr)


def test_the_doctor_says_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert code == (1 if answer["problems"] else 0)
    assert answer["versions"]["numpy"]
    assert answer["machine"]["cores"] >= 1
