"""Scores by class of models with several classes of defect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crackseg.cli.evaluate import common_classes
from crackseg.datasets.samples import Sample, find_samples
from crackseg.errors import ModelError, UsageError
from crackseg.evaluation.comparison import Comparison
from crackseg.evaluation.files import write_report
from crackseg.evaluation.report import EvaluationReport, evaluate_model
from crackseg.evaluation.request import EvaluationRequest
from crackseg.evaluation.text import comparison_to_text, report_to_markdown, report_to_text
from crackseg.imaging.codec import write_png
from crackseg.metrics.classes import class_scores, count_classes
from crackseg.metrics.protocols import find_protocols
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.model import Model
from crackseg.prediction.segmentation import predict_classes
from tests.evaluation.scenes import Darkness, model

CARD = ModelCard(name="kinds", network={"classes": 3}, stride=1, context_px=0)
GREY = {0: 230, 1: 90, 2: 20}


@dataclass
class _Kinds(Darkness):
    """Dark pixels are defects: black ones of class 2, grey ones of class 1."""

    def classes(self, pixels: NDArray[np.uint8], /) -> NDArray[np.uint8]:
        return np.where(pixels[..., 0] < 50, 2, 1).astype(np.uint8)


def kinds() -> Model:
    return Model(_Kinds(), CARD)


def write_kinds(folder: Path, pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> tuple[Sample, ...]:
    """Write images that `kinds` predicts as the first numbers, with the second."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, (called, true) in enumerate(pairs):
        grey = np.vectorize(GREY.__getitem__)(called).astype(np.uint8)
        write_png(folder / "images" / f"{number}.png", np.repeat(grey[..., None], 3, axis=2))
        write_png(folder / "masks" / f"{number}.png", true)
    return find_samples(folder, "test")


def pairs(count: int = 4) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    masks = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        true = rng.integers(0, 3, (40, 50), dtype=np.uint8)
        wrong = rng.random(true.shape) < 0.2
        masks.append((np.where(wrong, rng.integers(0, 3, true.shape), true).astype(np.uint8), true))
    return masks


def reported(folder: Path, request: EvaluationRequest) -> EvaluationReport:
    return evaluate_model(kinds(), write_kinds(folder / "walls", pairs()), replace(request, classes=3))


def expected() -> dict[str, float]:
    sums = {name: np.zeros(2) for name in ("class_hits", "class_called", "class_true")}
    for pair in pairs():
        for name, counts in count_classes(*pair, 3).items():
            sums[name] += counts
    return {score.key: float(score.formula(sums)) for score in class_scores(3)}


@pytest.mark.parametrize("protocol", [None, "native", "resize512", "all"])
def test_classes_are_scored_in_addition_to_every_protocol(tmp_path: Path, protocol: str | None) -> None:
    request = EvaluationRequest(protocol)  # type: ignore[arg-type]
    report = reported(tmp_path, request)
    values = {key: estimate.value for key, estimate in report.estimates["classes"]["walls"].items()}
    assert values == pytest.approx(expected())
    scores = report.to_dict()["protocols"]["classes"]["data"]["walls"]
    assert scores["f1_macro"]["value"] == pytest.approx(expected()["f1_macro"])
    assert scores["f1_macro"]["low"] <= scores["f1_macro"]["value"] <= scores["f1_macro"]["high"]
    for text in (report_to_text(report), report_to_markdown(report)) if request.detailed else (report_to_text(report),):
        assert f"{expected()['f1_class2']:.3f}" in text
        assert "class 2: F1" in text
        assert "micro mean of IoU" in text


def test_defect_or_not_is_still_scored_first(tmp_path: Path) -> None:
    report = reported(tmp_path, EvaluationRequest())
    both = [(called > 0, true > 0) for called, true in pairs()]
    hits = sum(int((called & true).sum()) for called, true in both)
    ends = sum(int(called.sum() + true.sum()) for called, true in both)
    assert report.to_dict()["data"]["walls"]["f1"] == pytest.approx(2 * hits / ends)


def test_a_page_and_a_comparison_report_the_classes_too(tmp_path: Path) -> None:
    report = reported(tmp_path, EvaluationRequest("native", figures=True))
    write_report(tmp_path / "out", report)
    assert "class 1: recall" in (tmp_path / "out" / "evaluation.html").read_text()
    side_by_side = Comparison(report, report)
    assert "macro mean of precision" in comparison_to_text(side_by_side)
    assert side_by_side.differences["classes"]["walls"]["f1_micro"].value == 0


def test_crack_or_not_has_no_scores_of_classes() -> None:
    for classes in (1, 2):
        assert [each.name for each in find_protocols("all", classes=classes)] == [
            "native",
            "classic",
            "centreline",
            "resize512",
        ]
    assert "classes" not in EvaluationRequest("all").parts


def test_binary_masks_are_refused_by_a_model_of_several_classes(tmp_path: Path) -> None:
    samples = write_kinds(tmp_path / "walls", [(called, (true > 0) * np.uint8(255)) for called, true in pairs(1)])
    report = evaluate_model(kinds(), samples, EvaluationRequest(classes=3))
    assert len(report.errors) == 1
    assert "expected class numbers 0 to 2, got a mask of 0 and 255" in report.errors[0]


def test_models_of_other_classes_are_not_compared() -> None:
    assert common_classes([model(), model()]) == 2
    assert common_classes([kinds()]) == 3
    with pytest.raises(UsageError, match="have 2 and 3 classes"):
        common_classes([model(), kinds()])


def test_classes_are_predicted_tile_by_tile_within_the_mask_only() -> None:
    called, _ = pairs(1)[0]
    pixels = np.repeat(np.vectorize(GREY.__getitem__)(called).astype(np.uint8)[..., None], 3, axis=2)
    mask = called > 0
    mask[:5] = False
    predictor = _Kinds(stride=8)
    classes = predict_classes(pixels, mask, predictor, CARD, tile_size=16)
    np.testing.assert_array_equal(classes, np.where(mask, called, 0))
    with pytest.raises(ModelError, match="no output for defect classes"):
        predict_classes(pixels, mask, Darkness(), CARD)
    one_class = replace(CARD, network={"classes": 1})
    np.testing.assert_array_equal(predict_classes(pixels, mask, Darkness(), one_class), mask)
