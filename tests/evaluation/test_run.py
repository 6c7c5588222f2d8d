"""Counting of samples: one prediction per size, scores from the masks of the set."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from crackseg.datasets.samples import find_samples
from crackseg.errors import ModelError
from crackseg.evaluation import Evaluation, count_samples
from crackseg.evaluation.counting import PredictedSample, count_image
from crackseg.evaluation.report import evaluate_model
from crackseg.evaluation.request import EvaluationRequest
from crackseg.evaluation.run import resize_sample
from crackseg.imaging.codec import write_png
from crackseg.measurement.crack import measure_cracks
from crackseg.measurement.skeleton import skeletonise
from crackseg.metrics.boundary import count_boundary
from crackseg.metrics.centreline import CentrelineCounts
from crackseg.metrics.components import ComponentCounts
from crackseg.metrics.counts import Counts
from crackseg.metrics.curve import Floats
from crackseg.metrics.protocols import CENTRELINE, NATIVE, RESIZE512, Part, Protocol, find_protocols
from crackseg.metrics.scores import CURVE, PLAIN
from crackseg.metrics.tolerance import ToleranceCounts
from crackseg.parallel import Progress
from tests.evaluation.scenes import Darkness, Mask, draw_image, model, scribbled, write_set
from tests.metrics.shapes import scribbles
from tests.runs import write_sample

EVERYTHING: frozenset[Part] = frozenset(part for protocol in find_protocols("all") for part in protocol.parts)


def pooled(tmp_path: Path, pairs: list[tuple[Mask, Mask]]) -> Evaluation:
    return count_samples(model(), write_set(tmp_path / "set", pairs), parts=EVERYTHING)["set"]


def test_each_image_is_predicted_once_at_its_own_size_and_once_at_512_px(tmp_path: Path) -> None:
    samples = write_set(tmp_path / "set", [*scribbled(2), (np.zeros((512, 512), np.bool_),) * 2])
    scored = model()
    assert isinstance(scored.predictor, Darkness)
    count_samples(scored, samples, parts=EVERYTHING)
    assert scored.predictor.shapes == [(90, 120), (512, 512), (90, 120), (512, 512), (512, 512)]


@pytest.mark.parametrize("protocol", [NATIVE, CENTRELINE, RESIZE512], ids=lambda each: str(each.name))
def test_a_single_protocol_predicts_each_image_once(tmp_path: Path, protocol: Protocol) -> None:
    samples, scored = write_set(tmp_path / "set", scribbled(2)), model()
    assert isinstance(scored.predictor, Darkness)
    count_samples(scored, samples, parts=protocol.parts)
    assert len(scored.predictor.shapes) == 2


def test_every_score_of_a_set_is_that_of_its_pooled_counts(tmp_path: Path) -> None:
    pairs = scribbled(7)
    evaluation = pooled(tmp_path, pairs)
    counts = sum((Counts.of(*pair) for pair in pairs), Counts())
    expected = {key: getattr(counts, key) for key in ("f1", "precision", "recall", "iou", "false_alarm")}
    for px in range(6):
        near = sum((ToleranceCounts.of(*pair, tolerance_px=px) for pair in pairs), ToleranceCounts())
        expected[f"f1_{px}px"] = near.f1
        if px in (2, 5):
            expected |= {f"precision_{px}px": near.precision, f"recall_{px}px": near.recall}
    outline = sum((count_boundary(*pair, tolerance_px=2) for pair in pairs), ToleranceCounts())
    pieces = sum((ComponentCounts.of(*pair, tolerance_px=2) for pair in pairs), ComponentCounts())
    lines = [
        ((one, skeletonise(one, east_first=True)), (other, skeletonise(other, east_first=True))) for one, other in pairs
    ]
    centre = sum((CentrelineCounts.of(*pair, tolerance_px=4) for pair in lines), CentrelineCounts())
    expected |= {"boundary_f1": outline.f1, "cliou": centre.cliou, "cldice": centre.cldice}
    inside = [(int((mine & other).sum()), int(mine.sum())) for pair in lines for mine, other in _lines_in_masks(*pair)]
    for key, found_in in (("cldice_precision", inside[::2]), ("cldice_sensitivity", inside[1::2])):
        expected[key] = sum(hit for hit, _ in found_in) / sum(total for _, total in found_in)
    expected |= {"detection_rate": pieces.detection_rate, "false_per_mpx": pieces.false_per_mpx}
    scores = {
        key: value
        for protocol in find_protocols("all")[:3]
        for key, value in evaluation.scores(protocol.scores).items()
    }
    assert {key: scores[key] for key in expected} == pytest.approx(expected)


def _lines_in_masks(called: tuple[Mask, Mask], crack: tuple[Mask, Mask]) -> list[tuple[Mask, Mask]]:
    """Each centreline with the mask of the other side."""
    return [(called[1], crack[0]), (crack[1], called[0])]


def test_means_of_images_leave_out_those_with_neither_crack_nor_call(tmp_path: Path) -> None:
    pairs = scribbled(5)
    scores = pooled(tmp_path, pairs).scores(NATIVE.scores)
    values = [value for pair in pairs if not math.isnan(value := Counts.of(*pair).f1)]
    assert len(values) == 4
    assert values[2] == 0
    assert scores["f1_mean"] == pytest.approx(np.mean(values))
    shares = [(one & other).sum() / (one | other).sum() for one, other in pairs if (one | other).any()]
    assert scores["iou_mean"] == pytest.approx(np.mean(shares))
    clean = [Counts.of(*pair) for pair in pairs if not pair[1].any()]
    assert scores["false_alarm_clean"] == pytest.approx(sum(clean, Counts()).false_alarm)
    assert scores["clean_images_alarmed"] == 0.5


def test_lengths_and_widths_are_those_of_the_measurement(tmp_path: Path) -> None:
    true, predicted = np.zeros((80, 200), np.bool_), np.zeros((80, 200), np.bool_)
    true[40:44, 20:180] = True
    predicted[39:45, 20:100] = True
    scores = pooled(tmp_path, [(predicted, true)]).scores(NATIVE.scores)
    (crack,), (call,) = measure_cracks(true), measure_cracks(predicted)
    assert crack.width_mean_px is not None
    assert call.width_mean_px is not None
    assert scores["length_bias"] == pytest.approx(call.length_px / crack.length_px - 1)
    assert scores["length_bias"] == pytest.approx(-0.5, abs=0.02)
    assert scores["length_error"] == pytest.approx(0.5, abs=0.02)
    assert scores["width_bias_px"] == pytest.approx(call.width_mean_px - crack.width_mean_px)
    assert scores["width_error_px"] == pytest.approx(2, abs=0.3)


def test_a_mean_width_counts_each_crack_by_its_length_and_the_errors_of_images_do_not_cancel(tmp_path: Path) -> None:
    true, thin = np.zeros((120, 240), np.bool_), np.zeros((120, 240), np.bool_)
    true[20:24, 20:220] = True  # about 200 px of width 4
    true[80:92, 20:70] = True  # about 40 px of width 12
    thin[20:24, 20:220] = True
    scores = pooled(tmp_path, [(thin, true), (true, thin)]).scores(NATIVE.scores)
    cracks = [(crack.length_px, crack.width_mean_px) for crack in measure_cracks(true)]
    weighted = sum(length * (width or 0) for length, width in cracks) / sum(length for length, _ in cracks)
    assert 4.5 < weighted < 6.5, "the mean of both widths is 8"
    assert scores["width_error_px"] == pytest.approx(weighted - 4, abs=0.3)
    assert scores["width_bias_px"] == pytest.approx(0)
    assert scores["length_bias"] == pytest.approx(0)
    assert (scores["length_error"] or 0) > 0.05


def test_the_average_precision_of_a_set_is_that_of_its_pooled_pixels(tmp_path: Path) -> None:
    evaluation = pooled(tmp_path, scribbled(4))
    # The model returns two probabilities: the first step of the curve holds the predicted pixels, the second all.
    counts = sum((Counts.of(*pair) for pair in scribbled(4)), Counts())
    hit, called = counts.true_positive, counts.true_positive + counts.false_positive
    missed, rest = counts.false_negative, counts.false_negative + counts.true_negative
    way = np.mean([(hit + part * missed) / (called + part * rest) for part in (np.arange(20000) + 0.5) / 20000])
    expected = counts.recall * counts.precision + (1 - counts.recall) * way
    assert evaluation.scores(CURVE)["ap"] == pytest.approx(expected, abs=1e-6)


def test_sums_do_not_depend_on_how_a_set_is_cut(tmp_path: Path) -> None:
    samples = write_set(tmp_path / "set", scribbled(6))
    whole = count_samples(model(), samples, parts=EVERYTHING)["set"]
    parts = [count_samples(model(), part, parts=EVERYTHING)["set"] for part in (samples[:1], samples[1:])]
    joined = Evaluation() + parts[0] + parts[1]
    assert joined.samples == whole.samples
    for protocol in find_protocols("all"):
        assert joined.scores(protocol.scores) == whole.scores(protocol.scores)


@pytest.mark.parametrize("parts", [NATIVE.parts, EVERYTHING], ids=["native", "everything"])
def test_the_counts_of_an_image_do_not_grow_with_it(parts: frozenset[Part]) -> None:
    def kept_bytes(side: int) -> int:
        mask = np.zeros((side, side), np.bool_)
        mask[side // 2] = True
        resized = (mask.astype(np.float32), mask) if "sweep" in parts else None
        counted = count_image(PredictedSample(draw_image(mask), mask, mask.astype(np.float32), mask, resized), parts)
        return sum(
            value.nbytes if isinstance(value, np.ndarray) else sys.getsizeof(value) for value in counted.values()
        )

    assert kept_bytes(40) == pytest.approx(kept_bytes(320), abs=64)
    assert kept_bytes(320) < 5000


def test_a_model_that_answers_nan_ends_the_evaluation(tmp_path: Path) -> None:
    samples = write_set(tmp_path / "set", scribbled(1))
    broken = model(gain=float("nan"))
    with pytest.raises(ModelError):
        count_samples(broken, samples)


def test_a_sample_that_cannot_be_read_is_named_and_the_rest_is_scored(tmp_path: Path) -> None:
    samples = write_set(tmp_path / "set", scribbled(3))
    samples[1].image.write_bytes(b"no image")
    done: list[Progress] = []
    evaluation = count_samples(model(), samples, parts=EVERYTHING, progress=done.append)["set"]
    assert evaluation.samples == (samples[0], samples[2])
    assert [sample for sample, _ in evaluation.failed] == [samples[1]]
    assert done == [Progress(1, 3), Progress(2, 3), Progress(3, 3)]


def test_a_set_of_which_nothing_can_be_read_has_no_score(tmp_path: Path) -> None:
    samples = write_set(tmp_path / "set", scribbled(1))
    samples[0].image.write_bytes(b"no image")
    evaluation = count_samples(model(), samples)["set"]
    assert evaluation.images == 0
    assert set(evaluation.scores().values()) == {None}
    assert evaluation.to_dict()["crack_px"] == 0


def test_a_model_with_options_is_scored_as_it_predicts(tmp_path: Path) -> None:
    true = np.zeros((40, 60), np.bool_)
    true[20, 10:50] = True
    strong = np.zeros_like(true)
    strong[20, 10:20] = True
    write_sample(tmp_path / "set", "wall", draw_image(strong, true), true)
    samples = find_samples(tmp_path / "set", "test")
    plain, adjusted = model(), model().with_options(hysteresis=0.3, tta="flips")
    scores = [count_samples(each, samples)["set"].scores()["recall"] for each in (plain, adjusted)]
    assert scores == [0.25, 1]
    for each, recall in zip((plain, adjusted), scores, strict=True):
        predicted = each.predict(samples[0].image).mask
        assert (predicted & true).sum() / true.sum() == recall
    assert evaluate_model(adjusted, samples, EvaluationRequest()).threshold_from.endswith(
        "hysteresis from 0.3, mean over flips"
    )


def test_an_empty_mask_scores_zero_for_the_crack_and_half_for_a_mean_with_the_background(
    tmp_path: Path,
) -> None:
    true = np.zeros((64, 64), np.bool_)
    true[30] = True
    evaluation = pooled(tmp_path, [(np.zeros_like(true), true)] * 3)
    native, oracle = evaluation.scores(NATIVE.scores), evaluation.scores(RESIZE512.scores)
    assert (native["iou"], native["f1"]) == (0, 0)
    assert oracle["miou"] == pytest.approx(0.49, abs=0.01)
    # No threshold separates the crack in a constant probability.
    assert (oracle["iou"] or 0) < 0.03


def test_the_threshold_of_the_oracle_flatters_where_that_of_the_validation_does_not(tmp_path: Path) -> None:
    true = np.zeros((512, 512), np.bool_)
    true[200:210] = True
    write_sample(tmp_path / "set", "faint", draw_image(np.zeros_like(true), true), true)
    evaluation = count_samples(model(threshold=0.5), find_samples(tmp_path / "set", "test"), parts=EVERYTHING)["set"]
    native, oracle = evaluation.scores(NATIVE.scores), evaluation.scores(RESIZE512.scores)
    assert native["f1"] == 0
    assert oracle["f1"] == oracle["ods"] == oracle["ois"] == 1
    assert 0.1 <= (oracle["threshold"] or 0) < 0.4


def test_the_oracle_chooses_one_threshold_for_ods_and_one_for_each_image_for_ois(tmp_path: Path) -> None:
    true = np.zeros((512, 512), np.bool_)
    true[200:220], rest = True, np.roll(np.eye(512, dtype=np.bool_), 3, axis=0)
    write_sample(tmp_path / "set", "faint", draw_image(np.zeros_like(true), true), true)
    # Here the faint pixels are no crack, and the threshold that finds the first crack predicts them too.
    write_sample(tmp_path / "set", "strong", draw_image(true, rest | np.roll(true, 100, axis=0)), true)
    scores = count_samples(model(), find_samples(tmp_path / "set", "test"), parts=EVERYTHING)["set"].scores(
        RESIZE512.scores
    )
    assert scores["ois"] == 1
    assert (scores["ods"] or 1) < 1


def test_masks_are_resized_to_512_px_by_the_rules_of_the_published_protocol(tmp_path: Path) -> None:
    true = np.zeros((256, 128), np.bool_)
    true[100:110] = True
    evaluation = pooled(tmp_path, [(true, true)])
    assert evaluation.sums()["swept_crack"] == pytest.approx(10 * 2 * 512)
    assert (evaluation.scores(RESIZE512.scores)["f1"] or 0) > 0.97


def bicubic(values: Floats, side: int) -> Floats:
    """Resize by the bicubic kernel that OpenCV documents: a = -0.75, repeated borders."""

    def kernel(at: Floats) -> Floats:
        far = -0.75 * (at**3 - 5 * at**2 + 8 * at - 4)
        return np.where(at <= 1, 1.25 * at**3 - 2.25 * at**2 + 1, np.where(at < 2, far, 0))

    for _ in range(2):
        places = (np.arange(side) + 0.5) * len(values) / side - 0.5
        taken = np.floor(places).astype(int)[:, None] + np.arange(-1, 3)
        weights = kernel(np.abs(places[:, None] - taken))
        values = (weights[..., None] * values[np.clip(taken, 0, len(values) - 1)]).sum(axis=1).T
    return values


def test_image_and_mask_are_resized_by_cubic_curves() -> None:
    rng = np.random.default_rng(2)
    image, true = rng.integers(0, 256, (300, 170, 3), dtype=np.uint8), scribbles(3, shape=(300, 170))
    pixels, mask = resize_sample(image, true)
    assert pixels.shape == (512, 512, 3)
    expected = np.stack([bicubic(image[..., channel].astype(np.float64), 512) for channel in range(3)], axis=2)
    assert np.abs(pixels - expected.clip(0, 255)).max() <= 1.5
    levels = bicubic(255 * true.astype(np.float64), 512)
    sure = np.abs(levels - 127.5) > 1.5
    np.testing.assert_array_equal(mask[sure], levels[sure] > 127.5)
    assert sure.mean() > 0.99


def test_the_headline_is_the_first_scores_of_the_native_protocol_and_no_other(tmp_path: Path) -> None:
    evaluation = count_samples(model(), write_set(tmp_path / "set", scribbled(3)))["set"]
    headline = list(evaluation.scores())
    expected = ["f1", "precision", "recall", "iou", "f1_2px", "precision_2px", "recall_2px", "false_alarm"]
    assert headline == expected
    assert {each.key for each in PLAIN} >= set(headline)


def test_void_pixels_are_not_scored(tmp_path: Path) -> None:
    shape = (64, 96)
    crack, border = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    crack[20:24, 10:80], border[40:48, 10:80] = True, True
    write_set(tmp_path / "plain", [(crack | border, crack)])
    write_set(tmp_path / "void", [(crack | border, crack)])
    mask = next((tmp_path / "void").rglob("masks/*.png"))
    write_png(mask, np.where(border, np.uint8(255), crack.astype(np.uint8)))
    plain, void = (
        count_samples(model(), find_samples(tmp_path / name, "test"))[name].scores(PLAIN)["f1"]
        for name in ("plain", "void")
    )
    assert plain is not None
    assert plain < 0.6
    assert void == 1
