"""The package as a whole: light imports, complete names, and the rules of the house."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import crackseg
from tests.conftest import RunPython

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for package in ("crackseg", "data_gen") for path in (ROOT / package).rglob("*.py"))
HEAVY = ("torch", "cv2", "numpy", "PIL", "onnxruntime", "pydantic", "yaml", "lxml", "albumentations", "matplotlib")
PACKAGES = ("data_gen", *(f"crackseg.{path.parent.name}" for path in sorted((ROOT / "crackseg").glob("*/__init__.py"))))
FACES = [name for name in PACKAGES if name != "crackseg.weights"]
"""Packages with public names; the weights are files only."""

TRAINING = (
    "torch",
    "torchvision",
    "segmentation_models_pytorch",
    "albumentations",
    "safetensors",
    "onnx",
    "matplotlib",
)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def loaded_after(run_python: RunPython, code: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after some code."""
    ended = run_python(f"{code}\nimport sys, json\nprint('\\n' + json.dumps(sorted(sys.modules)))")
    assert ended.returncode == 0, ended.stderr
    return {name.partition(".")[0] for name in json.loads(ended.stdout.splitlines()[-1])}


# Imports


def test_importing_crackseg_loads_neither_torch_nor_opencv_nor_anything_else_heavy(run_python: RunPython) -> None:
    loaded = loaded_after(run_python, "import crackseg")
    assert "crackseg" in loaded
    assert not loaded & {*HEAVY, "argparse", "dataclasses"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["predict", "--help"], ["train", "--help"]], ids=" ".join
)
def test_help_loads_nothing_heavy(run_python: RunPython, arguments: list[str]) -> None:
    loaded = loaded_after(run_python, f"from crackseg.cli import main\nassert main({arguments!r}) == 0")
    assert not loaded & {*HEAVY, "rich"}
    if len(arguments) == 1:
        assert not loaded & {"argparse", "dataclasses"}


def test_the_faces_of_all_packages_load_nothing_heavy(run_python: RunPython) -> None:
    code = "".join(f"import {name}\n" for name in PACKAGES)
    assert not loaded_after(run_python, code) & set(HEAVY)


def test_no_module_imports_typer() -> None:
    assert [relative(path) for path in SOURCES if "typer" in set(imported_names(path))] == []


def test_predicting_needs_no_package_of_the_training_extra(run_python: RunPython) -> None:
    modules = ("prediction.model", "prediction.loading", "evaluation", "generation")
    code = "".join(f"import crackseg.{name}\n" for name in modules)
    assert not loaded_after(run_python, code + "crackseg.load_model") & set(TRAINING)


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def test_only_the_networks_and_the_torch_runtime_import_torch() -> None:
    importers = {
        relative(path)
        for path in SOURCES
        for name in imported_names(path)
        if name.partition(".")[0]
        in ("torch", "torchvision", "segmentation_models_pytorch", "albumentations", "safetensors")
    }
    assert importers
    allowed = (
        "crackseg/networks/",
        "crackseg/training/",
        "crackseg/exporting/from_torch.py",
        "crackseg/runtimes/torch.py",
    )
    assert [name for name in importers if not name.startswith(allowed)] == []


def test_data_gen_imports_nothing_of_crackseg_and_never_touches_the_disk() -> None:
    forbidden = {"crackseg", "torch", "PIL", "yaml", "lxml", "os", "pathlib", "io", "shutil", "tempfile"}
    imports = {
        (relative(path), name)
        for path in SOURCES
        if relative(path).startswith("data_gen/")
        for name in imported_names(path)
        if name.partition(".")[0] in forbidden
    }
    assert imports == set()


# Names


def test_every_public_name_resolves() -> None:
    assert crackseg.__all__ == sorted(crackseg.__all__)
    for name in crackseg.__all__:
        assert getattr(crackseg, name).__name__ == name
        assert name in dir(crackseg)
    assert crackseg.__version__


@pytest.mark.parametrize("package", FACES)
def test_every_name_of_a_package_resolves_and_is_listed(package: str) -> None:
    module = import_module(package)
    names = module.__all__
    assert names
    assert len(names) == len(set(names))
    assert set(names) <= set(dir(module))
    assert all(getattr(module, name) is not None for name in names)


@pytest.mark.parametrize("package", FACES)
def test_an_unknown_name_of_a_package_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        import_module(package).no_such_name  # noqa: B018


def test_the_names_of_the_contract_are_public() -> None:
    assert {"load_model", "CrackMeasurement", "CracksegError", "Scale"} <= set(crackseg.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lode_model'"):
        crackseg.lode_model  # noqa: B018


def test_public_names_are_the_objects_of_their_modules() -> None:
    from crackseg.errors import CracksegError
    from crackseg.prediction.loading import load_model

    assert crackseg.CracksegError is CracksegError
    assert crackseg.load_model is load_model


def test_a_star_import_brings_every_public_name(run_python: RunPython) -> None:
    ended = run_python(
        "from crackseg import *\nimport crackseg\nprint(all(name in globals() for name in crackseg.__all__))"
    )
    assert ended.stdout.strip() == "True", ended.stderr


# The wheel


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    pytest.importorskip("hatchling", reason="the build backend is not installed here")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_module_and_nothing_but_the_two_packages(wheel_names: set[str]) -> None:
    assert {relative(path) for path in SOURCES} <= wheel_names
    tops = {name.partition("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"crackseg", "data_gen"}


def test_the_wheel_says_that_its_types_can_be_used(wheel_names: set[str]) -> None:
    assert {"crackseg/py.typed", "data_gen/py.typed"} <= wheel_names


def test_the_wheel_holds_the_shipped_model_with_its_card_and_stays_small(wheel_names: set[str]) -> None:
    models = {name for name in wheel_names if name.startswith("crackseg/weights/") and name.endswith(".onnx")}
    assert models
    assert {name.removesuffix(".onnx") + ".json" for name in models} <= wheel_names
    assert all((ROOT / name).stat().st_size <= 10_000_000 for name in models)


def test_the_wheel_holds_the_configurations(wheel_names: set[str]) -> None:
    configs = {relative(path) for path in (ROOT / "configs").rglob("*.yaml")}
    assert {f"crackseg/{name}" for name in configs} <= wheel_names


def test_the_wheel_holds_every_shipped_configuration(wheel_names: set[str]) -> None:
    configs = {f"crackseg/{relative(path)}" for path in (ROOT / "configs").rglob("*.yaml")}
    assert configs
    assert configs <= wheel_names


def test_the_core_does_not_depend_on_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dependencies"]
    assert not [line for line in project["dependencies"] if line.partition(">")[0].strip() in TRAINING]
    assert project["scripts"] == {"crackseg": "crackseg.cli:main"}


# The rules of the house


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, those of the docstring left out."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def test_there_are_sources_to_look_at() -> None:
    assert len(SOURCES) > 40


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_file_has_at_most_400_lines_and_a_function_at_most_60(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert [(item.name, code_lines(item)) for item in functions(path) if code_lines(item) > 60] == []


def test_no_module_is_called_by_a_name_that_says_nothing() -> None:
    empty = {"utils", "common", "helpers", "core", "manager", "misc", "base"}
    assert [relative(path) for path in SOURCES if path.stem in empty or path.parent.name in empty] == []


def test_six_flat_modules_are_the_ground() -> None:
    flat = {path.stem for path in (ROOT / "crackseg").glob("*.py")} - {"__init__", "__main__"}
    assert flat == {"config", "errors", "files", "geometry", "machine", "parallel"}


def test_packages_are_at_most_two_deep() -> None:
    assert [relative(path) for path in SOURCES if len(path.relative_to(ROOT).parts) > 3] == []


def test_every_module_has_a_docstring() -> None:
    assert [relative(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_bytes()))] == []


def is_transparent_wrapper(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("wraps" in ast.unparse(decorator) for decorator in function.decorator_list)


def test_no_function_but_a_transparent_wrapper_passes_unnamed_options_on() -> None:
    takers = [(relative(path), item.name) for path in SOURCES for item in functions(path) if item.args.kwarg]
    wrappers = [
        (relative(path), item.name) for path in SOURCES for item in functions(path) if is_transparent_wrapper(item)
    ]
    assert [item for item in takers if item not in wrappers] == []
