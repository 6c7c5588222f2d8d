"""Each command is one dataclass: its help, its parser, its completion and its Python function agree."""

from __future__ import annotations

import dataclasses
import inspect
import keyword
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Literal, get_args

import pytest

import crackseg
from crackseg.cli import main
from crackseg.cli.app import COMMANDS, GROUPS, program_help
from crackseg.cli.command import Option, Parameter, Positional
from crackseg.cli.completion_scripts import completion_script
from crackseg.cli.help import WIDTH, command_help, description, option_text
from crackseg.cli.loading import load_syntax
from crackseg.cli.options import PrecisionOption, RuntimeOption, TtaOption
from crackseg.cli.parser import Syntax, parse
from crackseg.cli.predict import Predict
from crackseg.errors import UsageError
from crackseg.labels.detections import LabelFormat as DetectionFormat
from crackseg.modelcard.card import PrecisionName
from crackseg.prediction.loading import RuntimeName
from crackseg.prediction.tta import TtaName
from tests.runs import only_error

SYNTAXES = [pytest.param(load_syntax(name), id=name) for name in COMMANDS]
FUNCTIONS = tuple(name for name in crackseg.__all__ if name in COMMANDS)
Shell = Literal["bash", "zsh", "fish"]


def one_line(text: str) -> str:
    return " ".join(text.split())


def values_for(item: Parameter) -> list[str]:
    """Texts that are right for a parameter."""
    minimum = getattr(item.marker, "minimum", None) or 1
    text = {bool: "", int: f"{minimum:g}", float: f"{minimum:g}"}.get(item.kind, "text")
    if item.choices:
        text = item.choices[-1]
    return [] if item.kind is bool else [text] * item.length


def required_words(syntax: Syntax) -> list[str]:
    """The shortest command line of a command."""
    words = [word for item in syntax.positionals if item.required for word in values_for(item)]
    return words + [word for item in syntax.options if item.required for word in (item.label, *values_for(item))]


# Help


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_help_shows_every_option_with_its_group_help_and_default(syntax: Syntax) -> None:
    text = command_help(syntax)
    sections = {part.partition(":\n")[0]: one_line(part) for part in text.split("\n\n") if ":\n" in part}
    for item in syntax.options:
        assert isinstance(item.marker, Option)
        section = sections[item.marker.group]
        assert ", ".join(sorted(item.flags, key=len)) in section
        assert one_line(option_text(item)) in section
        assert item.kind is bool or re.search(r"default: |required", option_text(item)), item.name
    for item in syntax.positionals:
        assert item.marker.help in sections["Arguments"]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_help_fits_80_columns_and_cuts_nothing(syntax: Syntax) -> None:
    lines = command_help(syntax).splitlines()
    assert [line for line in lines if len(line) > WIDTH] == []
    assert [line for line in lines if "…" in line or (line.endswith("...") and "Usage" not in line)] == []


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_examples_of_the_help_are_command_lines(syntax: Syntax) -> None:
    assert syntax.command.examples
    for example in syntax.command.examples:
        words = re.search(r"crackseg (.*?)(\)|>|$)", example)
        assert words is not None
        name, *arguments = shlex.split(words.group(1))
        assert name == syntax.name
        parse(syntax, arguments)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_list_of_commands_has_the_summary_of_each_docstring(syntax: Syntax) -> None:
    summary = next(commands[syntax.name] for commands in GROUPS.values() if syntax.name in commands)
    assert description(syntax).splitlines()[0] == summary
    assert f"  {syntax.name:<11}{summary}" in program_help().splitlines()


def test_the_list_of_commands_fits_80_columns() -> None:
    assert [line for line in program_help().splitlines() if len(line) > WIDTH] == []


# Names


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_name_of_a_field_is_that_of_its_long_flag(syntax: Syntax) -> None:
    for item in syntax.options:
        name = item.flags[0].removeprefix("--").replace("-", "_")
        assert item.name == (f"{name}_" if keyword.iskeyword(name) else name)
        assert item.flags[0].startswith("--")


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_positionals_may_be_passed_by_place_and_options_only_by_name(syntax: Syntax) -> None:
    fields = {field.name: field for field in dataclasses.fields(syntax.command)}
    assert fields["progress"].kw_only
    for item in syntax.parameters:
        assert fields[item.name].kw_only == isinstance(item.marker, Option)


def test_choices_are_those_of_the_library() -> None:
    for declared, named in ((RuntimeOption, RuntimeName), (PrecisionOption, PrecisionName), (TtaOption, TtaName)):
        annotation = get_args(declared)[0]
        assert get_args(named) in (get_args(annotation), *map(get_args, get_args(annotation)))
    formats = ",".join(get_args(DetectionFormat))
    for name in ("predict", "inspect"):
        (item,) = (item for item in load_syntax(name).options if item.name == "formats")
        assert item.marker.help == f"Also write labels: some of {formats}."


# Parsing


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_option_is_read_into_its_field(syntax: Syntax) -> None:
    for item in syntax.options:
        for flag in item.flags:
            words = [*required_words(syntax), flag, *values_for(item)]
            command, presentation = parse(syntax, words)
            owner = command if item in syntax.parameters else presentation
            value = getattr(owner, item.name)
            if item.kind is bool:
                assert value is True
            elif item.repeated:
                assert [str(part) for part in value][-1:] == values_for(item)
            elif item.length > 1:
                assert list(value) == values_for(item)
            else:
                assert str(value) == values_for(item)[0] or value == item.kind(values_for(item)[0])


def test_options_and_positionals_may_be_mixed() -> None:
    syntax = load_syntax("predict")
    mixed, shown = parse(
        syntax, ["a.png", "--json", "b.png", "-o", "out", "c.png", "-qv", "--tile=128", "--", "-d.png"]
    )
    images = [Path(name) for name in ("a.png", "b.png", "c.png", "-d.png")]
    expected = Predict(images, output=Path("out"), tile=128)
    assert mixed == expected
    assert (shown.json, shown.quiet, shown.verbose) == (True, True, True)


def test_an_option_is_not_known_by_its_beginning() -> None:
    with pytest.raises(UsageError, match=r"--thresh: no such option; did you mean --threshold\?; see crackseg predict"):
        parse(load_syntax("predict"), ["a.png", "--thresh", "0.5"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["preditc"], "preditc: no such command; did you mean predict?; see crackseg --help", id="command"),
        pytest.param(["--hepl"], "--hepl: no such option; did you mean --help?; see crackseg --help", id="option"),
        pytest.param(
            ["predict", "a", "--runtime", "onxx"],
            "--runtime: expected auto, onnx, openvino, torch or torch-compiled, got 'onxx'; did you mean onnx?; "
            "see crackseg predict --help",
            id="choice",
        ),
        pytest.param(
            ["predict"],
            "missing argument IMAGE|DIR (images, or folders of images); see crackseg predict --help",
            id="missing argument",
        ),
        pytest.param(["evaluate"], "--data: missing option; see crackseg evaluate --help", id="missing option"),
        pytest.param(
            ["check", "a", "b"], "b: unexpected argument; remove it; see crackseg check --help", id="one too many"
        ),
        pytest.param(
            ["train", "--data", "a", "--folds", "few"],
            "--folds: expected a whole number, got 'few'; see crackseg train --help",
            id="no number",
        ),
        pytest.param(
            ["generate", "a", "--seed", "-1"],
            "--seed: expected at least 0, got -1; see crackseg generate --help",
            id="too small",
        ),
        pytest.param(
            ["evaluate", "--data", "a", "--compare", "b"],
            "--compare: expected 2 values; see crackseg evaluate --help",
            id="one of two values",
        ),
        pytest.param(["predict", "a", "-o"], "--output: expected a value; see crackseg predict --help", id="no value"),
        pytest.param(
            ["predict", "a", "--json=1"], "--json: expected no value; see crackseg predict --help", id="needless value"
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_problem_and_remedy(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert only_error(shown.err) == message
    assert shown.out == ""


# Completion


@pytest.mark.parametrize("shell", get_args(Shell))
def test_the_completion_lists_every_command_option_and_choice(shell: Shell) -> None:
    script = completion_script(shell)
    for name in COMMANDS:
        syntax = load_syntax(name)
        assert name in script
        for item in (*syntax.options, *syntax.positionals):
            for flag in item.flags:
                assert (f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}") in script or flag in script
            assert " ".join(item.choices) in script


@pytest.mark.parametrize("shell", get_args(Shell))
def test_the_completion_script_has_no_syntax_error(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    ended = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["pre"], ["predict"], id="command"),
        pytest.param(["predict", "--runtime", "open"], ["openvino"], id="choice"),
        pytest.param(["predict", "--thr"], ["--threshold"], id="option"),
        pytest.param(["predict", "a "], ["a wall.png"], id="file"),
        pytest.param(["predict", "--threshold", ""], [], id="a number"),
        pytest.param(["train", "--config", "unetp"], ["unetplusplus"], id="name of a configuration"),
        pytest.param(["inspect", "--rules", "pre"], ["presence"], id="name of rules"),
        pytest.param(["predict", "--model", "crackseg-s"], ["crackseg-synthetic"], id="name of a model"),
        pytest.param(["configs", "thi"], ["thin"], id="configuration to print"),
        pytest.param(["completion", ""], ["bash", "zsh", "fish"], id="positional choice"),
    ],
)
def test_bash_completes(words: list[str], expected: list[str], tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    (tmp_path / "a wall.png").touch()
    line = " ".join(shlex.quote(word) for word in ("crackseg", *words))
    code = f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _crackseg; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    script = f"{completion_script('bash')}\n{code}\n"
    ended = subprocess.run(["bash"], input=script, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert [line for line in ended.stdout.splitlines() if line] == expected


# Python


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_python_function_has_the_options_of_its_command(name: str) -> None:
    function, syntax = getattr(crackseg, name), load_syntax(name)
    parameters = inspect.signature(function).parameters
    assert set(parameters) == {item.name for item in syntax.parameters} | {"progress"}
    for item in syntax.parameters:
        kind = parameters[item.name].kind
        assert kind == (kind.POSITIONAL_OR_KEYWORD if isinstance(item.marker, Positional) else kind.KEYWORD_ONLY)
        assert f"    {item.name}: {item.marker.help}" in (function.__doc__ or "")
    assert (function.__name__, function.__module__) == (name, "crackseg")


def test_every_command_that_writes_results_is_a_python_function() -> None:
    assert set(COMMANDS) - set(FUNCTIONS) == {"predict", "models", "configs", "doctor", "completion"}
