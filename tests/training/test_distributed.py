"""Several processes train like one process with the same patches per step."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from crackseg.networks.checkpoint import read_weights
from crackseg.training.distributed import Team
from crackseg.training.run import train
from tests.runs import REPOSITORY, TINY, rows, settings, tiny_config, training_data

pytestmark = pytest.mark.train

# Unfreezing and adding up gradients are the parts where processes could fall out of step; the border weights and the
# Dice loss depend on the whole batch. No epsilon of Adam's is reached by a rate as low as this.
SHARED = (
    "name=same",
    "schedule.epochs=1",
    "schedule.steps_per_epoch=4",
    "data.validation_fraction=0.25",
    "optimiser={accumulate: 2, frozen: 0.5, learning_rate: 0.0001}",
    "loss.border={w0: 10}",
)


def start(rank: int, port: int, data: Path, output: Path) -> subprocess.Popen[str]:
    """Start one of two processes, like torchrun with an existing store."""
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    rendezvous = {"TORCHELASTIC_USE_AGENT_STORE": "True", "GLOO_SOCKET_IFNAME": "lo"}
    environment = {**os.environ, **rendezvous, **{name: str(value) for name, value in own.items()}}
    options = settings([*TINY, *SHARED, "data.batch_size=1"])
    arguments = ["train", "--data", str(data), "-o", str(output), *options, "--device", "cpu"]
    command = [sys.executable, "-m", "crackseg", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_two_processes_with_one_patch_equal_one_process_with_two(data: Path, tmp_path: Path) -> None:
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=500))
    processes = [start(rank, store.port, data, tmp_path / "two") for rank in range(2)]
    config = tiny_config(*SHARED, "data.batch_size=2")
    try:
        assert train(config, training_data(data), tmp_path / "one", device="cpu").finished
        outputs = [process.communicate(timeout=550) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[1] == ("", ""), "only the first process prints"
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert [row["step"] for row in one] == [row["step"] for row in two] == [4]
    for alone, shared in zip(one, two, strict=True):
        assert shared["loss"] == pytest.approx(alone["loss"], rel=1e-4)
        assert shared["learning_rate"] == alone["learning_rate"]
    first, second = (read_weights(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-2, atol=1e-3)


def test_a_team_of_one_returns_its_arguments() -> None:
    team = Team(torch.device("cpu"))
    tensor = torch.ones(3)
    assert team.gather(tensor) is tensor
    assert team.broadcast("word") == "word"
    assert team.agree(stop=True, elapsed_s=2.5) == (True, 2.5)
    network = torch.nn.Conv2d(1, 1, 1)
    assert team.wrap(network) is network
    assert team.leads
