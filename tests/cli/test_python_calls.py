"""The Python functions: examples, files equal to those of the command line, and progress."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crackseg
from crackseg.cli import main
from crackseg.cli.app import COMMANDS
from crackseg.errors import UsageError
from crackseg.geometry import Scale
from crackseg.parallel import Progress

FUNCTIONS = tuple(name for name in crackseg.__all__ if name in COMMANDS)
EXAMPLES = [
    pytest.param(name, id=name, marks=[pytest.mark.train] if name in ("adapt", "train", "export") else [])
    for name in (*FUNCTIONS, "load_model")
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_function_runs(name: str, here: Path) -> None:
    test = doctest.DocTestParser().get_doctest(getattr(crackseg, name).__doc__, {}, name, None, 0)
    assert test.examples
    lines: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=lines.append)
    assert "".join(lines) == ""


@pytest.fixture
def walls(here: Path) -> Path:
    crackseg.generate(here / "walls", count=2, size=96, seed=3, workers=1)
    return here / "walls"


CALLS: list[Any] = [
    pytest.param(
        ["generate", "OUT", "--count", "2", "--size", "64", "--seed", "1", "--formats", "voc,coco", "--workers", "1"],
        lambda out: crackseg.generate(out, count=2, size=64, seed=1, formats="voc,coco", workers=1),
        id="generate",
    ),
    pytest.param(
        ["measure", "walls/masks", "-o", "OUT", "--scale", "0.2"],
        lambda out: crackseg.measure("walls/masks", output=out, scale=0.2),
        id="measure",
    ),
    pytest.param(
        ["clean", "walls/masks", "-o", "OUT", "--close", "5", "--min-area", "10"],
        lambda out: crackseg.clean("walls/masks", output=out, close=5, min_area=10),
        id="clean",
    ),
    pytest.param(
        ["convert", "walls/masks", "OUT", "--from", "masks", "--to", "labelme", "--polygons"],
        lambda out: crackseg.convert("walls/masks", out, from_="masks", to="labelme", polygons=True),
        id="convert",
    ),
]


@pytest.mark.parametrize(("arguments", "call"), CALLS)
def test_a_python_call_writes_the_files_of_its_command_line(
    arguments: list[str], call: Callable[[Path], Any], walls: Path, here: Path
) -> None:
    assert main([word.replace("OUT", "by_command") for word in arguments] + ["--quiet"]) == 0
    result = call(here / "by_call")
    assert files(here / "by_call") == files(here / "by_command") != {}
    assert "\n" not in repr(result)
    assert result.to_dict()
    assert all(isinstance(row, dict) for row in result.rows())


def test_an_inspection_from_python_writes_the_files_of_its_command_line(walls: Path, here: Path) -> None:
    model = "crackseg-synthetic"
    assert main(["inspect", "walls/images", "-o", "by_command", "--model", model, "--workers", "1", "--quiet"]) == 0
    crackseg.inspect("walls/images", output="by_call", model=model, workers=1)
    ours, theirs = files(here / "by_call"), files(here / "by_command")
    assert ours.keys() == theirs.keys()
    same = [name for name in ours if name.startswith(("masks", "overlays"))]
    assert same
    assert all(ours[name] == theirs[name] for name in same)


def test_a_python_call_reports_progress_and_prints_nothing(walls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps: list[Progress] = []
    crackseg.measure("walls/masks", output=None, progress=steps.append)
    crackseg.clean("walls/masks", output="cleaned", progress=steps.append)
    crackseg.check("walls", progress=steps.append)
    crackseg.generate("more", count=1, size=64, workers=1, progress=steps.append)
    crackseg.convert("walls/masks", "rle.csv", from_="masks", to="kaggle-rle", progress=steps.append)
    assert [step.fraction for step in steps if step.fraction == 1.0] == [1.0] * 5
    assert capsys.readouterr() == ("", "")


def test_a_python_call_raises_the_error_of_the_command_line(here: Path) -> None:
    with pytest.raises(UsageError, match="missing: no such file or folder; check the path"):
        crackseg.measure("missing")
    with pytest.raises(TypeError, match="unexpected keyword argument 'treshold'"):
        crackseg.inspect("walls", treshold=0.5)  # type: ignore[call-arg]


def test_a_python_call_takes_a_scale_with_its_source(walls: Path) -> None:
    scale = Scale(0.2, "laser", uncertainty=0.01)
    values = crackseg.measure("walls/masks", output=None, scale=scale).to_dict()["images"][0]
    assert (values["scale_mm_per_px"], values["scale_source"], values["scale_uncertainty"]) == (0.2, "laser", 0.01)


BARE_SCRIPT = """
import crackseg
print(crackseg.generate("walls", count=2, size=64, workers=2))
print(crackseg.inspect("walls/images", output="report", workers=2))
"""


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_script_without_a_main_guard_starts_workers_once(here: Path, source: str) -> None:
    Path("script.py").write_text(BARE_SCRIPT, encoding="utf-8")
    command, text = ([sys.executable, "script.py"], "") if source == "file" else ([sys.executable, "-"], BARE_SCRIPT)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=240, check=False, cwd=here)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "GenerationResult('walls', 2 samples, seed 0)"
    assert lines[1].startswith("InspectionResult('report', 2 files")
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        pytest.param("inspect", {"folder": "walls", "fail_on": "x"}, "fail_on: expected ng, cannot-judge", id="choice"),
        pytest.param("evaluate", {"data": "walls", "protocol": "x"}, "protocol: expected native, ", id="protocol"),
        pytest.param(
            "generate", {"output": "w", "count": "two"}, "count: expected a whole number, got 'two'", id="int"
        ),
        pytest.param("generate", {"output": "w", "workers": 0}, "workers: expected at least 1, got 0", id="minimum"),
        pytest.param("generate", {"output": "w", "set": 3}, "set: expected a list, got 3", id="list"),
        pytest.param(
            "generate", {"output": "w", "formats": ["voc"]}, "formats: expected a text, got ['voc']; join", id="text"
        ),
        pytest.param("check", {"folder": None}, "folder: expected a path, got None", id="path"),
        pytest.param("measure", {"masks": "m", "scale": "0.2"}, "scale: expected a number, got '0.2'", id="number"),
        pytest.param(
            "clean", {"masks": "m", "fill_holes": "no"}, "fill_holes: expected True or False, got 'no'", id="flag"
        ),
        pytest.param("evaluate", {"data": "w", "compare": ["a"]}, "compare: expected 2 values, got 1", id="pair"),
    ],
)
def test_a_wrong_argument_is_named(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        getattr(crackseg, name)(**options)
    assert str(caught.value).startswith(message)


def test_an_unknown_argument_names_the_function() -> None:
    unknown: dict[str, Any] = {"counts": 3}
    with pytest.raises(TypeError, match=r"^crackseg\.generate: got an unexpected keyword argument 'counts'; see help"):
        crackseg.generate("walls", **unknown)


def test_one_setting_and_none_are_values_of_a_python_call(here: Path) -> None:
    crackseg.generate("walls", count=1, size=64, set="cracks.count=[1,1]", workers=None)
    assert "count: [1, 1]" in (here / "walls" / "recipe.yaml").read_text("utf-8")
