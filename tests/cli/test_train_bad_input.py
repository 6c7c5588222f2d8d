"""crackseg train on bad input: one clear line and its exit code, or a training that goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crackseg.cli import main
from crackseg.cli.console import ProgressDisplay
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import SegmentationNetwork, build_network
from crackseg.parallel import Progress
from crackseg.training import run as training
from tests.runs import FILES, SAME, command, files_in, only_error, rows, write_lines

pytestmark = pytest.mark.train

ONE_STEP = ("schedule.epochs=1", "schedule.steps_per_epoch=1")


@pytest.mark.parametrize(
    ("overrides", "code", "mentions"),
    [
        pytest.param(
            ("network.channels=5",),
            2,
            "network.channels: expected 1 or 3, since image files have three channels; got 5; ",
            id="channels",
        ),
        pytest.param(("network.classes=3",), 3, "expected class numbers 0 to 2, got a mask of 0 and 255", id="classes"),
        pytest.param(("loss.dise=0.5",), 2, "loss.dise: unknown key; did you mean 'dice'?", id="loss"),
        pytest.param(
            ("loss={bce: 1, boarder: {w0: 10}}",), 2, "loss.boarder: unknown key; did you mean 'border'?", id="border"
        ),
        pytest.param(("loss.border.sigmaa=3",), 2, "loss.border.sigmaa: unknown key; did you mean 'sigma'?", id="term"),
    ],
)
def test_what_does_not_fit_is_one_line_before_the_first_step(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    overrides: tuple[str, ...],
    code: int,
    mentions: str,
) -> None:
    run = tmp_path / "run"
    assert main(command(data, run, "--quiet", overrides=(*ONE_STEP, *overrides))) == code
    assert mentions in only_error(capsys.readouterr().err)
    assert not run.exists() or not files_in(run) & {"best.safetensors", "resume.safetensors", "metrics.csv"}


def narrow(size: int) -> Any:
    """Build networks that have memory for ``size`` training patches."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if module.training and len(inputs[0]) > size:
            raise torch.OutOfMemoryError("CUDA out of memory")

    def build(config: NetworkConfig) -> SegmentationNetwork:
        built = build_network(config)
        built.network.register_forward_pre_hook(hook)
        return built

    return build


def test_want_of_memory_halves_the_batch_and_says_so(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "build_network", narrow(1))
    assert main(command(data, tmp_path / "run", overrides=(*ONE_STEP, "data.batch_size=4"))) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "memory" in line]
    assert lines == [
        "out of memory; from now on 2 patches at once, with their gradients added",
        "out of memory; from now on 1 patch at once, with their gradients added",
    ]
    assert files_in(tmp_path / "run") == FILES


def test_no_memory_for_one_patch_is_exit_code_3_and_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "build_network", narrow(0))
    assert main(command(data, tmp_path / "run", "--quiet", overrides=(*ONE_STEP, "data.batch_size=1"))) == 3
    assert "out of memory for 1 patch of 64 px; lower data.batch_size" in only_error(capsys.readouterr().err)


@pytest.mark.parametrize(
    "step", [pytest.param(1, id="in the middle of an epoch"), pytest.param(2, id="before a validation")]
)
def test_data_that_vanishes_is_one_line_and_the_same_command_goes_on_when_it_is_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    data, run = write_lines(tmp_path / "walls", 4), tmp_path / "run"
    overrides = (*SAME, "schedule.epochs=2", "data.cache_mb=0")
    show = ProgressDisplay.__call__

    def remove_data(display: ProgressDisplay, progress: Progress) -> None:
        show(display, progress)
        if progress.note.startswith(f"step {2 + step} "):
            data.rename(tmp_path / "gone")

    with monkeypatch.context() as patch:
        patch.setattr(ProgressDisplay, "__call__", remove_data)
        assert main(command(data, run, "--quiet", overrides=overrides)) == 3
    line = only_error(capsys.readouterr().err)
    assert "wall" in line
    assert "--resume" in line
    if step == 1:
        return
    (tmp_path / "gone").rename(data)
    assert main(command(data, run, "--quiet", "--resume", overrides=overrides)) == 0
    assert [row["step"] for row in rows(run)] == [2, 4]
    assert files_in(run) == FILES


def test_resuming_with_another_configuration_shows_every_difference(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(command(data, run, "--quiet", overrides=ONE_STEP)) == 0
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    other = (*ONE_STEP, "seed=4", "loss.dice=0.5", "schedule.epochs=2")
    capsys.readouterr()
    assert main(command(data, run, "--quiet", "--resume", overrides=other)) == 2
    line = only_error(capsys.readouterr().err)
    assert "another configuration: loss.dice was 1.0 and is 0.5, seed was 0 and is 4; " in line
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert json.loads((run / "card.json").read_text())["training"]["seed"] == 0
