"""Results of trainings as one line, as JSON and as rows."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from pathlib import Path

import pytest

from crackseg.modelcard.card import ModelCard
from crackseg.training import FoldsResult, RateTrial, TrainingResult, save_trial

pytestmark = pytest.mark.train

OUTPUT = Path("runs/first")
CARD = ModelCard(name="first", network={}, stride=8, context_px=16, threshold=0.4)
ROWS = tuple(
    {"epoch": float(number), "step": 10.0 * number, "seconds": 2.5 * number, "f1": f1}
    for number, f1 in enumerate((0.5, 0.75, 0.625), start=1)
)


def test_a_finished_training_has_the_f1_of_its_card() -> None:
    card = dataclasses.replace(CARD, scores={"validation": {"all": {"f1": 0.7421}}})
    result = TrainingResult(OUTPUT, finished=True, card=card, history=ROWS)
    assert repr(result) == "TrainingResult('runs/first', 3 epochs, F1 0.742)"
    assert json.loads(json.dumps(result.to_dict())) == {
        "output": "runs/first",
        "finished": True,
        "epochs": 3,
        "steps": 30,
        "seconds": 7.5,
        "f1": 0.7421,
        "threshold": 0.4,
    }
    assert result.rows() == list(ROWS)


def test_a_stopped_training_has_the_best_f1_so_far() -> None:
    result = TrainingResult(OUTPUT, finished=False, card=CARD, history=ROWS[:1])
    assert repr(result) == "TrainingResult('runs/first', 1 epoch, F1 0.500, stopped)"
    assert TrainingResult(OUTPUT, finished=False, card=CARD, history=ROWS).f1 == 0.75


def test_a_training_stopped_in_its_first_epoch_has_no_f1() -> None:
    result = TrainingResult(OUTPUT, finished=False, card=CARD, history=())
    assert math.isnan(result.f1)
    assert result.to_dict()["f1"] is None
    assert repr(result) == "TrainingResult('runs/first', 0 epochs, stopped)"


def test_folds_have_means_and_deviations() -> None:
    values = (0.6, 0.7, 0.9)
    scores = tuple({"f1": value, "precision": value, "recall": 1.0, "iou": value} for value in values)
    result = FoldsResult(OUTPUT, finished=True, scores=scores)
    summary = json.loads(json.dumps(result.to_dict()))
    assert summary["f1"] == pytest.approx(statistics.mean(values))
    assert summary["f1_deviation"] == pytest.approx(statistics.stdev(values))
    assert summary["recall_deviation"] == 0
    assert summary["folds"] == result.rows()
    assert [row["fold"] for row in result.rows()] == [1, 2, 3]


def test_folds_without_a_finished_one_have_no_mean() -> None:
    result = FoldsResult(OUTPUT, finished=False, scores=())
    assert result.to_dict()["f1"] is None
    assert repr(result) == "FoldsResult('runs/first', 0 folds, stopped)"
    assert repr(FoldsResult(OUTPUT, finished=True, scores=({"f1": 0.5},))) == (
        "FoldsResult('runs/first', 1 fold, F1 0.500 +- 0.000)"
    )


def test_a_rate_trial_has_a_row_per_step_and_two_files(tmp_path: Path) -> None:
    trial = RateTrial(rates=(1e-4, 1e-3, 1e-2), losses=(1.0, 0.5, 2.0))
    assert repr(trial) == "RateTrial(3 steps, learning rate 0.0001)"
    assert trial.to_dict() == {"learning_rate": 1e-4, "steps": 3}
    assert trial.rows()[1] == {"step": 2, "learning_rate": 1e-3, "loss": 0.5}
    save_trial(trial, tmp_path / "trial")
    assert (tmp_path / "trial" / "learning_rate.csv").read_text() == (
        "learning_rate,loss\n0.0001,1\n0.001,0.5\n0.01,2\n"
    )
    assert (tmp_path / "trial" / "learning_rate.png").read_bytes().startswith(b"\x89PNG")
