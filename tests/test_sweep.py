"""Settings and tables of `experiments/sweep.py`."""

from __future__ import annotations

import csv
import importlib.util
import statistics
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from tests.runs import REPOSITORY, write_lines

pytestmark = pytest.mark.train

SCRIPT = REPOSITORY / "experiments" / "sweep.py"
if not SCRIPT.exists():
    pytest.skip("experiments/ is not in a source distribution", allow_module_level=True)


@pytest.fixture(scope="module")
def sweep() -> Any:
    """The script as a module."""
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        spec = importlib.util.spec_from_file_location("sweep", SCRIPT)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return module


def run(loss: str, seed: int, f1: float | None) -> dict[str, Any]:
    rows = [{"data": "walls", "score": key, "value": f1, "low": 0.1, "high": 0.9} for key in ("f1", "f1_2px", "iou")]
    return {"loss": loss, "network": "fcn", "seed": seed, "steps": 10 + seed, "threshold": 0.5, "rows": rows}


def test_a_sum_of_losses_sets_all_others_to_zero(sweep: Any) -> None:
    options = Namespace(minutes=0, init=[], set=["data.patch_px=64"])
    config = sweep.configure("focal+0.3*cldice", "unet:resnet18", 7, options)
    assert (config.loss.bce, config.loss.dice, config.loss.focal.weight, config.loss.cldice.weight) == (0, 0, 1, 0.3)
    assert (config.network.arch, config.network.encoder, config.seed) == ("unet", "resnet18", 7)
    assert config.schedule.minutes is None


@pytest.mark.parametrize("text", ["bce+magic", "positive_weight", ""])
def test_an_unknown_loss_is_refused_by_name(sweep: Any, text: str) -> None:
    with pytest.raises(SystemExit, match="no loss"):
        sweep.loss_settings(text)


def test_the_table_has_mean_and_deviation_over_the_seeds(sweep: Any, tmp_path: Path) -> None:
    values = [0.5, 0.6, 0.8]
    runs = [run("bce", seed, value) for seed, value in enumerate(values)] + [run("dice", 0, None)]
    text = sweep.write_tables(tmp_path, runs)
    head, _, bce, dice = text.splitlines()
    cell = f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"
    assert head == "| network | loss | seeds | steps | walls, F1 | walls, F1 2 px |"
    assert bce == f"| fcn | bce | 3 | 11 | {cell} | {cell} |"
    assert dice == "| fcn | dice | 1 | 10 | - | - |"
    assert r"$\pm$" in (tmp_path / "sweep.tex").read_text()
    with (tmp_path / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert [float(row["value"]) for row in rows if row["score"] == "iou" and row["loss"] == "bce"] == values


def test_a_sweep_of_other_settings_is_not_continued(sweep: Any, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    assert sweep.read_runs(path, {"minutes": 1}) == []
    path.write_text('{"settings": {"minutes": 1}, "runs": [{"seed": 0}]}')
    assert sweep.read_runs(path, {"minutes": 1}) == [{"seed": 0}]
    with pytest.raises(SystemExit, match="other settings"):
        sweep.read_runs(path, {"minutes": 2})


def test_images_without_a_test_part_are_refused(sweep: Any, tmp_path: Path) -> None:
    folder = write_lines(tmp_path / "walls", 3)
    options = ["--data", str(folder), "--out", str(tmp_path / "out"), "--loss", "bce", "--network", "fcn"]
    with pytest.raises(SystemExit, match="no test part"):
        sweep.main(options)
