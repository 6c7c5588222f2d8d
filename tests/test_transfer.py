"""Tables of `experiments/transfer.py`: chosen images, shares of folders, and rows."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackseg.datasets.samples import Sample
from tests.runs import REPOSITORY

SCRIPT = REPOSITORY / "experiments" / "tables.py"
SAMPLES = [Sample(Path(f"{index:03}.jpg"), Path(f"{index:03}.png"), "walls") for index in range(60)]
CLEAN = {"f1": 0.0, "f1_2px": 0.0, "crack_px": 0, "false_alarm": 0.0081}


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("tables", SCRIPT)
    if spec is None or spec.loader is None:
        raise ImportError(str(SCRIPT))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if not SCRIPT.exists():
    pytest.skip("experiments/ is not in a source distribution", allow_module_level=True)
tables = _load()


def scores(f1: float, near: float) -> dict[str, float]:
    return {"f1": f1, "f1_2px": near, "crack_px": 100, "false_alarm": 0.01}


def result(**test: dict[str, float]) -> dict[str, Any]:
    return {"test": test, "threshold": 0.45, "steps": 300, "minutes": 4.0, "images": 10}


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_a_larger_choice_of_images_holds_every_smaller_one(one: int, other: int, seed: int) -> None:
    few, many = sorted((one, other))
    chosen = tables.choose(SAMPLES, many, seed)
    assert len(set(chosen)) == many
    assert chosen[:few] == tables.choose(SAMPLES, few, seed)


def test_the_choice_depends_on_the_seed_and_on_no_order() -> None:
    assert tables.choose(SAMPLES, 10, 0) == tables.choose(SAMPLES[::-1], 10, 0)
    assert tables.choose(SAMPLES, 10, 0) != tables.choose(SAMPLES, 10, 1)


@given(st.integers(1, 9), st.integers(1, 4))
def test_real_and_generated_folders_share_the_patches_in_halves(real: int, generated: int) -> None:
    real_sets, drawn = [f"real{index}" for index in range(real)], [f"drawn{index}" for index in range(generated)]
    shares = tables.even_halves(real_sets, drawn)
    assert sum(shares[name] for name in real_sets) == pytest.approx(1, abs=1e-3)
    assert sum(shares[name] for name in drawn) == pytest.approx(1, abs=1e-3)


def test_where_one_kind_is_missing_the_other_has_all() -> None:
    assert tables.even_halves([], ["a", "b"]) == {"a": 0.5, "b": 0.5}


def test_a_set_without_cracks_shows_its_false_alarms_and_joins_no_mean() -> None:
    cracked = [scores(0.5, 0.7), scores(0.7, 0.9)]
    assert tables.cell(CLEAN) == "0.81 % marked"
    assert tables.cell(cracked[0]) == "0.500 / 0.700"
    assert tables.mean_cell([*cracked, CLEAN]) == "0.600 / 0.800"
    assert tables.mean_cell([*cracked, None]) == tables.mean_cell([CLEAN]) == tables.cell(None) == "-"


def test_a_left_out_set_is_compared_with_the_model_trained_on_it() -> None:
    unseen = {"walls": result(walls=scores(0.5, 0.7)), "clean": result(clean=CLEAN)}
    text = tables.without_table(["walls", "roads", "clean"], unseen, result(walls=scores(0.8, 0.9), clean=CLEAN), "all")
    assert text.splitlines()[2:] == [
        "| walls | 0.500 / 0.700 | 0.800 / 0.900 | 0.45 | 300 | 4.0 |",
        "| clean | 0.81 % marked | 0.81 % marked | 0.45 | 300 | 4.0 |",
        "| mean of 1 with cracks | 0.500 / 0.700 | 0.800 / 0.900 |  |  |  |",
    ]


def test_a_mean_over_more_sets_than_the_other_model_was_scored_on_is_left_out() -> None:
    unseen = {"walls": result(walls=scores(0.5, 0.7)), "roads": result(roads=scores(0.7, 0.9))}
    text = tables.without_table(["walls", "roads"], unseen, result(walls=scores(0.8, 0.9)), "all")
    assert text.splitlines()[-1].startswith("| mean of 2 with cracks | 0.600 / 0.800 | - |")


def test_a_few_images_are_compared_with_none_and_averaged_over_their_choices() -> None:
    base = result(walls=scores(0.4, 0.6))
    rows = {
        "fine-tuned, 10": [result(walls=scores(0.5, 0.7)), result(walls=scores(0.6, 0.7))],
        "from ImageNet, 10": [],
    }
    assert tables.few_table("walls", base, rows).splitlines()[2:] == [
        "| base as it is | 0 | 1 | 0.400 / 0.600 | 0.45 |  | 0 |",
        "| fine-tuned, 10 | 10 | 2 | 0.550 ± 0.071 / 0.700 ± 0.000 | 0.45 | 300 | 4.0 |",
    ]


def test_the_real_images_share_has_a_row_each_and_a_mean() -> None:
    rows = {"generated + 5 %": result(walls=scores(0.5, 0.7), clean=CLEAN)}
    assert tables.share_table(["walls", "clean"], rows).splitlines()[2:] == [
        "| generated + 5 % | 10 | 0.500 / 0.700 | 0.81 % marked | 0.500 / 0.700 | 0.45 | 300 | 4.0 |",
    ]
