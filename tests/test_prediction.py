"""Prediction: tiles leave no seam, borders are mirrored, results have the image's own size.

The networks here are small local filters whose answers are exact sums of whole numbers, so "equal" means equal.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from crackseg.card import ModelCard
from crackseg.errors import CracksegError, ImageError, ModelError, OutputError, UsageError
from crackseg.geometry import Scale
from crackseg.images import ArrayImage, encode_png, write_png
from crackseg.measurement.crack import CrackMeasurement
from crackseg.prediction import Model
from crackseg.probability import BYTES_PER_PX, predict_probability
from crackseg.runtimes.predictor import TileMemoryError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class LocalNetwork:
    """The mean brightness around a pixel, pooled over cells of the stride, with zeros beyond the edge of its input.

    Like a convolutional network it knows nothing beyond its input, and its answer depends on where the cells stand.
    """

    radius: int
    stride: int = 1
    promised: int | None = None
    pooled: bool = True

    @property
    def context(self) -> int:
        return self.radius + self.stride - 1 if self.promised is None else self.promised

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        count, height, width, channels = pixels.shape
        assert (height % self.stride, width % self.stride, channels) == (0, 0, 3)
        side = 2 * self.radius + 1
        answers = np.zeros((count, height, width), np.float32)
        for answer, image in zip(answers, pixels, strict=True):
            sums = cv2.boxFilter(
                image.sum(axis=2, dtype=np.float64), -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT
            )
            cell = self.stride if self.pooled else 1
            cells = sums.reshape(height // cell, cell, width // cell, cell).sum(axis=(1, 3))
            answer[:] = np.kron(cells / (255 * 3 * side**2 * cell**2), np.ones((cell, cell)))
        return answers


@dataclass(frozen=True)
class ConstantNetwork:
    """The same answer everywhere."""

    value: float
    stride: int = 1
    context: int = 0

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        return np.full(pixels.shape[:3], self.value, np.float32)


def brightness_model(*, radius: int = 0, threshold: float = 0.5) -> Model:
    """Calls bright pixels crack."""
    card = ModelCard(name="brightness", network={}, stride=1, context_px=radius, threshold=threshold)
    return Model(LocalNetwork(radius), card)


def noise(shape: tuple[int, int], seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


SIDES = st.tuples(st.integers(1, 120), st.integers(1, 120))
WHOLE = 4096


# Tiles and borders


@settings(max_examples=150)
@given(shape=SIDES, radius=st.integers(0, 9), stride=st.sampled_from([1, 2, 4, 8, 16]), extra=st.integers(0, 50))
def test_tiles_change_nothing_for_any_size_of_image_and_tile(
    shape: tuple[int, int], radius: int, stride: int, extra: int
) -> None:
    network = LocalNetwork(radius, stride)
    smallest = 2 * -(-network.context // stride) * stride + stride
    image = ArrayImage(noise(shape))
    tiled = predict_probability(image, network, tile_size=smallest + extra)
    np.testing.assert_array_equal(tiled, predict_probability(image, network, tile_size=WHOLE))


@pytest.mark.parametrize("stride", [1, 8])
def test_the_check_for_seams_would_notice_a_context_that_is_too_small(stride: int) -> None:
    """Were the margin between tiles not read, the answers at their seams would be off by a half, not by a little."""
    image = ArrayImage(np.full((150, 170, 3), 255, np.uint8))
    careless = LocalNetwork(12, stride, promised=0)
    tiled = predict_probability(image, careless, tile_size=64)
    whole = predict_probability(image, careless, tile_size=WHOLE)
    assert np.abs(tiled - whole).max() > 0.3
    honest = predict_probability(image, LocalNetwork(12, stride), tile_size=104)
    np.testing.assert_array_equal(honest, whole)


@settings(max_examples=80)
@given(shape=SIDES, tile=st.sampled_from([48, 64, WHOLE]), seed=st.integers(0, 99))
def test_beyond_the_border_the_network_sees_the_image_mirrored(shape: tuple[int, int], tile: int, seed: int) -> None:
    """Oracle: the same means, added up over windows of the image as numpy mirrors it."""
    radius = 4
    pixels = noise(shape, seed)
    found = predict_probability(ArrayImage(pixels), LocalNetwork(radius, 8, pooled=False), tile_size=tile)
    mirrored = np.pad(pixels.sum(axis=2, dtype=np.int64), radius, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, (2 * radius + 1, 2 * radius + 1))
    expected = windows.sum(axis=(2, 3)) / (255 * 3 * (2 * radius + 1) ** 2)
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_without_mirroring_the_border_of_a_white_wall_would_be_dark() -> None:
    white = np.full((40, 56, 3), 255, np.uint8)
    network = LocalNetwork(4, 8, pooled=False)
    found = predict_probability(ArrayImage(white), network)
    assert found.min() == found.max() == 1.0
    unmirrored = network(white[None])[0]
    assert unmirrored[0, 0] < 0.4
    assert unmirrored[20, 28] == 1.0


def test_a_tile_smaller_than_the_context_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"at least 41 px.*--tile"):
        predict_probability(ArrayImage(noise((90, 90))), LocalNetwork(20), tile_size=32)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_network_that_answers_with_anything_but_numbers_is_refused(value: float) -> None:
    model = Model(ConstantNetwork(value), ModelCard(name="broken", network={}, stride=1, context_px=0))
    with pytest.raises(ModelError, match="NaN or infinity"):
        model.predict(noise((8, 8)))


def test_one_nan_in_one_tile_is_enough_to_refuse() -> None:
    class Flawed(LocalNetwork):
        def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
            answers = super().__call__(pixels)
            answers[pixels[..., 0] == 77] = np.nan
            return answers

    pixels = np.full((60, 60, 3), 200, np.uint8)
    predict_probability(ArrayImage(pixels), Flawed(1), tile_size=16)
    pixels[41, 37] = 77
    with pytest.raises(ModelError):
        predict_probability(ArrayImage(pixels), Flawed(1), tile_size=16)


@settings(max_examples=25)
@given(shape=SIDES, radius=st.integers(0, 5), stride=st.sampled_from([1, 8]), extra=st.integers(0, 4000))
def test_a_memory_changes_nothing_but_the_tiles(shape: tuple[int, int], radius: int, stride: int, extra: int) -> None:
    network = LocalNetwork(radius, stride)
    least = (2 * -(-network.context // stride) * stride + stride) ** 2
    image = ArrayImage(noise(shape))
    tiled = predict_probability(image, network, memory_gib=(least + extra) * BYTES_PER_PX / 2**30 * 1.0001)
    np.testing.assert_array_equal(tiled, predict_probability(image, network))


@dataclass(frozen=True)
class CrampedNetwork(LocalNetwork):
    """Finds no memory for more than so many pixels at once."""

    room_px: int = 0

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        if pixels.shape[1] * pixels.shape[2] > self.room_px:
            raise TileMemoryError("no memory")
        return super().__call__(pixels)


@pytest.mark.parametrize("room_px", [20_000, 5_000, 700])
def test_where_a_tile_finds_no_memory_smaller_ones_give_the_same(room_px: int) -> None:
    image = ArrayImage(noise((150, 170)))
    found = predict_probability(image, CrampedNetwork(4, room_px=room_px))
    np.testing.assert_array_equal(found, predict_probability(image, LocalNetwork(4)))


def test_where_no_tile_finds_memory_that_is_the_error() -> None:
    with pytest.raises(TileMemoryError):
        predict_probability(ArrayImage(noise((150, 170))), CrampedNetwork(4, room_px=10))


@pytest.mark.parametrize("memory_gib", [0.0, -1.0, float("nan"), float("inf")])
def test_a_memory_that_is_none_is_refused(memory_gib: float) -> None:
    with pytest.raises(UsageError, match="memory"):
        predict_probability(ArrayImage(noise((5, 5))), LocalNetwork(1), memory_gib=memory_gib)


# Results


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3), (31, 33), (333, 217)])
@pytest.mark.parametrize("stride", [1, 32])
def test_every_result_has_the_images_own_size(tmp_path: Path, shape: tuple[int, int], stride: int) -> None:
    model = Model(LocalNetwork(3, stride), ModelCard(name="m", network={}, stride=stride, context_px=40), tile_size=160)
    result = model.predict(noise(shape), name="odd.png")
    assert result.mask.shape == result.probability.shape == shape
    assert result.overlay().shape == (*shape, 3)
    assert [result.mask.dtype, result.probability.dtype, result.overlay().dtype] == [np.bool_, np.float32, np.uint8]
    result.save(tmp_path, probability=True)
    for kind in ("mask", "overlay", "probability"):
        with Image.open(tmp_path / f"odd_{kind}.png") as saved:
            assert saved.size == shape[::-1]


def test_the_mask_is_what_reaches_the_threshold() -> None:
    result = brightness_model().predict(np.arange(256, dtype=np.uint8).reshape(16, 16), threshold=0.4)
    np.testing.assert_array_equal(result.mask, np.arange(256).reshape(16, 16) / 255 >= 0.4)
    assert result.threshold == 0.4
    white = brightness_model().predict(np.full((3, 3), 255, np.uint8), threshold=1.0)
    assert white.mask.all()


def test_without_a_threshold_the_models_own_counts() -> None:
    grey = np.full((4, 4), 100, np.uint8)
    assert brightness_model(threshold=0.3).predict(grey).mask.all()
    assert not brightness_model(threshold=0.5).predict(grey).mask.any()


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.0001, 50.0, float("nan")])
def test_a_threshold_outside_0_to_1_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="threshold"):
        brightness_model().predict(noise((4, 4)), threshold=threshold)


def test_an_image_gives_the_same_result_in_whatever_form_it_comes(tmp_path: Path) -> None:
    pixels = noise((23, 31))
    path = tmp_path / "wall.png"
    write_png(path, pixels)
    model = brightness_model(radius=2)
    expected = model.predict(pixels)
    with Image.open(path) as opened:
        forms = {
            "path": model.predict(path),
            "text": model.predict(str(path)),
            "bytes": model.predict(path.read_bytes()),
            "opened image": model.predict(opened),
            "image in memory": model.predict(Image.fromarray(pixels)),
            "uint16": model.predict(pixels.astype(np.uint16) * 257),
            "RGBA": model.predict(np.dstack([pixels, np.zeros((23, 31), np.uint8)])),
            "view": model.predict(np.ascontiguousarray(pixels[::-1, ::-1])[::-1, ::-1]),
        }
    for form, result in forms.items():
        np.testing.assert_array_equal(result.probability, expected.probability, err_msg=form)
        np.testing.assert_array_equal(result.image, pixels, err_msg=form)
        assert result.cracks == expected.cracks, form


def test_grey_arrays_of_every_form_agree() -> None:
    grey = noise((20, 22))[..., 0]
    model = brightness_model(radius=1)
    expected = model.predict(np.dstack([grey] * 3)).probability
    for form in (grey, grey[..., None], grey.astype(np.uint16) * 257, Image.fromarray(grey)):
        np.testing.assert_array_equal(model.predict(form).probability, expected)


@pytest.mark.parametrize("image", [pytest.param([[1, 2]], id="list"), pytest.param(7, id="number")])
def test_what_is_no_image_at_all_is_refused(image: object) -> None:
    with pytest.raises(UsageError, match="expected a path, bytes, an array or a PIL image"):
        brightness_model().predict(image)  # type: ignore[arg-type]


def test_predicting_leaves_the_input_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    write_png(path, noise((30, 40)))
    path.chmod(0o444)
    before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
    result = brightness_model().predict(path)
    result.save(tmp_path / "out", probability=True)
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode) == before
    assert names(tmp_path) == ["out", "wall.png"]

    array = noise((30, 40))
    copy = array.copy()
    brightness_model().predict(array).overlay()
    np.testing.assert_array_equal(array, copy)


# Many files


def test_many_files_are_predicted_one_by_one_in_their_order_and_read_one_ahead(tmp_path: Path) -> None:
    asked: list[str] = []

    def paths() -> Iterator[Path]:
        for index in range(4):
            path = tmp_path / f"{index}.png"
            write_png(path, np.full((3 + index, 5), 60 * index, np.uint8))
            asked.append(path.name)
            yield path

    results = brightness_model().predict_many(paths())
    assert next(results).name == "0.png"
    assert asked in (["0.png"], ["0.png", "1.png"])
    rest = list(results)
    assert [result.name for result in rest] == ["1.png", "2.png", "3.png"]
    assert [result.mask.shape[0] for result in rest] == [4, 5, 6]


def test_a_bad_file_among_many_is_a_result_with_an_error(tmp_path: Path) -> None:
    write_png(tmp_path / "good.png", noise((6, 7)))
    (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    (tmp_path / "empty.jpg").write_bytes(b"")
    names = ["good.png", "broken.png", "empty.jpg", "missing.png", "good.png"]
    results = list(brightness_model().predict_many(tmp_path / name for name in names))
    assert [result.name for result in results] == names
    assert [type(result.error) for result in results] == [type(None), ImageError, ImageError, UsageError, type(None)]
    assert results[4].mask.shape == (6, 7)
    assert results[1].mask.shape == (0, 0)
    with pytest.raises(ImageError):
        results[1].save(tmp_path / "out")
    assert not (tmp_path / "out").exists()


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


def bar_photo() -> Pixels:
    """Black with a white bar of 6 x 40 and a white square of 4 x 4."""
    pixels = np.zeros((50, 60, 3), np.uint8)
    pixels[10:16, 10:50] = 255
    pixels[30:34, 20:24] = 255
    return pixels


def test_saving_writes_mask_overlay_and_measurements(tmp_path: Path) -> None:
    result = brightness_model().predict(bar_photo(), name="wall.1.jpg", scale=Scale(0.5, "--scale"))
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
    assert first["width_max_mm"] == pytest.approx(first["width_max_px"] / 2, abs=0.001)
    told = {field.name for field in dataclasses.fields(CrackMeasurement)}
    assert set(first) == told - {"cannot_measure"}


def test_without_a_scale_nothing_is_said_in_millimetres(tmp_path: Path) -> None:
    brightness_model().predict(bar_photo(), name="wall.png").save(tmp_path)
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
        brightness_model().predict(bar_photo(), name="wall.png").save(tmp_path / folder, probability=True)
    for name in names(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("name", ["../../escaped.png", "/etc/escaped.png", "..", ""])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    out = tmp_path / "deep" / "out"
    brightness_model().predict(noise((4, 4)), name=name).save(out)
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(found) == 3
    assert {path.parent for path in found} == {out}


def test_a_file_whose_name_is_no_text_is_predicted_and_saved(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"wall\xff.png")
    path.write_bytes(encode_png(noise((5, 6))))
    (result,) = brightness_model().predict_many([path])
    assert result.error is None
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
