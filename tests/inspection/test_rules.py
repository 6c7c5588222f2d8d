"""Test verdicts and reasons of rules, and errors in rules."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackseg.config import dump_config, load_config
from crackseg.errors import ConfigError, UsageError
from crackseg.geometry import Scale
from crackseg.inspection.records import VERDICTS
from crackseg.inspection.rules import JudgedArea, Rule, Rules, check_scale, judge, load_rules, parse_condition
from crackseg.measurement.crack import CrackMeasurement, measure_cracks
from crackseg.measurement.values import Measured

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "rules"


def cracks(*lengths: int) -> tuple[CrackMeasurement, ...]:
    """Return horizontal lines of these lengths, three pixels wide."""
    mask = np.zeros((8 * len(lengths) + 1, 400), dtype=np.bool_)
    for number, length in enumerate(lengths):
        mask[8 * number + 2 : 8 * number + 5, 5 : 5 + length] = True
    return measure_cracks(mask)


def rules(*items: Rule) -> Rules:
    return Rules(rules=items)


def test_the_default_file_equals_the_built_in_rules() -> None:
    assert load_rules(CONFIGS / "default.yaml").rules == Rules()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_rules_file_loads_and_survives_a_round_trip(path: Path, tmp_path: Path) -> None:
    loaded = load_rules(path).rules
    (tmp_path / "again.yaml").write_text(dump_config(loaded), encoding="utf-8")
    assert load_rules(tmp_path / "again.yaml").rules == loaded


def test_the_gravest_verdict_counts_and_every_reason_is_given() -> None:
    measured = cracks(200, 30)
    verdict, reasons = judge(Rules(), {"components": 2.0}, measured)
    assert verdict == "NG"
    assert [reason.partition(":")[0] for reason in reasons] == ["NG long crack", "WARN crack"]
    assert "length_px" in reasons[0]
    assert judge(Rules(), {"components": 1.0}, cracks(30))[0] == "WARN"
    assert judge(Rules(), {"components": 0.0}, ()) == ("OK", ())


def test_conditions_on_cracks_must_hold_for_the_same_crack() -> None:
    both = rules(Rule(name="long and small", verdict="NG", when=("length_px > 100", "area_px < 150")))
    assert judge(both, {}, cracks(200, 30))[0] == "OK"
    assert judge(both, {}, cracks(200))[0] == "OK"
    assert (
        judge(rules(Rule(name="x", verdict="NG", when=("length_px > 20", "area_px < 150"))), {}, cracks(30))[0] == "NG"
    )


def test_a_missing_measurement_makes_no_image_ok() -> None:
    wide = rules(Rule(name="wide", verdict="NG", when=("width_max_mm > 0.3",)))
    verdict, reasons = judge(wide, {}, cracks(30))
    assert verdict == "CANNOT JUDGE"
    assert "width_max_mm" in reasons[0]
    long_too = rules(*wide.rules, Rule(name="long", verdict="NG", when=("length_px > 20",)))
    assert judge(long_too, {}, cracks(30))[0] == "NG"


def test_a_width_below_the_limit_by_less_than_its_uncertainty_is_not_ok() -> None:
    (crack,) = measure_cracks(np.ones((9, 40), np.bool_), scale=Scale(0.1, "a ruler"))

    def verdict(width_mm: float) -> str:
        wide = rules(Rule(name="wide", verdict="NG", when=("width_max_mm > 0.3",)))
        width = dataclasses.replace(crack.width, max=Measured(10 * width_mm, 1.0))
        return judge(wide, {}, [dataclasses.replace(crack, width=width)])[0]

    assert [verdict(width) for width in (0.15, 0.25, 0.35)] == ["OK", "CANNOT JUDGE", "NG"]


def test_an_unknown_measurement_does_not_matter_if_another_condition_fails() -> None:
    wide = rules(Rule(name="wide and long", verdict="NG", when=("width_max_mm > 0.3", "length_px > 100")))
    assert judge(wide, {}, cracks(30)) == ("OK", ())


@given(st.lists(st.integers(3, 300), max_size=5), st.floats(1, 300), st.floats(1, 300))
def test_a_stricter_limit_never_makes_a_verdict_milder(lengths: list[int], one: float, other: float) -> None:
    strict, lax = sorted((one, other))
    measured = cracks(*lengths) if lengths else ()
    graver, milder = (
        judge(rules(Rule(name="long", verdict="NG", when=(f"length_px > {limit}",))), {}, measured)[0]
        for limit in (strict, lax)
    )
    assert VERDICTS.index(graver) <= VERDICTS.index(milder)


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("width_max_mm", "expected a condition"),
        ("width_max_mm = 3", "expected a condition"),
        ("widht > 3", "unknown measurement"),
        ("length_px > three", "expected a condition"),
        ("__class__ > 3", "unknown measurement"),
    ],
)
def test_a_wrong_condition_is_named_with_file_and_line(tmp_path: Path, text: str, mentions: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(f"rules:\n- name: x\n  verdict: NG\n  when: ['{text}']\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=mentions) as caught:
        load_rules(file)
    assert "rules.yaml:4" in str(caught.value)


def test_density_is_the_fraction_of_crack_pixels() -> None:
    assert parse_condition("density > 0.1").measurement == "crack_fraction"


def test_millimetres_without_a_scale_are_refused_before_the_work() -> None:
    with pytest.raises(UsageError, match="no scale is known"):
        check_scale(load_rules(CONFIGS / "concrete-0.3mm.yaml").rules, known=False)
    check_scale(load_rules(CONFIGS / "concrete-0.3mm.yaml").rules, known=True)
    check_scale(Rules(), known=False)


def test_the_error_names_a_missing_mask(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("ignore_mask: gone.png\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"gone\.png"):
        load_rules(tmp_path / "rules.yaml")


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.floats(0, 1))
def test_ignored_pixels_do_not_count_and_the_others_do(height: int, width: int, row: float, col: float) -> None:
    config = load_config(Rules, overrides=[f"ignore=[{{row0: {row:.6f}, col0: {col:.6f}}}]"])
    counts = JudgedArea(config).mask((height, width))
    top, left = round(float(f"{row:.6f}") * height), round(float(f"{col:.6f}") * width)
    assert int((~counts).sum()) == (height - top) * (width - left)


def test_a_width_too_small_to_measure_is_below_a_limit_far_above_the_resolution() -> None:
    mask = np.zeros((40, 200), np.bool_)
    mask[20, 10:190] = True
    (hair,) = measure_cracks(mask, scale=Scale(0.1, "--scale"))
    assert hair.width_max_mm is None
    for limit, verdict in ((0.3, "OK"), (0.2, "CANNOT JUDGE")):
        for figure in (f"width_max_mm > {limit}", f"width_max_px > {10 * limit}"):
            assert judge(rules(Rule(name="wide", verdict="NG", when=(figure,))), {}, [hair])[0] == verdict
