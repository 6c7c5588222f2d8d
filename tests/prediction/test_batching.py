"""Batches: the same results, in the same order, in any memory.

Without a GPU, networks report the memory of their device, and raise an error if an input needs more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.imaging.codec import ArrayImage, write_png
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.model import Model
from crackseg.prediction.result import Prediction, PredictionResult
from crackseg.prediction.tiled import BYTES_PER_PX, MAX_BATCH, TileLimits, predict_probability
from crackseg.prediction.tta import averaged
from crackseg.runtimes.predictor import TileMemoryError, room_of
from tests.local_network import LocalNetwork, Pixels, all_predicted, noise


@dataclass(frozen=True)
class DeviceNetwork(LocalNetwork):
    """Reports room for ``stated_px`` pixels, and has room for ``room_px``."""

    stated_px: int = 10**6
    room_px: int = 10**6
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def room_bytes(self) -> int:
        return self.stated_px * BYTES_PER_PX

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        self.shapes.append(pixels.shape[:3])
        if pixels[..., 0].size > self.room_px:
            raise TileMemoryError("no memory")
        return super().__call__(pixels)


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 120), st.integers(1, 120)),
    radius=st.integers(0, 5),
    stated_px=st.integers(2500, 40_000),
    room_px=st.integers(2500, 40_000),
)
def test_tiles_that_go_together_leave_no_seam_in_any_memory(
    shape: tuple[int, int], radius: int, stated_px: int, room_px: int
) -> None:
    network = DeviceNetwork(radius, 8, stated_px=stated_px, room_px=room_px)
    image = ArrayImage(noise(shape))
    limits = TileLimits.of(network, side_px=48)
    probability = predict_probability(image, network, tile_size=limits.side_px, memory_gib=limits.memory_gib)
    np.testing.assert_array_equal(probability, predict_probability(image, LocalNetwork(radius, 8)))
    assert all(np.prod(shape) <= max(stated_px, 48 * 48) for shape in network.shapes)


def test_a_device_gets_as_many_tiles_at_a_time_as_it_says_it_has_room_for() -> None:
    network = DeviceNetwork(2, stated_px=int(1.25 * 5 * 64 * 64) + 5)
    limits = TileLimits.of(network, side_px=64)
    plan = limits.plan((64, 1000), network)
    tile_px = plan.largest_px
    assert limits.batch(plan, network) == 5 * 64 * 64 // tile_px
    predict_probability(ArrayImage(noise((64, 1000))), network, tile_size=64, memory_gib=limits.memory_gib)
    assert {shape[0] for shape in network.shapes[:-1]} == {limits.batch(plan, network)}
    assert sum(shape[0] for shape in network.shapes) == len(plan)
    assert TileLimits.of(DeviceNetwork(2, stated_px=10**9), side_px=64).batch(plan, network) == MAX_BATCH
    assert limits.batch(plan, LocalNetwork(2)) == 1, "a processor takes one at a time"


def test_a_device_that_has_less_room_than_it_says_gets_fewer_and_keeps_to_that() -> None:
    network = DeviceNetwork(0, stated_px=10**6, room_px=3 * 64 * 64)
    probability = predict_probability(ArrayImage(noise((64, 1280))), network, tile_size=64)
    np.testing.assert_array_equal(probability, predict_probability(ArrayImage(noise((64, 1280))), LocalNetwork(0)))
    counts = [shape[0] for shape in network.shapes]
    assert counts[0] == 20
    assert counts[counts.index(2) :] == [2] * 10


def model_of(network: LocalNetwork) -> Model:
    return Model(network, ModelCard(name="brightness", network={}, stride=1, context_px=network.context))


def succeeded(results: Iterable[PredictionResult]) -> list[Prediction]:
    return [result for result in results if result.error is None]


SHAPES = [(20, 30), (20, 30), (20, 30), (31, 7), (20, 30), (20, 30), (20, 30), (20, 30)]


@pytest.fixture
def folder(tmp_path: Path) -> list[Path]:
    """Images of two shapes, with a file among them that is none."""
    paths = [tmp_path / f"{index}.png" for index in range(len(SHAPES))]
    for index, (path, shape) in enumerate(zip(paths, SHAPES, strict=True)):
        write_png(path, noise(shape, index))
    (tmp_path / "broken.png").write_bytes(b"")
    return [*paths[:6], tmp_path / "broken.png", *paths[6:]]


def test_images_of_one_shape_go_together_and_come_in_their_order(folder: list[Path]) -> None:
    network = DeviceNetwork(2)
    results = list(model_of(network).predict_many(folder))
    assert [shape[0] for shape in network.shapes] == [3, 1, 2, 2]
    expected = list(model_of(LocalNetwork(2)).predict_many(folder))
    assert [result.name for result in results] == [path.name for path in folder]
    assert [type(result.error) for result in results] == [type(result.error) for result in expected]
    for one, other in zip(succeeded(results), succeeded(expected), strict=True):
        np.testing.assert_array_equal(one.probability, other.probability)
        assert one.cracks == other.cracks


def test_images_without_memory_together_go_one_by_one_and_in_tiles(folder: list[Path]) -> None:
    network = DeviceNetwork(2, room_px=400)
    results = succeeded(model_of(network).predict_many(folder))
    expected = succeeded(model_of(LocalNetwork(2)).predict_many(folder))
    assert len(results) == len(SHAPES)
    for one, other in zip(results, expected, strict=True):
        np.testing.assert_array_equal(one.probability, other.probability)
    assert max(shape[0] for shape in network.shapes) == 3


def test_files_are_not_read_far_beyond_what_goes_together(tmp_path: Path) -> None:
    taken: list[str] = []

    def paths() -> Iterator[Path]:
        for index in range(60):
            path = tmp_path / f"{index}.png"
            write_png(path, noise((8, 8), index))
            taken.append(path.name)
            yield path

    network = DeviceNetwork(0, stated_px=int(4 * 64 * 1.25) + 1)
    results = model_of(network).predict_many(paths())
    for index in range(60):
        assert next(results).name == f"{index}.png"
        assert len(taken) <= index + 1 + 2 * 4 + 64  # the group at hand, the one with the network, and one a core
    assert {shape[0] for shape in network.shapes} == {4}


@pytest.mark.parametrize("tta", ["flips", "rotations", "scales"])
def test_averaged_answers_are_the_same_together(folder: list[Path], tta: str) -> None:
    one, other = (
        [result.probability for result in succeeded(model_of(network).with_options(tta=tta).predict_many(folder))]  # type: ignore[arg-type]
        for network in (DeviceNetwork(2), LocalNetwork(2))
    )
    for probability, expected in zip(one, other, strict=True):
        np.testing.assert_array_equal(probability, expected)


@pytest.mark.train
def test_pytorch_takes_several_images_as_its_memory_allows() -> None:
    """The network raises the allocation error of PyTorch."""
    import torch
    from torch import Tensor, nn

    from crackseg.networks.factory import SegmentationNetwork
    from crackseg.runtimes.torch import TorchPredictor

    class Cramped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 1, 9, padding=4)
            self.shapes: list[tuple[int, ...]] = []

        def forward(self, images: Tensor) -> Tensor:
            self.shapes.append(tuple(images.shape))
            if images[:, 0].numel() > 3 * 10_000:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
            answer: Tensor = self.layer(images)
            return answer

    torch.manual_seed(0)
    cramped = Cramped()
    card = ModelCard(name="cramped", network={}, stride=8, context_px=8)
    network = SegmentationNetwork(cramped, 8)
    device = torch.device("cpu")
    predictor = TorchPredictor(network, card, device=device, room=lambda: 5 * 13_000 * BYTES_PER_PX)
    images = [noise((80, 90), seed) for seed in range(10)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crackseg.prediction.decoding.read_image", lambda path: images[int(path.name)])
        patch.setattr("crackseg.prediction.decoding._is_large_tiff", lambda _: False)
        results = all_predicted(Model(predictor, card).predict_many([str(index) for index in range(10)]))
    alone = TorchPredictor(network, card, device=device)
    assert room_of(alone) == 0
    for result, pixels in zip(results, images, strict=True):
        np.testing.assert_allclose(result.probability, predict_probability(ArrayImage(pixels), alone), atol=1e-6)
    counts = [shape[0] for shape in cramped.shapes[: len(cramped.shapes) - 10]]
    assert max(counts) >= 4
    assert 2 in counts


@pytest.mark.train
def test_a_compiled_network_says_the_same_and_one_that_cannot_be_compiled_says_why() -> None:
    import torch
    from torch import nn

    from crackseg.networks.factory import SegmentationNetwork
    from crackseg.runtimes.torch import TorchPredictor

    def fails(*_: object) -> None:
        raise RuntimeError("no C++ compiler here\nand more")

    torch.manual_seed(0)
    card = ModelCard(name="small", network={}, stride=8, context_px=8)
    network = SegmentationNetwork(nn.Conv2d(3, 1, 3, padding=1), 8)
    whole, compiled, failed = (TorchPredictor(network, card, device=torch.device("cpu")) for _ in range(3))
    compiled.compile(backend="eager")
    failed.compile(backend=fails)  # type: ignore[arg-type]
    pixels = noise((40, 64))[None]
    for predictor in (compiled, failed):
        np.testing.assert_allclose(predictor(pixels), whole(pixels), atol=1e-6)
    assert whole.note == compiled.note == ""
    assert "could not be compiled" in failed.note
    assert "no C++ compiler here" in failed.note
    assert "\n" not in failed.note


def test_a_network_that_needs_less_for_each_pixel_gets_larger_tiles() -> None:
    @dataclass(frozen=True)
    class Sparing(LocalNetwork):
        bytes_per_px: int = BYTES_PER_PX // 2

    limits = TileLimits(memory_gib=5000 * BYTES_PER_PX / 2**30)
    plans = [limits.plan((300, 300), network) for network in (LocalNetwork(2), Sparing(2))]
    assert plans[0].largest_px <= 5000 < plans[1].largest_px <= 10_000
    assert limits.plan((300, 300), averaged(Sparing(2), "flips")).largest_px == plans[1].largest_px
    halved = limits.halved(plans[1], Sparing(2)).plan((300, 300), Sparing(2))
    assert halved.largest_px <= plans[1].largest_px // 2
