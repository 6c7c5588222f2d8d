"""Comparisons of two models: differences, intervals, images and files."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crackseg.evaluation import Evaluation, count_samples
from crackseg.evaluation.comparison import Comparison, Difference, compare_scores
from crackseg.evaluation.contrast import draw_contrasts
from crackseg.evaluation.files import write_report
from crackseg.evaluation.gallery import HIT, MISSED
from crackseg.evaluation.page import build_comparison_page
from crackseg.evaluation.report import evaluate_model
from crackseg.evaluation.text import comparison_to_markdown, comparison_to_text, format_score, name_better
from crackseg.metrics.protocols import NATIVE
from tests.evaluation.scenes import Mask, model, scribbled, write_set
from tests.evaluation.test_report import ALL, reported


def pair_of(folder: Path, pairs: list[tuple[Mask, Mask]]) -> tuple[Evaluation, Evaluation]:
    samples = write_set(folder / "set", pairs)
    return count_samples(model(), samples)["set"], count_samples(model(0.9), samples)["set"]


def test_a_difference_is_the_second_minus_the_first_and_turns_its_sign_with_them(tmp_path: Path) -> None:
    one, other = pair_of(tmp_path, scribbled(10))
    scores = NATIVE.scores[:4]
    forth, back = compare_scores(one, other, scores), compare_scores(other, one, scores)
    assert forth["f1"].value == pytest.approx(-(one.scores()["f1"] or 0))
    assert forth["f1"].certain
    for key in ("f1", "recall"):
        assert forth[key].value == pytest.approx(-(back[key].value or 0))
        low, high = forth[key].interval or (0, 0)
        assert back[key].interval == pytest.approx((-high, -low))


def test_a_model_does_not_differ_from_itself(tmp_path: Path) -> None:
    one, _ = pair_of(tmp_path, scribbled(6))
    differences = compare_scores(one, one, NATIVE.scores[:4])
    assert {(each.value, each.interval) for each in differences.values()} == {(0.0, (0.0, 0.0))}
    assert not any(each.certain for each in differences.values())


def test_the_interval_of_a_difference_is_narrower_than_those_of_the_two(tmp_path: Path) -> None:
    samples = write_set(tmp_path / "set", scribbled(12))
    one = count_samples(model(), samples)["set"]
    columns = dict(one.columns)
    # The same model with one more false pixel in every image.
    columns["false_positive"] = columns["false_positive"] + 1
    difference = compare_scores(one, Evaluation(one.samples, columns), NATIVE.scores[:1])["f1"]
    single = one.estimates(NATIVE.scores[:1])["f1"]
    assert difference.interval is not None
    assert single.interval is not None
    assert difference.interval[1] - difference.interval[0] < 0.05 * (single.interval[1] - single.interval[0])
    assert difference.certain


def test_the_better_model_is_named_where_the_interval_excludes_zero() -> None:
    scores = {score.key: score for score in NATIVE.scores}
    up, down, unsure = (
        Difference(0.5, 0.5 + by, (by - 0.1 * width, by + 0.1 * width)) for by, width in ((0.2, 1), (-0.2, 1), (0.2, 3))
    )
    assert [name_better(scores["f1"], each) for each in (up, down, unsure)] == ["B better", "A better", ""]
    assert [name_better(scores["false_per_mpx"], each) for each in (up, down, unsure)] == ["A better", "B better", ""]
    assert name_better(scores["width_bias_px"], up) == "", "nearer to zero would be better"


def test_images_come_first_on_which_the_second_model_loses_most(tmp_path: Path) -> None:
    comparison = Comparison(reported(tmp_path), reported(tmp_path, threshold=0.9))
    f1_of_one = {entry["image"]: entry["f1"] for entry in comparison.one.by_image()}
    changes = comparison.changes()
    assert [change.value for change in changes] == sorted(change.value for change in changes)
    # The second model predicts nothing: it loses all cracks, and gains on images without crack.
    for change in changes:
        assert change.one == f1_of_one[change.image]
        assert change.value == (1.0 if change.other is None else 0.0) - (1.0 if change.one is None else change.one)
    assert changes[0].value < -0.5
    assert changes[-1].value == 1
    differences = comparison.differences["native"]["lines"]
    rows = comparison_to_text(comparison).split("protocol classic")[0].splitlines()[-len(NATIVE.scores) :]
    assert [" *" in row for row in rows] == [differences[score.key].certain for score in NATIVE.scores]
    assert rows[0].endswith("* A better")
    for form in (comparison_to_markdown(comparison), build_comparison_page(comparison)):
        places = [form.index(change.image) for change in changes]
        assert places == sorted(places)


def test_images_on_which_two_models_differ_are_drawn_with_the_errors_of_each(tmp_path: Path) -> None:
    samples, (one, other) = write_set(tmp_path / "set", scribbled(8)), (model(), model(0.9))
    comparison = Comparison(*(evaluate_model(each, samples, ALL) for each in (one, other)))
    contrasts = draw_contrasts(comparison, (one, other), samples)
    values = [contrast.change.value for contrast in contrasts]
    # One of the eight images has neither crack nor prediction. Two have only false pixels, which the second avoids.
    assert values == sorted(values)
    assert [value < 0 for value in values] == [True] * 5 + [False] * 2
    assert values[-1] == 1
    predicted, true = scribbled(8)[int(contrasts[0].change.image.removeprefix("wall").removesuffix(".png"))]
    for data, colour in ((contrasts[0].one, HIT), (contrasts[0].other, MISSED)):
        with Image.open(io.BytesIO(data)) as opened:
            drawn = np.asarray(opened)[predicted & true].astype(float)
        assert np.abs(np.median(drawn, axis=0) - colour).max() < 25
    write_report(tmp_path / "out", comparison, contrasts)
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert page.count("<img") == 3 * len(contrasts)
    assert base64.b64encode(contrasts[0].other).decode() in page
    assert "<img" not in build_comparison_page(comparison)


def test_models_are_compared_on_the_same_images_only(tmp_path: Path) -> None:
    one, _ = pair_of(tmp_path / "a", scribbled(3))
    other, _ = pair_of(tmp_path / "b", scribbled(4))
    with pytest.raises(ValueError, match="same images"):
        compare_scores(one, other, NATIVE.scores[:1])


def test_a_comparison_is_written_with_both_models_and_the_difference(tmp_path: Path) -> None:
    comparison = Comparison(reported(tmp_path), reported(tmp_path, threshold=0.05))
    write_report(tmp_path / "out", comparison)
    content = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    recall = content["protocols"]["native"]["data"]["lines"]["recall"]
    assert recall["a"] == content["a"]["data"]["lines"]["recall"]
    assert recall["b"] == content["b"]["data"]["lines"]["recall"] == 1
    assert recall["difference"] == pytest.approx(recall["b"] - recall["a"])
    assert recall["low"] <= recall["difference"] <= recall["high"]
    text, markdown, page = (
        comparison_to_text(comparison),
        comparison_to_markdown(comparison),
        build_comparison_page(comparison),
    )
    for form in (text, markdown, page):
        assert format_score(recall["difference"], signed=True) in form
        assert "A 0.5 (the model&#x27;s" in form or "A 0.5 (the model's" in form
    assert page.count("<svg") == 1
    # The oracle ignores the threshold, so the two do not differ.
    assert {each["difference"] for each in content["protocols"]["resize512"]["data"]["lines"].values()} == {0.0}


def test_the_rows_of_a_comparison_hold_every_difference_once(tmp_path: Path) -> None:
    comparison = Comparison(reported(tmp_path), reported(tmp_path, threshold=0.05))
    keys = ("a", "b", "difference", "low", "high")
    rows = {(row["protocol"], row["data"], row["score"]): {key: row[key] for key in keys} for row in comparison.rows()}
    assert len(rows) == len(comparison.rows())
    assert rows == {
        (protocol, name, key): value
        for protocol, entry in comparison.to_dict()["protocols"].items()
        for name, scores in entry["data"].items()
        for key, value in scores.items()
    }
    assert {(row["model_a"], row["model_b"]) for row in comparison.rows()} == {("darkness", "darkness")}


def test_a_single_image_has_differences_without_intervals(tmp_path: Path) -> None:
    one, other = pair_of(tmp_path, scribbled(1))
    differences = compare_scores(one, other, NATIVE.scores[:2])
    assert [each.interval for each in differences.values()] == [None, None]
    assert differences["f1"].value == pytest.approx(-(one.scores()["f1"] or 0))
    assert not differences["f1"].certain
