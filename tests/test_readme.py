"""The README: its commands run in order in an empty folder and print what it shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from crackseg.prediction.loading import shipped_models

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
VERDICTS = re.compile(r"(?:\d+ (?:OK|WARN|NG|CANNOT JUDGE)(?:, )?)+")

SUBSTITUTIONS = {"--minutes 1": "--minutes 0.05"}
"""The only change to the README's commands: a shorter training."""


@dataclass(frozen=True)
class Command:
    """A command of the README with the output that follows it."""

    line: str
    output: str

    @property
    def depends_on_the_training(self) -> bool:
        return " train " in self.line or "--model run" in self.line


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def story() -> list[Command]:
    commands = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = part.partition("\n")
            commands.append(Command(line, output))
    return commands


def run(line: str, folder: Path) -> str:
    for old, new in SUBSTITUTIONS.items():
        line = line.replace(old, new)
    program, *arguments = shlex.split(line)
    assert program == "crackseg"
    environment = {key: value for key, value in os.environ.items() if key != "CRACKSEG_MODEL"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-m", "crackseg", *arguments]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{line}\n{ended.stderr}"
    return ended.stdout


def shape_of(text: str) -> str:
    """Return a text without its numbers and verdicts, spaces collapsed."""
    return re.sub(r"[ ]+", " ", NUMBER.sub("N", VERDICTS.sub("VERDICTS", text)))


def pattern_of(shown: str) -> str:
    """Return a pattern for an output; three dots stand for any lines."""
    lines = [
        r"(?:.*\n)*?" if line == "..." else re.escape(shape_of(line)) + r"\n" for line in shown.rstrip("\n").split("\n")
    ]
    return "".join(lines)


def numbers(text: str) -> list[float]:
    return [float(value) for value in NUMBER.findall(text)]


@pytest.mark.train
def test_the_story_runs_line_by_line_in_an_empty_folder(tmp_path: Path) -> None:
    commands = story()
    assert [command.line.split()[1] for command in commands] == [
        *("generate", "generate", "check", "train", "evaluate", "evaluate", "predict", "inspect"),
    ]
    for command in commands:
        output = run(command.line, tmp_path)
        assert re.fullmatch(pattern_of(command.output), shape_of(output)), f"{command.line}\n{output}"
        if not command.depends_on_the_training and "..." not in command.output:
            assert numbers(output) == pytest.approx(numbers(command.output), rel=0.05)
    (script,) = blocks("python")
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    ended = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "out" / "000000_mask.png").exists()


def test_the_first_command_prints_the_line_shown(tmp_path: Path) -> None:
    (shown,) = blocks("text")
    output = run(f"crackseg predict {ROOT / 'examples' / 'wall.png'} --model crackseg-mobile", tmp_path)
    assert shape_of(output) == shape_of(shown)
    assert numbers(output) == pytest.approx(numbers(shown), rel=0.02)


def test_each_install_line_makes_a_virtual_environment_of_another_name() -> None:
    (block,) = blocks("sh")
    folders = re.findall(r"^python3 -m venv (\S+) && \. \1/bin/activate && pip install ", block, flags=re.MULTILINE)
    assert len(folders) == len(block.strip().split("\n")) == len(set(folders))


def test_every_pip_install_works_from_a_checkout() -> None:
    assert set(re.findall(r"pip install (\S+)", README)) <= {".", "'.[dev]'", "'.[train]'`,"}


def test_the_terms_of_every_shipped_model_stand_before_the_installation() -> None:
    first_screen = README.partition("## Install")[0]
    assert all(f"`{name}`" in first_screen for name in shipped_models())
    assert "research only" in first_screen
    assert "CRACKSEG_MODEL" in first_screen
