"""crackseg inspect: what it writes, what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crackseg.cli import main
from crackseg.files import list_images
from crackseg.imaging.codec import read_image, write_png
from crackseg.modelcard.domain import Domain
from crackseg.networks.checkpoint import read_card
from tests.inspection.scenes import content, rows, write_model, write_walls
from tests.runs import REPOSITORY, only_error

pytestmark = pytest.mark.train


@pytest.fixture(scope="session")
def dark_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "dark.onnx")


def arguments(folder: Path, output: Path, model: Path, *more: str) -> list[str]:
    return ["inspect", str(folder), "-o", str(output), "--model", str(model), "--workers", "1", *more]


def test_the_files_of_the_contract_are_written_and_the_end_is_one_line(
    dark_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = write_walls(tmp_path / "in", 3), tmp_path / "out"
    assert main(arguments(folder, output, dark_model)) == 0
    names = {path.name for path in output.iterdir()}
    assert {"results.sqlite", "results.csv", "report.html", "masks", "overlays", "inspect.yaml"} <= names
    assert {path.name for path in (output / "masks").iterdir()} == {f"wall00{n}.png" for n in range(3)}
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        f"3 files, 3 of them now: 1 OK, 2 WARN -> {output / 'report.html'}"
    ]  # fmt: skip
    assert shown.err.splitlines() == [
        "crackseg: note: the model card does not describe the training images, "
        "so no image is CANNOT JUDGE for being far from them"
    ]


def test_a_trained_model_and_its_export_know_what_they_were_trained_on(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = tmp_path / "exported.onnx"
    assert main(["export", "--model", str(run), "-o", str(exported)]) == 0
    cards = [read_card(path) for path in (run / "model.onnx", run / "best.safetensors", exported)]
    answer = json.loads((run / "card.json").read_text())["domain"]
    assert all(card.domain == answer for card in cards)
    domain = Domain.from_dict(answer, where="run")
    assert domain is not None
    images = list_images(data / "images")
    assert max(domain.distance(read_image(path)) for path in images) < domain.limit
    folder = tmp_path / "in"
    folder.mkdir()
    checks = np.zeros((96, 96, 3), np.uint8)
    checks[::2] = 255
    write_png(folder / "stripes.png", checks)
    capsys.readouterr()
    assert main(arguments(folder, tmp_path / "out", exported)) == 0
    assert capsys.readouterr().err == ""
    assert "far from the training images of the model" in rows(tmp_path / "out")["stripes.png"]["reasons"]


def test_json_is_the_only_thing_on_stdout(dark_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_walls(tmp_path / "in", 2)
    assert main(arguments(folder, tmp_path / "out", dark_model, "--json")) == 0
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert answer["verdict"] == {"OK": 0, "WARN": 2, "NG": 0, "CANNOT JUDGE": 0}
    assert answer["status"] == {"ok": 2, "failed": 0, "skipped": 0}
    assert shown.err == ""


def test_exit_codes_distinguish_failed_files_and_ng(
    dark_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = write_walls(tmp_path / "in", 2), tmp_path / "out"
    ng = ["--set", "rules=[{name: any, verdict: NG, when: [components >= 1]}]"]
    assert main(arguments(folder, output, dark_model, *ng)) == 0
    assert main(arguments(folder, output, dark_model, *ng, "--fail-on", "ng")) == 4
    assert main(arguments(folder, output, dark_model, "--fail-on", "ng")) == 0
    assert main(arguments(folder, output, dark_model, "--fail-on", "warn")) == 4
    capsys.readouterr()
    (folder / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(arguments(folder, output, dark_model, "--quiet")) == 1
    assert only_error(capsys.readouterr().err).startswith("cut.png: ")
    assert main(arguments(folder, output, dark_model, *ng, "--fail-on", "ng")) == 4


@pytest.mark.parametrize(
    ("more", "code", "mentions"),
    [
        pytest.param(["--rules", "missing.yaml"], 2, "missing.yaml", id="no such rules"),
        pytest.param(["--set", "rulse=[]"], 2, "did you mean 'rules'", id="unknown key"),
        pytest.param(
            ["--set", "rules=[{name: x, verdict: NG, when: [width_max_mm > 1]}]"], 2, "--scale", id="no scale"
        ),
        pytest.param(["--scale", "0"], 2, "got 0", id="scale of zero"),
        pytest.param(["--threshold", "2"], 2, "threshold", id="threshold above one"),
        pytest.param(["--list", "missing.txt"], 2, "missing.txt", id="no such list"),
        pytest.param(["--pattern", "*.xyz"], 2, "holds no file", id="nothing fits"),
        pytest.param(["--memory", "0.01"], 2, "--memory", id="too little memory"),
        pytest.param(["--model", "nothing"], 2, "no such model", id="no such model"),
        pytest.param(["-o", "in/wall000.png"], 3, "a file is in the way", id="output is a file"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_its_exit_code(
    dark_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    code: int,
    mentions: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_walls(Path("in"), 1)
    assert main(arguments(Path("in"), Path("out"), dark_model, *more)) == code
    assert mentions in only_error(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("number", "send"),
    [
        pytest.param(signal.SIGINT, os.kill, id="SIGINT"),
        pytest.param(signal.SIGTERM, os.kill, id="SIGTERM"),
        pytest.param(signal.SIGTERM, os.killpg, id="SIGTERM to its workers too"),
    ],
)
def test_a_signal_ends_it_with_every_row_kept_and_the_same_command_goes_on(
    dark_model: Path, tmp_path: Path, number: signal.Signals, send: Callable[[int, int], None]
) -> None:
    folder, output = write_walls(tmp_path / "in", 40), tmp_path / "out"
    # Watching, it never ends by itself: the signal finds it at work or waiting, however quick the machine is.
    command = [sys.executable, "-m", "crackseg", *arguments(folder, output, dark_model), "--quiet", "--watch"]
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        end = time.monotonic() + 300
        while len(list((output / "masks").glob("wall*.png"))) < 5 and time.monotonic() < end:
            time.sleep(0.02)
        send(process.pid, number)
        stdout, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "run the same command again to continue" in stdout
    kept = rows(output)
    assert len(kept) >= 4
    assert {row["status"] for row in kept.values()} == {"ok"}
    assert main(arguments(folder, output, dark_model, "--quiet")) == 0
    assert not list(output.rglob(".partial-*"))
    assert main(arguments(folder, tmp_path / "unbroken", dark_model, "--quiet")) == 0
    assert content(output) == content(tmp_path / "unbroken")
