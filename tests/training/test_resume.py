"""Trainings that are stopped, killed and resumed end as if nothing had happened."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from crackseg.cli import main
from crackseg.datasets.samples import find_samples
from crackseg.errors import ConfigError, ModelError, UsageError
from crackseg.networks.checkpoint import read_weights
from crackseg.training.loop import TrainingProgress
from crackseg.training.run import TrainingData, train
from tests.runs import (
    FILES,
    REPOSITORY,
    SAME,
    command,
    files_in,
    only_error,
    rows,
    tiny_config,
    training_data,
    write_lines,
)

pytestmark = pytest.mark.train


def rows_without_seconds(run: Path) -> list[dict[str, float]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows(run)]


def stop_at(step: int) -> Callable[[TrainingProgress], None]:
    """Press Ctrl-C once, after this step."""

    def report(progress: TrainingProgress) -> None:
        if progress.step == step and progress.row is None:
            os.kill(os.getpid(), signal.SIGINT)

    return report


def assert_equal_runs(one: Path, two: Path) -> None:
    assert rows_without_seconds(one) == rows_without_seconds(two)
    for name in ("best.safetensors", "last.safetensors", "model.onnx", "config.yaml", "samples.png", "curves.png"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    cards = [json.loads((run / "card.json").read_text()) for run in (one, two)]
    for card in cards:
        del card["training"]["seconds"]
    assert cards[0] == cards[1]


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training nobody disturbs."""
    output = tmp_path_factory.mktemp("unbroken")
    assert train(tiny_config(*SAME), training_data(data), output, device="cpu").finished
    return output


def test_the_same_training_gives_the_same_files(unbroken: Path, data: Path, tmp_path: Path) -> None:
    train(tiny_config(*SAME), training_data(data), tmp_path / "again", device="cpu")
    assert_equal_runs(unbroken, tmp_path / "again")


@pytest.mark.parametrize(
    "step",
    [pytest.param(1, id="in the first epoch"), pytest.param(3, id="in the second"), pytest.param(4, id="at its end")],
)
def test_a_stopped_and_resumed_training_equals_an_uninterrupted_one(
    unbroken: Path, data: Path, tmp_path: Path, step: int
) -> None:
    output = tmp_path / "stopped"
    first = train(tiny_config(*SAME), training_data(data), output, device="cpu", progress=stop_at(step))
    assert not first.finished
    assert "card.json" not in files_in(output)
    second = train(tiny_config(*SAME), training_data(data), output, device="cpu", resume=True)
    assert second.finished
    assert_equal_runs(unbroken, output)
    assert files_in(output) == FILES


def test_resuming_a_finished_training_changes_nothing(unbroken: Path, data: Path) -> None:
    before = {name: (unbroken / name).read_bytes() for name in FILES}
    result = train(tiny_config(*SAME), training_data(data), unbroken, device="cpu", resume=True)
    assert result.finished
    after = {name: (unbroken / name).read_bytes() for name in FILES}
    assert [name for name in FILES if before[name] != after[name] and name != "card.json"] == []


_KILLED = """
import os, signal, sys
from pathlib import Path
from crackseg.training.run import TrainingData, train
from tests.runs import SAME, tiny_config, training_data

def report(progress):
    if progress.step == 3 and progress.row is None:
        os.kill(os.getpid(), signal.SIGKILL)

train(tiny_config(*SAME), training_data(Path(sys.argv[1])), Path(sys.argv[2]), device="cpu", progress=report)
"""


def test_a_killed_and_resumed_training_equals_an_uninterrupted_one(unbroken: Path, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "killed"
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, data, output], cwd=REPOSITORY, capture_output=True, timeout=600, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [row["step"] for row in rows(output)] == [2], "killed in the second epoch"
    assert "card.json" not in files_in(output)
    assert main([*command(data, output), "--resume", "--quiet"]) == 0
    assert_equal_runs(unbroken, output)


def test_ctrl_c_saves_names_the_way_to_continue_and_exits_130(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "stopped"

    def press() -> None:
        end = time.monotonic() + 100
        while not (output / "resume.safetensors").exists() and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    code = main([*command(data, output, "--quiet", overrides=("schedule.epochs=500",))])
    finger.join()
    assert code == 130
    line = only_error(capsys.readouterr().err)
    assert "--resume" in line
    assert output.name in line
    assert read_weights(output / "best.safetensors").keys() == read_weights(output / "last.safetensors").keys()
    assert rows(output)[-1]["step"] >= 4
    assert not [name for name in files_in(output) if name.startswith(".partial")]
    assert main([*command(data, output, "--quiet", overrides=("schedule.epochs=1",)), "--resume"]) == 0
    assert files_in(output) == FILES


def test_a_folder_with_a_run_is_an_error_without_resume(unbroken: Path, data: Path) -> None:
    before = (unbroken / "best.safetensors").read_bytes()
    with pytest.raises(UsageError, match=r"already holds a run.*--resume"):
        train(tiny_config(*SAME), training_data(data), unbroken, device="cpu")
    assert (unbroken / "best.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("override", "key"),
    [
        pytest.param("seed=4", "seed was 0 and is 4", id="seed"),
        pytest.param("optimiser.learning_rate=0.5", "optimiser.learning_rate was 0.002 and is 0.5", id="rate"),
        pytest.param("network.decoder_channels=[8, 8, 8]", "network.decoder_channels was", id="network"),
        pytest.param("schedule.steps_per_epoch=5", "schedule.steps_per_epoch was 2 and is 5", id="epoch"),
    ],
)
def test_resuming_with_another_configuration_names_the_difference(
    unbroken: Path, data: Path, override: str, key: str
) -> None:
    before = {path.name: path.read_bytes() for path in unbroken.iterdir()}
    with pytest.raises(ConfigError) as caught:
        train(tiny_config(*SAME, override), training_data(data), unbroken, device="cpu", resume=True)
    assert key in str(caught.value)
    assert {path.name: path.read_bytes() for path in unbroken.iterdir()} == before


def test_a_damaged_state_is_an_error(unbroken: Path, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "damaged"
    output.mkdir()
    state = (unbroken / "resume.safetensors").read_bytes()
    for damaged in (state[: len(state) // 2], b"", (unbroken / "best.safetensors").read_bytes()):
        (output / "resume.safetensors").write_bytes(damaged)
        with pytest.raises(ModelError, match="not the state of a training"):
            train(tiny_config(*SAME), training_data(data), output, device="cpu", resume=True)


def test_resume_without_a_run_starts_one(data: Path, tmp_path: Path) -> None:
    config = tiny_config("schedule.epochs=1", "schedule.steps_per_epoch=1")
    assert train(config, training_data(data), tmp_path / "new", device="cpu", resume=True).finished


def test_the_time_of_every_session_counts(data: Path, tmp_path: Path) -> None:
    config = tiny_config("schedule.epochs=2", "schedule.steps_per_epoch=2")
    train(config, training_data(data), tmp_path / "run", device="cpu", progress=stop_at(3))
    before = rows(tmp_path / "run")[0]["seconds"]
    result = train(config, training_data(data), tmp_path / "run", device="cpu", resume=True)
    assert [row["epoch"] for row in result.history] == [1, 2]
    assert result.history[1]["seconds"] >= before


def test_patches_prepared_in_another_process_change_nothing(unbroken: Path, data: Path, tmp_path: Path) -> None:
    config = tiny_config(*SAME, "workers=1")
    assert train(config, training_data(data), tmp_path / "run", device="cpu").finished
    assert rows_without_seconds(tmp_path / "run") == rows_without_seconds(unbroken)
    one, two = (read_weights(folder / "best.safetensors") for folder in (tmp_path / "run", unbroken))
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())


def test_a_run_is_not_resumed_with_other_data(unbroken: Path, data: Path, tmp_path: Path) -> None:
    before = {name: (unbroken / name).read_bytes() for name in FILES}
    own, more = training_data(data), write_lines(tmp_path / "other", 4, first=40)
    other = find_samples(more, "train")
    count = len(own.train)
    for changed, mentions in (
        (TrainingData(other, own.validation), rf"the training data were {data.name} \({count} images\) and are other"),
        (TrainingData(own.train, other), r"the validation data were .* and are other \(4 images\)"),
        (TrainingData(own.train[::-1], own.validation), "the training data have other content"),
    ):
        with pytest.raises(ConfigError, match=mentions):
            train(tiny_config(*SAME), changed, unbroken, device="cpu", resume=True)
    assert {name: (unbroken / name).read_bytes() for name in FILES} == before


def test_a_run_is_resumed_with_its_data_in_another_place(unbroken: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(unbroken, tmp_path / "run")
    shutil.copytree(data, tmp_path / "moved")
    result = train(tiny_config(*SAME), training_data(tmp_path / "moved"), tmp_path / "run", device="cpu", resume=True)
    assert result.finished
