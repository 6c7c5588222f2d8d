"""crackseg predict: what it writes, what it prints, and how it fails."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

from crackseg.cli import main
from tests.cli.images import names, pixels, write_wall
from tests.conftest import unmeasured_environment
from tests.runs import REPOSITORY, hear_ctrl_c, line_sample, only_error, run_module

pytestmark = pytest.mark.train


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_wall(tmp_path / "wall.png")


@pytest.mark.parametrize(
    "shape",
    [pytest.param((64, 80), id="as trained"), pytest.param((61, 203), id="odd"), pytest.param((1, 5), id="tiny")],
)
def test_mask_overlay_and_json_are_written_at_the_size_of_the_image(
    run: Path, tmp_path: Path, shape: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    image = write_wall(tmp_path / "wall.png", shape=shape)
    out = tmp_path / "out"
    assert main(["predict", str(image), "-o", str(out), "--model", str(run)]) == 0
    assert names(out) == {"wall_mask.png", "wall_overlay.png", "wall.json"}
    mask, overlay = pixels(out / "wall_mask.png"), pixels(out / "wall_overlay.png")
    assert mask.shape == shape
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 255}
    assert overlay.shape == (*shape, 3)
    answer = json.loads((out / "wall.json").read_text(encoding="utf-8"))
    assert (answer["height_px"], answer["width_px"]) == shape
    assert answer["crack_area_px"] == int((mask > 0).sum()) == sum(crack["area_px"] for crack in answer["cracks"])
    assert "wall.png" in capsys.readouterr().out


def test_the_crack_is_found_and_measured(run: Path, photo: Path, tmp_path: Path) -> None:
    assert main(["predict", str(photo), "-o", str(tmp_path / "out"), "--model", str(run), "--quiet"]) == 0
    mask, true = pixels(tmp_path / "out" / "wall_mask.png") > 0, line_sample(0)[1]
    assert 2 * (mask & true).sum() / (mask.sum() + true.sum()) > 0.8
    (largest, *_) = json.loads((tmp_path / "out" / "wall.json").read_text())["cracks"]
    assert largest["length_px"] == pytest.approx(80, rel=0.3)
    assert "length_mm" not in largest


def test_a_scale_adds_millimetres(run: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["predict", str(photo), "-o", str(out), "--model", str(run), "--scale", "0.5"]) == 0
    answer = json.loads((out / "wall.json").read_text())
    assert answer["scale_mm_per_px"] == 0.5
    for crack in answer["cracks"]:
        measured_px = [name for name in ("length", "width_mean", "width_max") if crack[f"{name}_px"] is not None]
        for name in measured_px:
            assert crack[f"{name}_mm"] == pytest.approx(0.5 * crack[f"{name}_px"], abs=1e-3)
    assert " mm" in capsys.readouterr().out


def test_the_probability_is_written_in_16_bits(run: Path, photo: Path, tmp_path: Path) -> None:
    from crackseg.prediction.loading import load_model

    out = tmp_path / "out"
    assert main(["predict", str(photo), "-o", str(out), "--model", str(run), "--probability"]) == 0
    written = pixels(out / "wall_probability.png").astype(np.float64) / 65535
    model = load_model(run)
    np.testing.assert_allclose(written, model.predict(photo).probability, atol=1e-4)
    np.testing.assert_array_equal(pixels(out / "wall_mask.png") > 0, written >= model.card.threshold - 1e-5)


def test_the_threshold_decides(run: Path, photo: Path, tmp_path: Path) -> None:
    areas = []
    for threshold in ("0.01", "0.5", "1"):
        out = tmp_path / threshold
        assert main(["predict", str(photo), "-o", str(out), "--model", str(run), "--threshold", threshold]) == 0
        areas.append(json.loads((out / "wall.json").read_text())["crack_area_px"])
    assert areas[0] > areas[1] > areas[2]


def test_json_is_the_only_thing_on_stdout(
    run: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["predict", str(photo), "-o", str(out), "--model", str(run), "--json"]) == 0
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert answer["failed"] == 0
    assert answer["images"] == [json.loads((out / "wall.json").read_text())]
    assert shown.err == ""


def test_quiet_says_nothing_on_stderr(
    run: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(photo), "-o", str(tmp_path / "out"), "--model", str(run), "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_a_prediction_needs_no_pydantic(run: Path, photo: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from crackseg.cli import main; "
        f"code = main(['predict', {str(photo)!r}, '-o', {str(tmp_path / 'out')!r}, '--model', {str(run)!r}]); "
        "sys.exit(code or 9 * bool({'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("model", "runtime"),
    [
        pytest.param("model.onnx", "onnx", id="onnx on onnxruntime"),
        pytest.param("model.onnx", "torch", id="onnx on torch"),
        pytest.param("best.safetensors", "torch", id="checkpoint on torch"),
        pytest.param("best.safetensors", "auto", id="checkpoint on what runs it"),
        pytest.param(".", "torch", id="run folder on torch"),
    ],
)
def test_both_runtimes_agree(run: Path, photo: Path, tmp_path: Path, model: str, runtime: str) -> None:
    out = tmp_path / "out"
    arguments = ["predict", str(photo), "-o", str(out), "--probability", "--device", "cpu"]
    assert main([*arguments, "--model", str(run / model), "--runtime", runtime]) == 0
    reference = tmp_path / "reference"
    assert main(["predict", str(photo), "-o", str(reference), "--probability", "--model", str(run)]) == 0
    one, two = (pixels(folder / "wall_probability.png").astype(int) for folder in (out, reference))
    assert np.abs(one - two).max() <= 0.001 * 65535 + 1


def test_a_folder_means_its_images(run: Path, tmp_path: Path) -> None:
    for number in range(3):
        write_wall(tmp_path / "in" / f"wall{number}.png", number)
    (tmp_path / "in" / "notes.txt").write_text("not an image")
    extra = write_wall(tmp_path / "extra.jpg")
    assert main(["predict", str(tmp_path / "in"), str(extra), "-o", str(tmp_path / "out"), "--model", str(run)]) == 0
    assert {name for name in names(tmp_path / "out") if name.endswith("_mask.png")} == {
        "wall0_mask.png",
        "wall1_mask.png",
        "wall2_mask.png",
        "extra_mask.png",
    }


def test_the_image_is_left_as_it_was(run: Path, photo: Path, tmp_path: Path) -> None:
    before = photo.read_bytes()
    assert main(["predict", str(photo), "-o", str(tmp_path), "--model", str(run)]) == 0
    assert photo.read_bytes() == before


def test_a_name_that_is_no_text_is_no_obstacle(run: Path, photo: Path, tmp_path: Path) -> None:
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/w\xff\n ll.png"))
    try:
        shutil.copy(photo, strange)
    except OSError:
        pytest.skip("this file system has no such names")
    done = run_module("predict", strange, "-o", tmp_path / "out", "--model", run)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert len(names(tmp_path / "out")) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "mentions"),
    [
        pytest.param(["missing.png"], 2, "missing.png: no such file", id="missing file"),
        pytest.param(["empty"], 2, "empty: holds no image", id="empty folder"),
        pytest.param(["a/wall.png", "b/wall.jpg"], 2, "would write the same files", id="two of one stem"),
        pytest.param(["wall.png", "--scale", "-1"], 2, "got -1", id="negative scale"),
        pytest.param(["wall.png", "--scale", "0"], 2, "got 0", id="scale of zero"),
        pytest.param(["wall.png", "--scale", "nan"], 2, "got nan", id="scale is NaN"),
        pytest.param(["wall.png", "--threshold", "2"], 2, "threshold", id="threshold above one"),
        pytest.param(["wall.png", "--threshold", "0"], 2, "threshold", id="threshold of zero"),
        pytest.param(["wall.png", "--threshold", "-0.5"], 2, "threshold", id="negative threshold"),
        pytest.param(["wall.png", "--threshold", "nan"], 2, "threshold", id="threshold is NaN"),
        pytest.param(["wall.png", "--device", "gpu"], 2, "got 'gpu'", id="unknown device"),
        pytest.param(["wall.png", "--device", "0"], 2, "got '0'", id="a number for a device"),
        pytest.param(["wall.png", "--device", "cuda:99"], 2, "cuda:99", id="a GPU that is not there"),
        pytest.param(["wall.png", "--device", "cuda", "--runtime", "onnx"], 2, "--runtime torch", id="onnx on a GPU"),
        pytest.param(["large.png", "--tile", "64"], 2, "--tile", id="tile too small for the context"),
        pytest.param(["large.png", "--memory", "0.252"], 2, "--memory", id="memory too small for the context"),
        pytest.param(["wall.png", "--memory", "0"], 2, "--memory", id="no memory"),
        pytest.param(
            ["wall.png", "--memory", "0.1"], 2, "expected more than 0.25 GiB", id="memory too small for Python"
        ),
        pytest.param(["wall.png", "--tile", "many"], 2, "--tile", id="a tile that is no number"),
        pytest.param(["wall.png", "--runtime", "tflite"], 2, "--runtime", id="no such runtime"),
        pytest.param(["wall.png", "--precision", "int8"], 2, "holds no int8 model", id="no int8 in the file"),
        pytest.param(
            ["wall.png", "--precision", "bf16", "--runtime", "onnx"], 2, "bfloat16 on a CPU", id="bf16 in onnxruntime"
        ),
        pytest.param(["wall.png", "--model", "nothing"], 2, "nothing: no such model", id="no such model"),
        pytest.param(["wall.png", "--model", "nothing.onnx"], 2, "no such model", id="no such model file"),
        pytest.param(["wall.png", "--model", "wall.png"], 3, "wall.png", id="an image for a model"),
        pytest.param(["wall.png", "--model", "text.onnx"], 3, "text.onnx", id="text for a model"),
        pytest.param(["wall.png", "--model", "text.safetensors"], 3, "text.safetensors", id="text for a checkpoint"),
        pytest.param(["wall.png", "--model", "empty.onnx"], 3, "empty.onnx", id="empty model file"),
        pytest.param(["wall.png", "--model", "empty"], 3, "holds no model yet", id="run folder without a model"),
        pytest.param(["wall.png", "-o", "wall.png"], 3, "wall.png", id="output is a file"),
        pytest.param(["wall.png", "-o", "wall.png/out"], 3, "a file is in the way", id="output is below a file"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_its_exit_code(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    mentions: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("wall.png", "a/wall.png", "b/wall.jpg"):
        write_wall(Path(name))
    write_wall(Path("large.png"), shape=(90, 500))
    Path("empty").mkdir()
    for name in ("text.onnx", "text.safetensors"):
        Path(name).write_text("this is no model")
    Path("empty.onnx").touch()
    before = set(tmp_path.rglob("*"))
    model = [] if "--model" in arguments else ["--model", str(run)]
    output = [] if "-o" in arguments else ["-o", "out"]
    assert main(["predict", *arguments, *output, *model]) == code
    shown = capsys.readouterr()
    assert mentions in only_error(shown.err)
    assert shown.out == ""
    assert set(tmp_path.rglob("*")) - before <= {tmp_path / "out"}


def test_onnxruntime_does_not_read_a_checkpoint(
    run: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", str(photo), "-o", str(tmp_path / "out"), "--runtime", "onnx"]
    assert main([*arguments, "--model", str(run / "best.safetensors")]) == 2
    assert "onnxruntime cannot read checkpoints" in only_error(capsys.readouterr().err)


def test_a_gpu_that_is_not_there_is_exit_code_2(
    run: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert main(["predict", str(photo), "-o", str(tmp_path / "out"), "--model", str(run), "--device", "cuda"]) == 2
    assert "got 'cuda'" in only_error(capsys.readouterr().err)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_model_file_cut_short_is_refused(
    run: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], share: float
) -> None:
    content = (run / "model.onnx").read_bytes()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(content[: int(share * len(content))])
    assert main(["predict", str(photo), "-o", str(tmp_path / "out"), "--model", str(cut)]) == 3
    assert "cut.onnx" in only_error(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_foreign_onnx_model_is_refused(
    run: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(run / "model.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    assert main(["predict", str(photo), "-o", str(tmp_path / "out"), "--model", str(tmp_path / "foreign.onnx")]) == 3
    assert "holds no model card of crackseg" in only_error(capsys.readouterr().err)


def test_a_model_that_answers_nan_is_an_error_and_not_a_wall_without_cracks(
    run: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(run / "model.onnx")
    bias = next(item for item in model.graph.initializer if item.name.endswith("segmentation_head.0.bias"))
    bias.CopyFrom(onnx.numpy_helper.from_array(np.array([np.nan], np.float32), bias.name))
    onnx.save(model, tmp_path / "nan.onnx")
    assert main(["predict", str(photo), "-o", str(tmp_path / "out"), "--model", str(tmp_path / "nan.onnx")]) == 3
    assert "NaN" in only_error(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_bad_image_among_good_ones_is_named_and_the_good_ones_are_written(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    for number in range(3):
        write_wall(folder / f"wall{number}.png", number)
    content = (folder / "wall1.png").read_bytes()
    (folder / "wall1.png").write_bytes(content[: len(content) // 2])
    (folder / "zero.jpg").touch()
    assert main(["predict", str(folder), "-o", str(tmp_path / "out"), "--model", str(run), "--json"]) == 1
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("crackseg: error: ") for line in lines)
    assert "wall1.png" in lines[0]
    assert "zero.jpg" in lines[1]
    answer = json.loads(shown.out)
    assert answer["failed"] == 2
    assert [entry["image"] for entry in answer["images"]] == ["wall0.png", "wall1.png", "wall2.png", "zero.jpg"]
    assert ["error" in entry for entry in answer["images"]] == [False, True, False, True]
    written = {f"wall{number}{end}" for number in (0, 2) for end in ("_mask.png", "_overlay.png", ".json")}
    assert names(tmp_path / "out") == written


def _no_file_above_100_bytes() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def test_a_disk_that_takes_no_more_leaves_nothing_half_written(run: Path, photo: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crackseg", "predict", photo, "-o", tmp_path / "out", "--model", run, "--quiet"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=unmeasured_environment(),
        preexec_fn=_no_file_above_100_bytes,
    )
    assert done.returncode == 3
    assert "wall_mask.png: cannot be written" in only_error(done.stderr)
    assert names(tmp_path / "out") == set()


def test_ctrl_c_exits_130_and_leaves_whole_files(run: Path, tmp_path: Path) -> None:
    for number in range(300):
        write_wall(tmp_path / "in" / f"wall{number:03d}.png", number)
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-m", "crackseg", "predict", tmp_path / "in", "-o", out, "--model", run, "--quiet"],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509
    ) as process:
        end = time.monotonic() + 120
        while not (out / "wall001.json").exists() and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted" in only_error(stderr)
    written = names(out)
    assert 2 <= len([name for name in written if name.endswith(".json")]) < 300
    for name in written:
        if name.endswith(".png"):
            assert pixels(out / name).shape[:2] == (64, 80)
        else:
            assert json.loads((out / name).read_text())["image"]
