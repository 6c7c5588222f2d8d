"""Arguments read without pydantic where they are plain, and by typer wherever that cannot be done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.core import TyperCommand

from crackseg.cli.app import main as app_main
from crackseg.cli.fast_arguments import QuickCommand
from crackseg.cli.fast_predict import plain_predict
from crackseg.cli.predict_run import PredictOptions

Seen = list[tuple[object, ...]]


def command(seen: Seen, kind: type[TyperCommand]) -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

    @app.command(cls=kind)
    def run(
        images: Annotated[list[Path], typer.Argument()],
        output: Annotated[Path, typer.Option("--output", "-o")] = Path("predictions"),
        runtime: Annotated[Literal["auto", "onnx"], typer.Option()] = "auto",
        model: Annotated[str | None, typer.Option()] = None,
        threshold: Annotated[float | None, typer.Option()] = None,
        data: Annotated[list[Path] | None, typer.Option()] = None,
        json: Annotated[bool, typer.Option("--json")] = False,  # noqa: FBT002
    ) -> None:
        seen.append((images, output, runtime, model, threshold, data, json))

    return app


LINES = [
    pytest.param(["a.png"], id="defaults"),
    pytest.param(["a.png", "b.png", "-o", "out", "--json"], id="paths and a flag"),
    pytest.param(["a.png", "--runtime", "onnx", "--model", "m", "--data", "x", "--data", "y"], id="choice and lists"),
    pytest.param(["a.png", "--threshold", "0.5"], id="a number"),
    pytest.param(["a.png", "--threshold", "many"], id="no number"),
    pytest.param(["a.png", "--runtime", "tflite"], id="no such choice"),
    pytest.param([], id="nothing"),
]


def outcome(kind: type[TyperCommand], line: list[str]) -> tuple[Seen, str]:
    """What a command was called with, and how typer ended."""
    seen: Seen = []
    try:
        command(seen, kind)(line, standalone_mode=False)
    except typer.TyperException as error:
        return seen, f"{type(error).__name__}: {error}"
    return seen, ""


@pytest.mark.parametrize("line", LINES)
def test_every_argument_has_the_value_that_typer_gives_it(line: list[str]) -> None:
    assert outcome(QuickCommand, line) == outcome(TyperCommand, line)


class _Elsewhere(QuickCommand):
    """A typer that keeps nothing where the known version does."""

    def get_params(self, ctx: Any) -> list[Any]:
        from typer.core import TyperArgument, TyperOption

        with pytest.MonkeyPatch.context() as patch:
            for kind in (TyperArgument, TyperOption):
                patch.setattr(kind, "__getattribute__", _without_the_private)
            return super().get_params(ctx)


def _without_the_private(parameter: object, name: str) -> object:
    if name in ("_runtime_param", "type_descriptor", "get_runtime_param"):
        raise AttributeError(name)
    return object.__getattribute__(parameter, name)


@pytest.mark.parametrize("line", LINES)
def test_a_typer_that_keeps_its_reader_elsewhere_reads_by_itself(line: list[str]) -> None:
    assert outcome(_Elsewhere, line) == outcome(TyperCommand, line)


PLAIN_TEXTS = ["a.png", "b c.jpg", "-", "--", "", "-o", "--output", "out", "--output=out", "-oout", "-qv", "-q", "-v"]
MORE_TEXTS = [
    "--model",
    "m.onnx",
    "--json",
    "--probability",
    "--quiet",
    "--verbose",
    "--device",
    "cpu",
    "--formats",
    "voc",
]
OTHER_TEXTS = ["--threshold", "0.5", "--tta", "flips", "-h", "--help", "--scale", "--mod", "predict", "--no-json"]


@example(["a.png", "-o", "out", "--json", "b c.jpg", "-q", "--probability"])
@example(["--model", "m.onnx", "a.png", "--model", "cpu", "--device", "cpu", "-v"])
@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*PLAIN_TEXTS, *MORE_TEXTS, *OTHER_TEXTS]), max_size=7))
def test_what_is_read_without_typer_is_what_typer_reads(line: list[str]) -> None:
    found = plain_predict(line)
    if found is None:
        return
    seen: list[PredictOptions] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crackseg.cli.predict.run_predict", seen.append)
        assert app_main(["predict", *line]) == 0
    assert seen == [found]


def test_every_option_has_the_same_default_without_typer() -> None:
    seen: list[PredictOptions] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crackseg.cli.predict.run_predict", seen.append)
        assert app_main(["predict", "a.png"]) == 0
    assert seen == [PredictOptions(images=[Path("a.png")])] == [plain_predict(["a.png"])]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param([], id="nothing"),
        pytest.param(["--json"], id="no image"),
        pytest.param(["a.png", "-o"], id="no value"),
        pytest.param(["a.png", "--threshold", "0.5"], id="a number"),
        pytest.param(["a.png", "--runtime", "onnx"], id="a choice"),
        pytest.param(["a.png", "--output=out"], id="an equals sign"),
        pytest.param(["a.png", "--", "-b.png"], id="end of options"),
        pytest.param(["a.png", "--nope"], id="unknown"),
        pytest.param(["--help"], id="help"),
    ],
)
def test_what_is_not_plain_is_left_to_typer(line: list[str]) -> None:
    assert plain_predict(line) is None
