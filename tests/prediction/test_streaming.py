"""Images too large to be read whole: tiles of a TIFF, and results that are those of the whole image."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import label

from crackseg.errors import CracksegError, ImageError, OutputError, UsageError
from crackseg.files import scratch_file
from crackseg.geometry import Region, Scale
from crackseg.imaging.codec import ArrayImage, read_image
from crackseg.imaging.tiff import TiffImage, TiffWriter, open_large_tiff
from crackseg.measurement.crack import CrackMeasurement, measure_cracks
from crackseg.measurement.joining import MaskJoiner, Surroundings, measure_joined
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.model import Model
from crackseg.prediction.segmentation import apply_threshold
from crackseg.prediction.streaming import predict_streamed
from data_gen import Recipe, generate_sample

Pixels = NDArray[np.uint8]


def noise(shape: tuple[int, ...], seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(shape: tuple[int, int]) -> Pixels:
    """An image that survives JPEG."""
    return np.asarray(cv2.GaussianBlur(noise((*shape, 3)), (0, 0), 9), np.uint8)


def write_tiff(path: Path, pixels: Pixels, *, tile: int = 64, compression: str | None = None) -> Path:
    """A tiled TIFF, written by Pillow; strips with ``tile=0``."""
    tags = {322: tile, 323: tile} if tile else {278: 16}
    Image.fromarray(pixels).save(path, tiffinfo=tags, compression=compression)
    return path


REGIONS = [Region(0, 0, 150, 170), Region(3, 5, 4, 6), Region(60, 60, 70, 140), Region(149, 169, 150, 170)]


@pytest.mark.parametrize("tile", [pytest.param(64, id="tiles"), pytest.param(0, id="strips")])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_tiff_is_read_region_by_region_as_it_is_read_whole(
    tmp_path: Path, tile: int, compression: str | None, channels: int
) -> None:
    shape = (150, 170) if channels == 1 else (150, 170, channels)
    path = write_tiff(tmp_path / "wall.tif", noise(shape), tile=tile, compression=compression)
    whole, image = read_image(path), TiffImage(path)
    assert image.shape == (150, 170)
    for region in REGIONS:
        np.testing.assert_array_equal(image.read(region), whole[region.slices()])


def test_a_tiff_of_jpeg_tiles_is_read(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "wall.tif", smooth((150, 170)), compression="jpeg")
    whole, image = read_image(path), TiffImage(path)
    for region in REGIONS:
        assert np.abs(image.read(region).astype(int) - whole[region.slices()]).max() <= 2


def test_only_a_tiff_of_many_pixels_is_left_on_disk(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "wall.tif", noise((150, 170, 3)))
    assert open_large_tiff(path, from_px=150 * 170) is None
    assert isinstance(open_large_tiff(path, from_px=150 * 170 - 1), TiffImage)
    Image.fromarray(noise((150, 170, 3))).save(tmp_path / "wall.png")
    assert open_large_tiff(tmp_path / "wall.png", from_px=1) is None


def test_what_cannot_be_read_tile_by_tile_says_why(tmp_path: Path) -> None:
    Image.fromarray(noise((40, 50)).astype(np.uint16)).save(tmp_path / "deep.tif")
    Image.fromarray(noise((40, 50, 3))).save(tmp_path / "turned.tif", tiffinfo={274: 6})
    Image.fromarray(noise((40, 50, 3))).save(tmp_path / "wall.png")
    for name, reason in (
        ("deep.tif", "more than 8 bits"),
        ("turned.tif", "another orientation"),
        ("wall.png", "decoded"),
    ):
        with pytest.raises(ImageError, match=reason):
            TiffImage(tmp_path / name)


def test_a_tiff_cut_short_is_an_error_where_it_is_cut(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.fromarray(noise((200, 200, 3))).save(content, "TIFF", tiffinfo={322: 64, 323: 64})
    data = content.getvalue()
    path = tmp_path / "cut.tif"
    failures = 0
    for share in (0.3, 0.6, 0.9, 0.99):
        path.write_bytes(data[: int(share * len(data))])
        try:
            TiffImage(path).read(Region(0, 0, 200, 200))
        except CracksegError:
            failures += 1
    assert failures == 4


@settings(max_examples=25)
@given(
    shape=st.tuples(st.integers(1, 600), st.integers(1, 600)),
    deep=st.booleans(),
    heights=st.lists(st.integers(1, 300), min_size=1, max_size=4),
)
def test_a_tiff_written_row_by_row_is_the_image(
    shape: tuple[int, int],
    deep: bool,  # noqa: FBT001
    heights: list[int],
) -> None:
    drawn = np.random.default_rng(1).integers(0, 60000 if deep else 256, shape)
    values: NDArray[np.uint8] | NDArray[np.uint16] = drawn.astype(np.uint16) if deep else drawn.astype(np.uint8)
    file = io.BytesIO()
    with TiffWriter(file, shape, np.uint16 if deep else np.uint8) as writer:
        row = turn = 0
        while row < shape[0]:
            writer.write(values[row : row + heights[turn % len(heights)]])
            row += heights[turn % len(heights)]
            turn += 1
    region = Region(shape[0] // 3, shape[1] // 4, shape[0], shape[1])
    np.testing.assert_array_equal(writer.read(region), values[region.slices()])
    with Image.open(file) as image:
        np.testing.assert_array_equal(np.asarray(image), values)


def test_a_scratch_file_leaves_nothing_and_its_errors_are_ours(tmp_path: Path) -> None:
    with scratch_file(tmp_path) as file:
        file.write(b"something")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError), scratch_file(tmp_path / "missing"):
        pass


# Joining


@settings(max_examples=40)
@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    share=st.sampled_from([0.1, 0.4, 0.55]),
    low=st.sampled_from([None, 0.2, 0.45]),
    height=st.integers(1, 25),
)
def test_components_join_across_bands(
    seed: int, shape: tuple[int, int], share: float, low: float | None, height: int
) -> None:
    """Oracle: the mask in one piece, and OpenCV's components."""
    rng = np.random.default_rng(seed)
    probability = np.where(rng.random(shape) < share, rng.random(shape), 0).astype(np.float32)
    joiner = MaskJoiner(shape[1], threshold=0.5, low=low)
    for row in range(0, shape[0], height):
        joiner.add(probability[row : row + height])
    joined = joiner.finish()
    mask = apply_threshold(probability, threshold=0.5, low=low)
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    assert joined.count == count - 1
    assert sorted(joined.areas().tolist()) == sorted(stats[1:, cv2.CC_STAT_AREA].tolist())
    assert joined.area_px == mask.sum()
    np.testing.assert_array_equal(np.concatenate(list(joined.bands(7))), mask)
    everything = Region(0, 0, *shape)
    np.testing.assert_array_equal(joined.draw(everything, range(joined.count)), mask)


@settings(max_examples=40)
@given(seed=st.integers(0, 999), low=st.floats(0.05, 0.5), cut=st.floats(0.3, 1))
def test_hysteresis_keeps_pixels_connected_to_a_certain_one(seed: int, low: float, cut: float) -> None:
    """Oracle: scikit-image's components."""
    probability = np.random.default_rng(seed).random((30, 40)).astype(np.float32) ** 2
    certain = probability >= cut
    labels = np.asarray(label(probability >= min(low, cut), connectivity=2))  # type: ignore[no-untyped-call]
    mask = apply_threshold(probability, threshold=cut, low=low)
    np.testing.assert_array_equal(mask, (labels > 0) & np.isin(labels, labels[certain]))
    np.testing.assert_array_equal(apply_threshold(probability, threshold=cut), certain)


def joined_cracks(
    mask: NDArray[np.bool_], probability: NDArray[np.float32], image: Pixels, scale: Scale | None = None
) -> tuple[CrackMeasurement, ...]:
    joiner = MaskJoiner(mask.shape[1], threshold=0.5)
    for row in range(0, mask.shape[0], 70):
        joiner.add(probability[row : row + 70])
    around = Surroundings(
        image=lambda region: image[region.slices()],
        probability=lambda region: probability[region.slices()],
        threshold=0.5,
        scale=scale,
    )
    return measure_joined(joiner.finish(), around)


def test_cracks_measured_one_place_at_a_time_are_those_of_the_whole_image() -> None:
    sample = generate_sample(Recipe(size=768), seed=3, index=1)
    probability = np.asarray(cv2.GaussianBlur(sample.mask.astype(np.float32), (0, 0), 1.5), np.float32)
    mask, scale = probability >= 0.5, Scale(0.4, "test", 0.05)
    whole = measure_cracks(mask, scale=scale, probability=probability, threshold=0.5, image=sample.image)
    cracks = joined_cracks(mask, probability, sample.image, scale)
    assert len(cracks) == len(whole) > 1
    by_box = {crack.box: crack.to_dict() for crack in cracks}
    for crack in whole:
        expected, values = crack.to_dict(), by_box[crack.box]
        assert values.keys() == expected.keys()
        for key, value in expected.items():
            assert values[key] == (pytest.approx(value, rel=0.01, abs=0.02) if isinstance(value, float) else value) or (
                key in ("rotated_box", "width_max_at")
            )


def test_a_crack_too_large_to_be_held_is_measured_in_pieces() -> None:
    """A line from corner to corner, 7 px wide."""
    side = 4000
    drawn = np.zeros((side, side), np.uint8)
    cv2.line(drawn, (20, 20), (side - 20, side - 20), 1, 7)
    probability = drawn.astype(np.float32)
    image = np.repeat((180 - 120 * drawn)[..., None], 3, axis=2)
    (crack,) = joined_cracks(drawn.astype(np.bool_), probability, image, Scale(0.5, "test"))
    assert crack.length_px == pytest.approx((side - 40) * 2**0.5, rel=0.01)
    assert crack.area_px == int(drawn.sum())
    assert crack.box == (16, 16, side - 15, side - 15)
    assert crack.orientation_deg == pytest.approx(135, abs=0.1)
    assert crack.width_mean_px == pytest.approx(drawn.sum() / crack.length_px, rel=0.05)
    assert crack.length_mm == pytest.approx(0.5 * crack.length_px)
    assert crack.width.cannot_measure is not None
    assert (crack.width.median.value, crack.tortuosity) == (None, None)


# The whole way


class Darkness:
    """Calls dark pixels crack; looks three pixels far."""

    stride, context = 8, 10

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        blurred = [cv2.GaussianBlur(image.mean(axis=2), (7, 7), 1.0) for image in pixels]
        return np.clip((170 - np.stack(blurred)) / 100, 0, 1).astype(np.float32)


def darkness(**limits: float) -> Model:
    card = ModelCard(name="darkness", network={}, stride=8, context_px=10, threshold=0.5)
    return Model(Darkness(), card, memory_gib=limits.get("memory_gib"))


def wall(shape: tuple[int, int] = (700, 900)) -> Pixels:
    """A light wall with dark lines, one from top to bottom."""
    pixels = np.random.default_rng(0).integers(190, 215, (*shape, 3)).astype(np.uint8)
    cv2.line(pixels, (30, 0), (700, shape[0] - 1), (40, 40, 40), 5)
    cv2.line(pixels, (100, 500), (800, 520), (60, 50, 40), 3)
    cv2.line(pixels, (700, 50), (870, 300), (90, 90, 90), 8)
    return pixels


@pytest.mark.parametrize("hysteresis", [None, 0.3])
def test_a_streamed_image_gives_what_the_whole_image_gives(tmp_path: Path, hysteresis: float | None) -> None:
    path = write_tiff(tmp_path / "wall.tif", wall())
    model = darkness(memory_gib=0.01).with_options(hysteresis=hysteresis)
    whole = darkness().with_options(hysteresis=hysteresis).predict(path)
    result = predict_streamed(TiffImage(path), model, tmp_path / "out" / "wall.tif", keep_probability=True)
    assert len(result.plan) > 4
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == [
        "wall.json", "wall_mask.tif", "wall_overlay.png", "wall_probability.tif",
    ]  # fmt: skip
    with Image.open(tmp_path / "out" / "wall_mask.tif") as mask:
        np.testing.assert_array_equal(np.asarray(mask), whole.mask * np.uint8(255))
    with Image.open(tmp_path / "out" / "wall_probability.tif") as saved:
        np.testing.assert_allclose(np.asarray(saved) / 65535, whole.probability, atol=1e-4)
    with Image.open(tmp_path / "out" / "wall_overlay.png") as overlay:
        np.testing.assert_array_equal(np.asarray(overlay), whole.overlay())
    values = json.loads((tmp_path / "out" / "wall.json").read_text(encoding="utf-8"))
    assert values["crack_area_px"] == int(whole.mask.sum())
    assert len(values["cracks"]) == len(whole.cracks)
    for one, other in zip(result.cracks, whole.cracks, strict=True):
        assert one.box == other.box
        assert one.length_px == pytest.approx(other.length_px, rel=0.01)
        assert one.width_mean_px == pytest.approx(other.width_mean_px, rel=0.02)


def test_an_overlay_of_a_large_image_is_shrunk(tmp_path: Path) -> None:
    pixels = np.full((300, 5000, 3), 200, np.uint8)
    pixels[100:105] = 20
    result = predict_streamed(ArrayImage(pixels), darkness(), tmp_path / "long.tif")
    assert result.overlay_factor == 2
    with Image.open(tmp_path / "long_overlay.png") as overlay:
        assert overlay.size == (2500, 150)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["long.json", "long_mask.tif", "long_overlay.png"]


@pytest.mark.parametrize("tile_size", [None, 64])
def test_other_sizes_give_the_mask_of_the_whole_image(tmp_path: Path, tile_size: int | None) -> None:
    plain = darkness()
    model = Model(plain.predictor, plain.card, tile_size=tile_size).with_options(tta="scales")
    predict_streamed(ArrayImage(wall()), model, tmp_path / "wall.tif")
    whole = plain.with_options(tta="scales").predict(wall())
    np.testing.assert_array_equal(read_image(tmp_path / "wall_mask.tif")[..., 0] > 0, whole.mask)
    assert whole.mask.any()


def test_a_hysteresis_of_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="hysteresis"):
        darkness().with_options(hysteresis=0)


def test_among_many_a_file_too_large_to_be_read_whole_is_a_result_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiff(tmp_path / "wall.tif", wall())
    monkeypatch.setattr("crackseg.prediction.decoding.MAX_PIXELS", 1000)
    (result,) = darkness().predict_many([path])
    assert "predict_streamed" in str(result.error)
