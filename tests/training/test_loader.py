"""Batches prepared by other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from crackseg.datasets.samples import find_samples
from crackseg.errors import CracksegError
from crackseg.training.distributed import Team
from crackseg.training.loader import iter_batches
from crackseg.training.patches import PatchDataset
from tests.runs import REPOSITORY, tiny_config, write_lines

pytestmark = pytest.mark.train

TEAM = Team(torch.device("cpu"))


_KILL_WORKER = """
import multiprocessing, os, signal, sys, time
from pathlib import Path
from crackseg.errors import TrainingError
from crackseg.training.run import train
from tests.runs import SAME, tiny_config, training_data

def kill(progress):
    if progress.step == 1 and not progress.note:
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)
        time.sleep(5)

if __name__ == "__main__":
    data, output = map(Path, sys.argv[1:])
    try:
        train(tiny_config(*SAME, "workers=1"), training_data(data), output, device="cpu", progress=kill)
    except TrainingError as error:
        print(error.what)
"""


def test_a_worker_killed_during_a_step_is_an_error_of_one_line(data: Path, tmp_path: Path) -> None:
    script = tmp_path / "kill_worker.py"
    script.write_text(_KILL_WORKER, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, script, data, tmp_path / "run"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "a process that prepares patches was killed\n"), done.stderr


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_vanishes_is_the_same_error_in_any_process(tmp_path: Path, workers: int) -> None:
    data = write_lines(tmp_path / "walls", 2)
    config = tiny_config(f"workers={workers}", "data.cache_mb=0")
    patches = PatchDataset(find_samples(data, "train"), config)
    data.rename(tmp_path / "gone")
    with pytest.raises(CracksegError, match=r"wall0\d\.png"):
        next(iter_batches(patches, config, range(1), TEAM))


def test_the_processes_of_a_team_share_the_patches_of_one(data: Path) -> None:
    config = tiny_config("optimiser.accumulate=2")
    patches = PatchDataset(find_samples(data, "train"), config)
    teams = [Team(TEAM.device, rank=rank, size=2) for rank in range(2)]
    parts = [list(iter_batches(patches, config, range(2), team)) for team in teams]
    double = tiny_config("optimiser.accumulate=2", "data.batch_size=4")
    whole = list(iter_batches(patches, double, range(2), TEAM))
    assert [one.numbers + two.numbers for one, two in zip(*parts, strict=True)] == [batch.numbers for batch in whole]
