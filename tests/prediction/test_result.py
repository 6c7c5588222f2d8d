"""Predictions of many files, and what is written of each."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crackseg.errors import CracksegError, ImageError, ModelError, OutputError, UsageError
from crackseg.geometry import Scale
from crackseg.imaging.codec import encode_png, write_png
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.model import Model
from crackseg.prediction.result import Prediction, PredictionFailure
from tests.local_network import ConstantNetwork, LocalNetwork, Pixels, all_predicted, brightness_model, names, noise

# Many files


def test_many_files_are_predicted_one_by_one_in_their_order_and_no_more_than_two_ahead(tmp_path: Path) -> None:
    taken: list[str] = []

    def paths() -> Iterator[Path]:
        for index in range(8):
            path = tmp_path / f"{index}.png"
            write_png(path, np.full((3 + index, 5), 30 * index, np.uint8))
            taken.append(path.name)
            yield path

    results = brightness_model().predict_many(paths())
    for index in range(8):  # one more may be with the network by now, and one more being read
        (result,) = all_predicted([next(results)])
        assert (result.name, result.mask.shape[0]) == (f"{index}.png", 3 + index)
        assert index < len(taken) <= index + 3
    assert next(results, None) is None


def test_a_bad_file_among_many_is_a_result_with_an_error(tmp_path: Path) -> None:
    write_png(tmp_path / "good.png", noise((6, 7)))
    (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    (tmp_path / "empty.jpg").write_bytes(b"")
    names = ["good.png", "broken.png", "empty.jpg", "missing.png", "good.png"]
    results = list(brightness_model().predict_many(tmp_path / name for name in names))
    assert [result.name for result in results] == names
    assert [type(result.error) for result in results] == [type(None), ImageError, ImageError, UsageError, type(None)]
    assert all_predicted([results[4]])[0].mask.shape == (6, 7)
    failure = results[1]
    assert isinstance(failure, PredictionFailure)
    assert not [name for name in ("mask", "probability", "image", "cracks", "save") if hasattr(failure, name)]
    assert failure.to_dict() == {"image": "broken.png", "error": str(failure.error)}
    assert repr(failure) == f"PredictionFailure('broken.png', {str(failure.error)!r})"
    assert repr(results[3]) == "PredictionFailure('missing.png', '" + str(results[3].error) + "')"


def test_what_is_wrong_for_every_file_is_raised_not_repeated_for_each(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", noise((50, 50)))
    broken = Model(ConstantNetwork(float("nan")), ModelCard(name="broken", network={}, stride=1, context_px=0))
    with pytest.raises(ModelError):
        list(broken.predict_many([tmp_path / "a.png"]))
    with pytest.raises(UsageError, match="threshold"):
        list(brightness_model().predict_many([tmp_path / "a.png"], threshold=7))
    narrow = Model(LocalNetwork(20), ModelCard(name="m", network={}, stride=1, context_px=20), tile_size=32)
    with pytest.raises(UsageError, match="tile"):
        list(narrow.predict_many([tmp_path / "a.png"]))


# Saved files


def bar_image() -> Pixels:
    """Black, with white bars of 6x40 px and 4x4 px."""
    pixels = np.zeros((50, 60, 3), np.uint8)
    pixels[10:16, 10:50] = 255
    pixels[30:34, 20:24] = 255
    return pixels


def test_saving_writes_mask_overlay_and_measurements(tmp_path: Path) -> None:
    result = brightness_model().predict(bar_image(), name="wall.1.jpg", scale=Scale(0.5, "--scale"))
    result.save(tmp_path / "new" / "out")
    out = tmp_path / "new" / "out"
    assert names(out) == ["wall.1.json", "wall.1_mask.png", "wall.1_overlay.png"]
    with Image.open(out / "wall.1_mask.png") as mask:
        assert (mask.mode, mask.size) == ("L", (60, 50))
        np.testing.assert_array_equal(np.asarray(mask), np.where(result.mask, 255, 0))
    with Image.open(out / "wall.1_overlay.png") as overlay:
        np.testing.assert_array_equal(np.asarray(overlay), result.overlay())
    values = json.loads((out / "wall.1.json").read_text(encoding="utf-8"))
    assert values["image"] == "wall.1.jpg"
    assert (values["height_px"], values["width_px"], values["model"]) == (50, 60, "brightness")
    assert (values["threshold"], values["scale_mm_per_px"], values["scale_source"]) == (0.5, 0.5, "--scale")
    assert values["crack_area_px"] == 6 * 40 + 4 * 4
    assert values["crack_fraction"] == pytest.approx(256 / 3000)
    first, second = values["cracks"]
    assert (first["box"], second["box"]) == ([10, 10, 16, 50], [30, 20, 34, 24])
    assert (first["area_px"], second["area_px"]) == (240, 16)
    assert first["length_mm"] == pytest.approx(first["length_px"] / 2, abs=0.001)
    always = {"width_mean_px", "width_median_px", "width_p95_px", "width_max_px"}
    flat = result.cracks[0].flat_values()
    assert set(first) == {name for name, value in flat.items() if value is not None} | always


def test_without_a_scale_there_are_no_millimetres(tmp_path: Path) -> None:
    brightness_model().predict(bar_image(), name="wall.png").save(tmp_path)
    values = json.loads((tmp_path / "wall.json").read_text(encoding="utf-8"))
    assert values["scale_mm_per_px"] is None
    assert not [key for crack in values["cracks"] for key in crack if key.endswith("_mm")]


def test_the_probability_is_saved_in_16_bit_when_asked_for(tmp_path: Path) -> None:
    result = brightness_model().predict(noise((9, 11)), name="wall.png")
    result.save(tmp_path, probability=True)
    with Image.open(tmp_path / "wall_probability.png") as saved:
        values = np.asarray(saved)
    assert values.max() > 255
    np.testing.assert_allclose(values / 65535, result.probability, atol=0.51 / 65535)


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        brightness_model().predict(bar_image(), name="wall.png").save(tmp_path / folder, probability=True)
    for name in names(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("name", ["../../escaped.png", "/etc/escaped.png", "..", ""])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    out = tmp_path / "deep" / "out"
    brightness_model().predict(noise((4, 4)), name=name).save(out)
    paths = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(paths) == 3
    assert {path.parent for path in paths} == {out}


def test_a_file_whose_name_is_no_text_is_predicted_and_saved(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"wall\xff.png")
    path.write_bytes(encode_png(noise((5, 6))))
    (result,) = all_predicted(brightness_model().predict_many([path]))
    result.save(tmp_path / "out")
    kinds = (b".json", b"_mask.png", b"_overlay.png")
    assert names(tmp_path / "out") == [os.fsdecode(b"wall\xff" + kind) for kind in kinds]
    json.loads((tmp_path / "out" / os.fsdecode(b"wall\xff.json")).read_bytes())


def test_a_file_in_the_place_of_the_output_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(OutputError, match="in the way"):
        brightness_model().predict(noise((4, 4))).save(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"mine"


def test_a_broken_image_is_an_error_of_ours_in_every_form(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(noise((40, 40))).save(buffer, "JPEG")
    cut = buffer.getvalue()[:-400]
    (tmp_path / "cut.jpg").write_bytes(cut)
    with Image.open(io.BytesIO(cut)) as opened:
        for form in (cut, tmp_path / "cut.jpg", opened):
            with pytest.raises(CracksegError, match="cannot be decoded"):
                brightness_model().predict(form)


def test_a_result_can_be_pickled_measured_or_not() -> None:
    wall = np.full((20, 30), 40, np.uint8)
    wall[8:12] = 250
    for ask_first in (False, True):
        result = brightness_model().predict(wall)
        cracks = result.cracks if ask_first else brightness_model().predict(wall).cracks
        other = pickle.loads(pickle.dumps(result))
        assert other.to_dict() == result.to_dict()
        assert other.cracks == cracks
        assert len(cracks) == 1


# Results in a console, a notebook and a data frame


def test_a_result_is_one_line_in_a_console() -> None:
    result = brightness_model().predict(bar_image(), name="wall.png")
    assert repr(result) == f"Prediction('wall.png', 2 cracks, {100 * 256 / 3000:.2f} %)"
    assert repr(brightness_model().predict(noise((4, 4)), threshold=1.0)) == "Prediction('image', 0 cracks, 0.00 %)"
    one = bar_image()
    one[30:34, 20:24] = 0
    assert repr(brightness_model().predict(one)) == "Prediction('image', 1 crack, 8.00 %)"
    assert repr(brightness_model()) == "Model('brightness', threshold 0.5)"


def test_cracks_are_measured_once_however_often_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def count_calls(mask: NDArray[np.bool_], **_: object) -> tuple[()]:
        calls.append(mask.size)
        return ()

    monkeypatch.setattr("crackseg.prediction.result.measure_cracks", count_calls)
    result = brightness_model().predict(bar_image())
    assert calls == []
    assert repr(result) == repr(result)
    assert (result.cracks, result.rows(), result.to_dict()["cracks"]) == ((), [], [])
    assert len(calls) == 1


def test_a_result_cannot_be_changed() -> None:
    result = brightness_model().predict(bar_image())
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.name = "other"  # type: ignore[misc]
    assert not [field.name for field in dataclasses.fields(Prediction) if field.name in ("measure", "error")]
    assert result.error is None


def test_rows_are_flat_and_say_what_the_cracks_say() -> None:
    result = brightness_model().predict(bar_image(), name="wall.png", scale=0.5)
    rows = result.rows()
    assert [(row["image"], row["crack"]) for row in rows] == [("wall.png", 1), ("wall.png", 2)]
    for row, crack in zip(rows, (crack.to_dict() for crack in result.cracks), strict=True):
        assert not [key for key, value in row.items() if isinstance(value, (list, tuple, dict))]
        assert [row[f"box_{side}"] for side in ("row0", "col0", "row1", "col1")] == crack["box"]
        assert [row["width_max_at_row"], row["width_max_at_col"]] == crack["width_max_at"]
        assert {key: row[key] for key in ("area_px", "length_px", "length_mm")} == {
            key: crack[key] for key in ("area_px", "length_px", "length_mm")
        }


def test_a_notebook_shows_the_overlay() -> None:
    result = brightness_model().predict(bar_image())
    with Image.open(io.BytesIO(result._repr_png_())) as shown:
        assert shown.format == "PNG"
        np.testing.assert_array_equal(np.asarray(shown), result.overlay())


def test_the_terms_of_the_model_are_part_of_the_result() -> None:
    card = ModelCard(name="m", network={}, stride=1, context_px=0, terms="for research")
    result = Model(LocalNetwork(0), card).predict(bar_image())
    assert (result.terms, result.to_dict()["terms"]) == ("for research", "for research")


def test_a_number_is_a_scale_in_millimetres_per_pixel(tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    write_png(path, bar_image())
    model = brightness_model()
    results = [model.predict(path, scale=0.2), *all_predicted(model.predict_many([path], scale=0.2))]
    for result in results:
        assert result.scale == Scale(0.2, "scale=")
        assert result.cracks == model.predict(path, scale=Scale(0.2, "scale=")).cracks
    for scale in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="scale"):
            model.predict(path, scale=scale)
        with pytest.raises(UsageError, match="scale"):
            model.predict_many([path], scale=scale)


def test_the_plan_is_the_one_that_was_computed() -> None:
    model = Model(LocalNetwork(2), ModelCard(name="m", network={}, stride=1, context_px=2), tile_size=40)
    for tta in ("none", "flips", "scales"):
        result = model.with_options(tta=tta).predict(noise((90, 70)))
        assert result.plan == model.plan((90, 70))
        assert len(result.plan) > 1


def test_options_are_those_of_a_copy() -> None:
    model = brightness_model()
    other = model.with_options(tta="flips", hysteresis=0.3)
    assert (model.tta, model.hysteresis) == ("none", None)
    assert (other.tta, other.hysteresis) == ("flips", 0.3)
    assert other.predictor is model.predictor
    with pytest.raises(UsageError, match="hysteresis"):
        model.with_options(hysteresis=1.5)
