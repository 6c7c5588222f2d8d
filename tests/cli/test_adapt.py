"""crackseg adapt: its output and its errors; what it does is tested with the trainings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import crackseg
from crackseg.cli import main
from tests.runs import files_in, only_error, write_lines

pytestmark = pytest.mark.train


@pytest.fixture
def walls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of four walls in the working directory."""
    monkeypatch.chdir(tmp_path)
    return write_lines(Path("walls"), 4)


@pytest.mark.usefixtures("walls")
def test_a_site_without_masks_becomes_a_model_to_predict_with(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapt", "walls/images", "--model", str(run), "-o", "site", "--quiet"]) == 0
    shown = capsys.readouterr()
    assert shown.out == (
        "adapted to 4 images, unmeasured since there are no masks; the model and its card are in site\n"
    )
    assert shown.err == ""
    assert files_in(Path("site")) == {"best.safetensors", "card.json", "config.yaml", "model.onnx"}
    assert main(["predict", "walls/images", "--model", "site", "-o", "out", "--quiet"]) == 0


@pytest.mark.usefixtures("walls")
def test_json_holds_the_scores_before_and_after(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--share", "0.2", "--steps", "1", "--seed", "3", "--device", "cpu", "--json"]
    assert main(["adapt", "walls", "--model", str(run), "-o", "site", *options]) == 0
    shown = capsys.readouterr()
    values = json.loads(shown.out)
    assert shown.err == ""
    assert (values["output"], values["images"], values["labelled"], values["share"]) == ("site", 4, True, 0.2)
    assert values["f1"] >= values["f1_before"]
    assert values["terms"].endswith("adapted on 4 images of walls")
    assert json.loads(Path("site/card.json").read_text())["training"]["seed"] == 3


@pytest.mark.usefixtures("walls")
def test_the_python_call_returns_what_the_command_prints(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = crackseg.adapt("walls", model=run, output="site", share=0.0, steps=0)
    assert repr(result).startswith("AdaptationResult('site', 4 images, F1 ")
    assert result.to_dict()["images"] == 4
    assert [row["step"] for row in result.rows()] == [0]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "code", "mentions"),
    [
        pytest.param(["missing"], 2, "missing: no such folder of images; check the path", id="missing folder"),
        pytest.param(["empty"], 2, "empty: no images here; ", id="no image"),
        pytest.param(["hollow"], 2, "images: no images here; ", id="no image in images"),
        pytest.param(["unmasked"], 3, "1 of 4 images have no mask; ", id="an image without a mask"),
        pytest.param(["torn"], 3, "wall00.png", id="an unreadable image"),
        pytest.param(["walls", "--model", "missing.onnx"], 2, "missing.onnx: no such model; ", id="no such model"),
        pytest.param(["walls", "--model", "text.onnx"], 3, "text.onnx: not a model of crackseg; ", id="no model"),
        pytest.param(["walls", "--model", "m.xml"], 2, "m.xml: OpenVINO models cannot be adapted; ", id="OpenVINO"),
        pytest.param(["walls", "-o", "done"], 2, "done: the folder holds a run already; ", id="run exists"),
        pytest.param(
            ["walls", "-o", "walls"], 2, "walls: the images are read from this folder; ", id="output is input"
        ),
        pytest.param(["walls", "--share", "2"], 2, "--share: expected a share from 0 to 1, got 2", id="share"),
        pytest.param(["walls", "--steps", "-1"], 2, "--steps", id="steps"),
        pytest.param(["walls", "--device", "gpu"], 2, "got 'gpu'", id="unknown device"),
        pytest.param(["walls", "-o", "text.onnx"], 3, "text.onnx", id="output is a file"),
    ],
)
@pytest.mark.usefixtures("walls")
def test_what_cannot_be_adapted_is_one_line_and_its_exit_code(
    run: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, mentions: str
) -> None:
    for name in ("unmasked", "torn"):
        shutil.copytree("walls", name)
    Path("unmasked/masks/wall01.png").unlink()
    Path("torn/images/wall00.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    for folder in ("empty", "hollow/images", "done"):
        Path(folder).mkdir(parents=True)
    for name in ("text.onnx", "m.xml", "done/card.json"):
        Path(name).write_text("nothing")
    model = [] if "--model" in arguments else ["--model", str(run)]
    output = [] if "-o" in arguments else ["-o", "run"]
    assert main(["adapt", *arguments, *model, *output, "--steps=0" if "--steps" not in arguments else "-q"]) == code
    shown = capsys.readouterr()
    assert mentions in only_error(shown.err)
    assert shown.out == ""
    assert not Path("run").exists()
    assert Path("done/card.json").read_text() == "nothing"
