"""Prediction: tiles leave no seam, borders are mirrored, results have the image's own size.

The networks here are small local filters whose answers are exact sums of whole numbers, so "equal" means equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from crackseg.errors import ModelError, UsageError
from crackseg.imaging.codec import ArrayImage, write_png
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.model import Model
from crackseg.prediction.tiled import BYTES_PER_PX, predict_probability
from crackseg.runtimes.predictor import TileMemoryError
from tests.local_network import ConstantNetwork, LocalNetwork, Pixels, brightness_model, names, noise

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
    """Without a margin, results at the seams are off by a half."""
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
    """Oracle: the same means over views of the image mirrored by numpy."""
    radius = 4
    pixels = noise(shape, seed)
    probability = predict_probability(ArrayImage(pixels), LocalNetwork(radius, 8, pooled=False), tile_size=tile)
    mirrored = np.pad(pixels.sum(axis=2, dtype=np.int64), radius, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, (2 * radius + 1, 2 * radius + 1))
    expected = windows.sum(axis=(2, 3)) / (255 * 3 * (2 * radius + 1) ** 2)
    np.testing.assert_array_equal(probability, expected.astype(np.float32))


def test_without_mirroring_the_border_of_a_white_wall_would_be_dark() -> None:
    white = np.full((40, 56, 3), 255, np.uint8)
    network = LocalNetwork(4, 8, pooled=False)
    probability = predict_probability(ArrayImage(white), network)
    assert probability.min() == probability.max() == 1.0
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
    """Finds no memory for more than ``room_px`` pixels at once."""

    room_px: int = 0

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        if pixels.shape[1] * pixels.shape[2] > self.room_px:
            raise TileMemoryError("no memory")
        return super().__call__(pixels)


@pytest.mark.parametrize("room_px", [20_000, 5_000, 700])
def test_where_a_tile_finds_no_memory_smaller_ones_give_the_same(room_px: int) -> None:
    image = ArrayImage(noise((150, 170)))
    probability = predict_probability(image, CrampedNetwork(4, room_px=room_px))
    np.testing.assert_array_equal(probability, predict_probability(image, LocalNetwork(4)))


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
