"""Reports of evaluations: intervals, files, page and figures."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from lxml import etree
from PIL import Image
from scipy import stats

from crackseg.datasets.samples import find_samples
from crackseg.errors import UsageError
from crackseg.evaluation import Evaluation, count_samples
from crackseg.evaluation.chart import draw_chart, trace
from crackseg.evaluation.comparison import Comparison
from crackseg.evaluation.counting import PredictedSample
from crackseg.evaluation.files import write_report
from crackseg.evaluation.gallery import FALSE, HIT, MISSED, Gallery, draw_errors
from crackseg.evaluation.page import build_comparison_page, build_report_page
from crackseg.evaluation.report import EvaluationReport, evaluate_model
from crackseg.evaluation.request import EvaluationRequest
from crackseg.evaluation.text import (
    comparison_to_markdown,
    format_interval,
    format_score,
    report_to_markdown,
    report_to_text,
)
from crackseg.metrics.counts import Counts
from crackseg.metrics.protocols import NATIVE, find_protocols
from tests.evaluation.scenes import draw_image, model, scribbled, write_set

ALL = EvaluationRequest("all", figures=True)


def reported(
    folder: Path, request: EvaluationRequest = ALL, count: int = 8, *, threshold: float = 0.5
) -> EvaluationReport:
    samples = write_set(folder / "lines", scribbled(count)) if not (folder / "lines").exists() else None
    return evaluate_model(model(threshold), samples or find_samples(folder / "lines", "test"), request)


class _Cells(HTMLParser):
    """Collects tags and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_intervals_hold_the_value_and_agree_with_scipy(tmp_path: Path) -> None:
    pairs = scribbled(20)
    evaluation = count_samples(model(), write_set(tmp_path / "set", pairs))["set"]
    estimate = evaluation.estimates(NATIVE.scores[:1])["f1"]
    assert estimate.interval is not None
    assert estimate.value is not None
    assert estimate.interval[0] < estimate.value < estimate.interval[1]
    counts = np.array([[c.true_positive, c.false_positive + c.false_negative] for c in (Counts.of(*p) for p in pairs)])
    expected = stats.bootstrap(
        (counts[:, 0], counts[:, 1]),
        lambda hit, wrong, axis: 2 * hit.sum(axis=axis) / (2 * hit.sum(axis=axis) + wrong.sum(axis=axis)),
        paired=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert estimate.interval == pytest.approx((expected.low, expected.high), abs=0.02)


def test_a_single_image_has_scores_and_no_interval(tmp_path: Path) -> None:
    evaluation = count_samples(model(), write_set(tmp_path / "set", scribbled(1)))["set"]
    estimates = evaluation.estimates(NATIVE.scores[:4])
    assert all(each.value is not None and each.interval is None for each in estimates.values())


def test_the_files_hold_the_same_scores(tmp_path: Path) -> None:
    report = reported(tmp_path)
    write_report(tmp_path / "out", report)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"evaluation.{name}" for name in ("json", "md", "html")
    }
    content = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert content == report.to_dict()
    assert list(content["protocols"]) == [protocol.name for protocol in find_protocols("all")]
    text, markdown, page = report_to_text(report), report_to_markdown(report), build_report_page(report)
    for protocol in find_protocols("all"):
        entry = content["protocols"][protocol.name]
        assert entry["oracle"] == protocol.oracle
        for score in protocol.scores:
            value = entry["data"]["lines"][score.key]
            shown = format_score(value["value"], score.unit)
            assert f"| {score.title} | {shown}" in markdown
            assert f"<td>{score.title}</td><td>{shown}" in page
            assert any(line.split("[")[0].split() == f"{score.title} {shown}".split() for line in text.splitlines())
    assert text.count("ORACLE") == markdown.count("ORACLE") == page.count("ORACLE") == 1
    assert "oracle: sees the test masks" in page


def test_images_are_listed_worst_first_with_the_scores_of_their_masks(tmp_path: Path) -> None:
    report = reported(tmp_path)
    entries = report.by_image()
    assert [entry["image"] for entry in entries[:-1]] == [drawn.name for drawn in report.figures]
    values = [1.0 if entry["f1"] is None else entry["f1"] for entry in entries]
    assert values == sorted(values)
    by_name = {entry["image"]: entry for entry in entries}
    for number, pair in enumerate(scribbled(8)):
        counts, entry = Counts.of(*pair), by_name[f"wall{number:02d}.png"]
        assert entry["f1"] == (None if math.isnan(counts.f1) else pytest.approx(counts.f1))
        assert entry["crack_px"] == pair[1].sum()
        assert entry["called_px"] == pair[0].sum()


def test_the_page_needs_nothing_outside_itself(tmp_path: Path) -> None:
    page = build_report_page(reported(tmp_path))
    parser = _Cells()
    parser.feed(page)
    assert not {tag for tag, _ in parser.tags} & {"script", "link", "iframe", "object"}
    images = [attributes["src"] or "" for tag, attributes in parser.tags if tag == "img"]
    # Seven of the eight images have errors; each figure shows the image and its errors.
    assert len(images) == 14
    for source in images:
        assert source.startswith("data:image/jpeg;base64,")
        with Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))) as image:
            assert image.size == (120, 90)
    assert "//" not in re.sub(r'src="data:[^"]*"', "", page)
    chart = re.search(r"<svg.*?</svg>", page, re.DOTALL)
    assert chart is not None
    assert etree.fromstring(chart[0]).tag == "svg"
    assert "AP 0." in chart[0]


def test_the_legend_names_the_colours_that_are_drawn(tmp_path: Path) -> None:
    page = build_report_page(reported(tmp_path, count=3))
    keys = re.findall(r'style="background: rgb\(([^)]*)\)"></span>(\w+)', page)
    named = {title: tuple(int(level) for level in colour.split(",")) for colour, title in keys}
    assert named == {"hit": HIT, "missed": MISSED, "false": FALSE}


def test_the_curve_is_drawn_over_recall_and_its_dot_is_the_threshold_in_use(tmp_path: Path) -> None:
    report = reported(tmp_path)
    curve = trace("lines", report.results["lines"])
    assert curve is not None
    scores = report.results["lines"].scores()
    assert curve.chosen == (scores["recall"], scores["precision"])
    chart = etree.fromstring(draw_chart([curve]))
    lines = [line.get("d", "") for line in chart.iter("path") if line.get("stroke-width") == "2"]
    points = np.array([[float(value) for value in point.split()] for point in lines[0].removeprefix("M").split("L")])
    (dot,) = chart.iter("circle")
    # The axes are 360 px long, recall from 52 px on to the right, precision from 374 px on upwards.
    recall, precision = (points[:, 0] - 52) / 360, (374 - points[:, 1]) / 360
    np.testing.assert_allclose(recall, curve.recall, atol=2e-4)
    np.testing.assert_allclose(precision, curve.precision, atol=2e-4)
    at_dot = (float(dot.get("cx", "")) - 52) / 360, (374 - float(dot.get("cy", ""))) / 360
    assert at_dot == pytest.approx(curve.chosen, abs=2e-4)


def test_a_set_without_cracks_has_no_curve_and_says_so(tmp_path: Path) -> None:
    predicted = scribbled(1)[0][0]
    report = evaluate_model(model(), write_set(tmp_path / "set", [(predicted, np.zeros_like(predicted))]), ALL)
    assert trace("set", report.results["set"]) is None
    page = build_report_page(report)
    assert "There is no crack in these images, and so no curve." in page
    assert "<svg" not in page


def test_counts_without_a_curve_have_none(tmp_path: Path) -> None:
    report = evaluate_model(model(), write_set(tmp_path / "set", scribbled(2)), EvaluationRequest())
    assert trace("set", report.results["set"]) is None


def test_long_lists_are_cut_in_the_page_and_whole_in_the_json(tmp_path: Path) -> None:
    samples = write_set(tmp_path / "set", scribbled(1)) * 203
    report = evaluate_model(model(), samples, EvaluationRequest("native"))
    page = build_report_page(report)
    assert page.count("<td>set: wall00.png</td>") == 200
    assert "3 more are in evaluation.json." in page
    assert len(report.to_dict()["images"]) == 203


def test_files_that_could_not_be_scored_are_listed_in_every_form(tmp_path: Path) -> None:
    samples = write_set(tmp_path / "set", scribbled(3))
    samples[1].image.write_bytes(b"no image")
    report = evaluate_model(model(), samples, ALL)
    both = Comparison(report, report)
    for form in (
        report_to_markdown(report),
        build_report_page(report),
        comparison_to_markdown(both),
        build_comparison_page(both),
    ):
        assert "Not scored" in form
        assert form.split("Not scored")[1].count("wall01.png") == 1
    assert "Not scored" not in report_to_markdown(evaluate_model(model(), samples[:1], ALL))


def test_names_come_out_as_text(tmp_path: Path) -> None:
    samples = write_set(tmp_path / "<b>&", scribbled(2))
    report = evaluate_model(model(name="<i>m</i>"), samples, ALL)
    page, markdown = build_report_page(report), report_to_markdown(report)
    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in markdown


def test_a_set_called_all_is_not_taken_for_all_sets_together(tmp_path: Path) -> None:
    samples = [sample for name in ("all", "other") for sample in write_set(tmp_path / name, scribbled(2))]
    report = evaluate_model(model(), samples, ALL)
    assert [(name, result.images) for name, result in report.results.items()] == [
        ("all", 2),
        ("other", 2),
        ("all together", 4),
    ]
    assert [entry["data"] for entry in report.by_image()].count("all") == 2
    single = evaluate_model(model(), samples[:2], ALL)
    assert [entry["data"] for entry in single.by_image()] == ["all", "all"]


def test_a_set_whose_name_is_no_text_is_shown_escaped(tmp_path: Path) -> None:
    samples = write_set(tmp_path / os.fsdecode(b"w\xffll"), scribbled(2))
    report = evaluate_model(model(), samples, ALL)
    write_report(tmp_path / "out", report)
    assert "w\\xffll" in report_to_text(report)
    assert "w\\xffll" in (tmp_path / "out" / "evaluation.html").read_text()


def test_the_headline_is_one_line_and_a_table_without_details(tmp_path: Path) -> None:
    report = reported(tmp_path, EvaluationRequest())
    lines = report_to_text(report).splitlines()
    assert lines[0] == "darkness, protocol native, threshold 0.5 (the model's validation images)"
    assert len(lines) == 3
    assert lines[1].endswith("  95 % interval of F1")
    assert lines[2].endswith(format_interval(report.estimates["native"]["lines"]["f1"].interval))
    assert set(report.to_dict()) == {"model", "terms", "protocol", "threshold", "threshold_from", "data"}


def test_a_report_without_a_named_protocol_prints_the_headline_and_writes_the_card(tmp_path: Path) -> None:
    report = reported(tmp_path, EvaluationRequest(figures=True))
    assert len(report_to_text(report).splitlines()) == 3
    assert list(report.to_dict()["protocols"]) == ["native"]
    assert "threshold: 0.5" in report_to_markdown(report)


def test_the_terms_of_the_model_stand_in_every_file(tmp_path: Path) -> None:
    samples, free = write_set(tmp_path / "set", scribbled(2)), model(name="free")
    free.card = dataclasses.replace(free.card, terms="for <any> use")
    report = evaluate_model(free, samples, ALL)
    both = Comparison(evaluate_model(model(), samples, ALL), report)
    assert report.to_dict()["terms"] == both.to_dict()["b"]["terms"] == "for <any> use"
    assert both.to_dict()["a"]["terms"] == "not stated"
    assert "<dt>terms of the model</dt><dd>for &lt;any&gt; use</dd>" in build_report_page(report)
    assert "<dt>terms of B</dt><dd>for &lt;any&gt; use</dd>" in build_comparison_page(both)
    assert "Terms of the model: for &lt;any> use" in report_to_markdown(report)
    assert "Terms of B: for &lt;any> use" in comparison_to_markdown(both)


def test_a_report_is_one_line_in_a_console(tmp_path: Path) -> None:
    report = reported(tmp_path)
    f1 = report.results["lines"].scores()["f1"]
    assert repr(report) == f"EvaluationReport('darkness', 8 images, F1 {f1:.3f})"
    assert repr(report.results["lines"]) == f"Evaluation(8 images, F1 {f1:.3f})"
    assert repr(Comparison(report, report)) == f"Comparison({report!r}, {report!r})"
    several = [sample for name in ("a", "b") for sample in write_set(tmp_path / name, scribbled(2))]
    assert ", 4 images, " in repr(evaluate_model(model(), several, EvaluationRequest()))
    assert repr(Evaluation()) == "Evaluation(0 images, F1 undefined)"
    assert (
        repr(evaluate_model(model(), [], EvaluationRequest())) == "EvaluationReport('darkness', 0 images, F1 undefined)"
    )


def test_the_rows_hold_every_score_of_the_json_once(tmp_path: Path) -> None:
    report = reported(tmp_path)
    content = report.to_dict()["protocols"]
    keys = ("value", "low", "high")
    rows = {(row["protocol"], row["data"], row["score"]): {key: row[key] for key in keys} for row in report.rows()}
    assert len(rows) == len(report.rows())
    assert rows == {
        (protocol, name, key): value
        for protocol, entry in content.items()
        for name, scores in entry["data"].items()
        for key, value in scores.items()
    }
    assert {row["model"] for row in report.rows()} == {"darkness"}


def test_the_oracle_takes_no_threshold() -> None:
    with pytest.raises(UsageError, match="best threshold"):
        EvaluationRequest("resize512", 0.4)
    EvaluationRequest("all", 0.4)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (None, "", "-"),
        (0.25, "", "0.250"),
        (0.0125, "%", "1.250 %"),
        (-0.49714, "%", "-49.7 %"),
        (1.234, "px", "1.23 px"),
        (5.0, "/Mpx", "5.0 /Mpx"),
    ],
)
def test_numbers_are_shown_with_their_unit(value: float | None, unit: str, expected: str) -> None:
    assert format_score(value, unit) == expected  # type: ignore[arg-type]


def test_an_interval_is_shown_or_nothing() -> None:
    assert format_interval((0.1, 0.25)) == "[0.100, 0.250]"
    assert format_interval((-0.1, 0.25), "px", signed=True) == "[-0.10 px, +0.25 px]"
    assert format_interval(None) == ""


def test_the_gallery_keeps_the_worst_and_of_equal_ones_those_with_more_wrong_pixels(tmp_path: Path) -> None:
    samples = write_set(tmp_path / "set", scribbled(12))
    gallery = Gallery(4)
    prediction = [PredictedSample(draw_image(one), other, one.astype(np.float32), one) for one, other in scribbled(12)]
    for sample, each in zip(samples, prediction, strict=True):
        gallery.add(sample, each)

    def rank(each: PredictedSample) -> tuple[float, int]:
        counts = Counts.of(each.predicted, each.true)
        wrong = counts.false_positive + counts.false_negative
        return (1.0 if math.isnan(counts.f1) else counts.f1), -wrong

    expected = sorted(zip(samples, prediction, strict=True), key=lambda item: rank(item[1]))[:4]
    assert [drawn.name for drawn in gallery.worst_first()] == [sample.image.name for sample, _ in expected]


def test_hit_missed_and_false_pixels_have_their_colours() -> None:
    true, predicted = np.zeros((40, 50), np.bool_), np.zeros((40, 50), np.bool_)
    true[10:12], predicted[11:13] = True, True
    drawn = draw_errors(np.full((40, 50, 3), 128, np.uint8), predicted, true)
    assert [tuple(drawn[row, 20].tolist()) for row in (10, 11, 12)] == [MISSED, HIT, FALSE]
    assert len(set(drawn[20, 20].tolist())) == 1


def test_an_error_one_pixel_wide_is_visible_after_shrinking() -> None:
    false = np.zeros((1600, 1200), np.bool_)
    false[801] = True
    drawn = draw_errors(np.full((1600, 1200, 3), 128, np.uint8), false, np.zeros_like(false))
    assert drawn.shape == (512, 384, 3)
    assert (drawn == FALSE).all(axis=2).any(axis=0).all()
