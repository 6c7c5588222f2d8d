"""Refuse batches that are too small for a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from crackseg.cli import main
from crackseg.errors import ConfigError
from crackseg.training.batch_check import check_batch_size
from crackseg.training.config import TrainConfig
from tests.runs import only_error, settings, write_lines

pytestmark = pytest.mark.train


def config(arch: str, batch_size: int, patch_px: int = 64) -> TrainConfig:
    values = {"network": {"arch": arch, "encoder_weights": None}}
    return TrainConfig.model_validate({**values, "data": {"batch_size": batch_size, "patch_px": patch_px}})


@pytest.mark.parametrize("arch", ["deeplabv3", "deeplabv3plus", "pan"])
def test_a_network_that_pools_the_image_needs_two_patches(arch: str) -> None:
    with pytest.raises(ConfigError, match=f"data.batch_size: expected 2 or more for network.arch={arch}"):
        check_batch_size(config(arch, 1))
    check_batch_size(config(arch, 2))


@pytest.mark.parametrize("arch", ["unet", "fpn", "fcn", "unet-classic"])
def test_other_networks_take_one_patch(arch: str) -> None:
    check_batch_size(config(arch, 1, 192 if arch == "unet-classic" else 64))


def test_a_refused_batch_leaves_no_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(tmp_path / "walls", 4)
    network = ["network.arch=deeplabv3plus", "network.encoder_weights=null", "data.batch_size=1", "data.patch_px=64"]
    arguments = ["train", "--data", str(tmp_path / "walls"), "--output", str(tmp_path / "run"), "--device", "cpu"]
    assert main([*arguments, *settings([*network, "schedule.epochs=1", "workers=0"])]) == 2
    assert only_error(capsys.readouterr().err).startswith("data.batch_size: expected 2 or more")
    assert not (tmp_path / "run").exists()
