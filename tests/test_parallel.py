"""Progress, work in order, memory budgets, and many images predicted at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import FrozenInstanceError, dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.errors import ImageError, ModelError, OutputError, UsageError
from crackseg.imaging.codec import write_png
from crackseg.modelcard.card import ModelCard
from crackseg.parallel import MemoryBudget, Progress, map_in_order
from crackseg.prediction.loading import load_model
from crackseg.prediction.model import Model
from crackseg.prediction.result import PredictionResult
from crackseg.prediction.scheduling import predict_each
from crackseg.runtimes.predictor import BYTES_PER_PX, Predictor, bytes_per_px_of
from tests.local_network import ConstantNetwork, LocalNetwork, Pixels, all_predicted, noise

# Progress


@pytest.mark.parametrize(
    ("progress", "fraction"),
    [
        pytest.param(Progress(0, 4), 0.0, id="nothing done"),
        pytest.param(Progress(3, 4), 0.75, id="three of four"),
        pytest.param(Progress(4, 4), 1.0, id="all done"),
        pytest.param(Progress(5, 4), 1.0, id="more than planned"),
        pytest.param(Progress(0, 0), 1.0, id="nothing to do"),
    ],
)
def test_the_finished_share_stays_between_zero_and_one(progress: Progress, fraction: float) -> None:
    assert progress.fraction == fraction
    assert progress.note == ""


def test_progress_cannot_be_changed_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        Progress(1, 2).done = 2  # type: ignore[misc]


# Order and bounds


@settings(max_examples=30, deadline=None)
@given(bounds=st.lists(st.integers(1, 6), max_size=25), threads=st.integers(1, 5))
def test_results_come_in_input_order_and_no_more_items_are_pending_than_each_allows(
    bounds: list[int], threads: int
) -> None:
    lock, begun, handed_out, broken = threading.Lock(), set[int](), set[int](), list[int]()

    def work(index: int) -> int:
        with lock:
            begun.add(index)
            under_way = begun - handed_out
            if len(under_way) > min(bounds[other] for other in under_way):
                broken.append(index)
        time.sleep(0.0005 * (index % 3))
        return index

    results = []
    for result in map_in_order(work, range(len(bounds)), threads=threads, max_pending=lambda index: bounds[index]):
        results.append(result)
        with lock:
            handed_out.add(result)
    assert results == list(range(len(bounds)))
    assert broken == []


def test_all_threads_work_at_once() -> None:
    meeting = threading.Barrier(3, timeout=60)
    results = map_in_order(lambda _: meeting.wait() >= 0, range(9), threads=3, max_pending=lambda _: 3)
    assert list(results) == [True] * 9


def test_an_error_takes_the_place_of_its_result_and_ends_the_work() -> None:
    begun: list[int] = []

    def work(index: int) -> int:
        begun.append(index)
        if index == 2:
            raise ImageError("broken")
        return index

    results = map_in_order(work, range(100), threads=2, max_pending=lambda _: 4)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ImageError):
        next(results)
    assert next(results, None) is None
    assert len(begun) < 10


def test_a_caller_that_stops_early_leaves_only_started_work_running() -> None:
    begun: list[int] = []
    results = map_in_order(begun.append, range(1000), threads=2, max_pending=lambda _: 4)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 5


@settings(max_examples=20, deadline=None)
@given(shares=st.lists(st.integers(1, 150), min_size=1, max_size=20))
def test_reservations_never_exceed_the_memory_budget(shares: list[int]) -> None:
    budget, lock, held, most = MemoryBudget(100), threading.Lock(), [0], [0]

    def work(share: int) -> None:
        with budget.reserve(share):
            with lock:
                held[0] += min(share, 100)
                most[0] = max(most[0], held[0])
            time.sleep(0.0002)
            with lock:
                held[0] -= min(share, 100)

    list(map_in_order(work, shares, threads=4, max_pending=lambda _: 20))
    assert most[0] <= 100
    assert held[0] == 0
    with budget.reserve(100):
        pass


def test_a_reservation_is_released_when_its_block_fails() -> None:
    budget = MemoryBudget(10)
    with pytest.raises(ImageError), budget.reserve(10):
        raise ImageError("broken")
    with budget.reserve(10):
        pass


# Images


@dataclass
class Ledger:
    """Pixels in a network at the moment, and the most so far."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    now_px: int = 0
    most_px: int = 0
    now: int = 0
    most: int = 0

    @contextmanager
    def holding(self, area_px: int) -> Iterator[None]:
        with self.lock:
            self.now_px, self.now = self.now_px + area_px, self.now + 1
            self.most_px, self.most = max(self.most_px, self.now_px), max(self.most, self.now)
        time.sleep(0.002)
        try:
            yield
        finally:
            with self.lock:
                self.now_px, self.now = self.now_px - area_px, self.now - 1


@dataclass(frozen=True)
class SplitNetwork(LocalNetwork):
    """Can be split, and writes down with what shapes each of its forms was called."""

    ledger: Ledger = field(default_factory=Ledger)
    together: list[tuple[int, ...]] = field(default_factory=list)
    apart: list[tuple[int, ...]] = field(default_factory=list)
    meeting: threading.Barrier | None = None
    split: bool = False

    def one_thread(self) -> Predictor:
        return SplitNetwork(
            self.radius, self.stride, ledger=self.ledger, apart=self.apart, meeting=self.meeting, split=True
        )

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        (self.apart if self.split else self.together).append(pixels.shape[1:3])
        with self.ledger.holding(pixels[..., 0].size):
            if self.split and self.meeting is not None:
                self.meeting.wait()
            return super().__call__(pixels)


def model_of(network: Predictor, *, room_px: float = 1e6, threshold: float = 0.5) -> Model:
    card = ModelCard(name="brightness", network={}, stride=1, context_px=network.context, threshold=threshold)
    return Model(network, card, memory_gib=room_px * BYTES_PER_PX / 2**30)


@pytest.fixture
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crackseg.prediction.scheduling.usable_cores", lambda: 3)


def written(folder: Path, shapes: list[tuple[int, int]]) -> list[Path]:
    paths = [folder / f"{index:02d}.png" for index in range(len(shapes))]
    for index, (path, shape) in enumerate(zip(paths, shapes, strict=True)):
        write_png(path, noise(shape, index))
    return paths


def check_same(results: Sequence[PredictionResult], expected: Sequence[PredictionResult]) -> None:
    assert [result.name for result in results] == [result.name for result in expected]
    for one, other in zip(results, expected, strict=True):
        assert (type(one), str(one.error)) == (type(other), str(other.error))
        if one.error is not None or other.error is not None:
            continue
        np.testing.assert_array_equal(one.probability, other.probability)
        np.testing.assert_array_equal(one.mask, other.mask)
        assert one.cracks == other.cracks


@pytest.mark.usefixtures("three_cores")
def test_each_core_computes_an_image_of_its_own_with_the_same_results(tmp_path: Path) -> None:
    paths = written(tmp_path, [(20, 30)] * 9)
    network = SplitNetwork(2, meeting=threading.Barrier(3, timeout=60))
    results = all_predicted(model_of(network, threshold=0.6).predict_many(paths))
    check_same(results, [model_of(LocalNetwork(2), threshold=0.6).predict(path) for path in paths])
    assert any(result.cracks for result in results)
    assert (len(network.apart), len(network.together)) == (9, 0)


@pytest.mark.usefixtures("three_cores")
def test_images_too_large_for_their_share_go_one_by_one_with_all_cores_and_the_memory_is_never_exceeded(
    tmp_path: Path,
) -> None:
    # One tile, but too large a third of the room; several tiles; and some that fit three times.
    shapes = [(20, 30), (40, 40), (20, 30), (25, 30), (100, 90), (8, 9), (20, 20), (60, 30), (20, 30), (20, 31)]
    paths = written(tmp_path, shapes)
    network = SplitNetwork(2)
    model = model_of(network, room_px=2400)
    assert [len(model.plan(shape)) > 1 for shape in shapes] == [shape == (100, 90) for shape in shapes]
    results = list(model.predict_many(paths))
    check_same(results, [model_of(LocalNetwork(2)).predict(path) for path in paths])
    assert {shape for shape in network.together if shape in shapes} == {(40, 40), (60, 30)}
    assert set(network.apart) == {shape for shape in shapes if 3 * shape[0] * shape[1] <= 2400}
    assert network.ledger.most_px <= 2400


@pytest.mark.usefixtures("three_cores")
def test_an_image_with_room_for_fewer_than_three_quarters_of_the_cores_is_computed_by_all_of_them(
    tmp_path: Path,
) -> None:
    paths = written(tmp_path, [(20, 30)] * 4)
    network = SplitNetwork(2)
    list(model_of(network, room_px=2.9 * 600).predict_many(paths))
    assert (len(network.apart), len(network.together), network.ledger.most) == (0, 4, 1)


@pytest.mark.usefixtures("three_cores")
@pytest.mark.parametrize("tta", ["flips", "rotations", "scales"])
def test_averages_are_the_same_side_by_side(tmp_path: Path, tta: str) -> None:
    paths = written(tmp_path, [(20, 30)] * 4)
    one, other = (
        list(model_of(network).with_options(tta=tta).predict_many(paths))  # type: ignore[arg-type]
        for network in (SplitNetwork(2), LocalNetwork(2))
    )
    check_same(one, other)


@pytest.mark.usefixtures("three_cores")
def test_bad_files_among_many_are_results_in_their_places(tmp_path: Path) -> None:
    paths = written(tmp_path, [(20, 30)] * 4)
    (tmp_path / "cut.png").write_bytes(paths[0].read_bytes()[:200])
    (tmp_path / "cut.tif").write_bytes(b"II*\0")
    (tmp_path / "empty.jpg").write_bytes(b"")
    mixed = [*paths[:2], *(tmp_path / name for name in ("cut.png", "cut.tif", "empty.jpg", "none.png")), *paths[2:]]
    results = list(model_of(SplitNetwork(2)).predict_many(mixed))
    check_same(results, list(model_of(LocalNetwork(2)).predict_many(mixed)))
    kinds = [type(result.error) for result in results[2:6]]
    assert kinds == [ImageError, ImageError, ImageError, UsageError]


@dataclass(frozen=True)
class SplitConstant(ConstantNetwork):
    def one_thread(self) -> Predictor:
        return self


@pytest.mark.usefixtures("three_cores")
def test_what_is_wrong_for_every_file_is_raised_side_by_side_too(tmp_path: Path) -> None:
    paths = written(tmp_path, [(50, 50)] * 3)
    with pytest.raises(ModelError):
        list(model_of(SplitConstant(float("nan"))).predict_many(paths))
    with pytest.raises(UsageError, match="threshold"):
        list(model_of(SplitNetwork(2)).predict_many(paths, threshold=7))
    with pytest.raises(UsageError, match="tile"):
        list(model_of(SplitNetwork(20), room_px=900).predict_many(paths))


@pytest.mark.usefixtures("three_cores")
def test_results_are_used_in_the_threads_that_found_them_and_their_errors_raised(tmp_path: Path) -> None:
    paths = written(tmp_path, [(20, 30)] * 5)
    model = model_of(SplitNetwork(2))

    def save(result: PredictionResult) -> str:
        all_predicted([result])[0].save(tmp_path / "out")
        return threading.current_thread().name

    threads = set(predict_each(model.steps(), paths, save))
    assert all(name.startswith("crackseg-work") for name in threads)
    assert len(list((tmp_path / "out").iterdir())) == 15
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        list(predict_each(model.steps(), paths, lambda result: all_predicted([result])[0].save(tmp_path / "file")))


@pytest.mark.usefixtures("three_cores")
def test_files_are_not_read_far_beyond_what_was_handed_out(tmp_path: Path) -> None:
    requests: list[Path] = []

    def paths() -> Iterator[Path]:
        for path in written(tmp_path, [(8, 8)] * 40):
            requests.append(path)
            yield path

    results = model_of(SplitNetwork(0)).predict_many(paths())
    for index in range(40):
        assert next(results).name == f"{index:02d}.png"
        assert len(requests) <= index + 1 + 2 * 3


def test_one_image_and_one_core_are_not_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = written(tmp_path, [(20, 30)] * 3)
    for cores, given_paths in ((1, paths), (3, paths[:1])):
        monkeypatch.setattr("crackseg.prediction.scheduling.usable_cores", lambda cores=cores: cores)
        network = SplitNetwork(2)
        list(model_of(network).predict_many(given_paths))
        assert (network.apart, len(network.together)) == ([], len(given_paths))


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_the_shipped_model_says_the_same_when_it_is_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino")
    monkeypatch.setattr(f"crackseg.runtimes.{runtime}.usable_cores", lambda: 2)
    monkeypatch.setattr("crackseg.prediction.scheduling.usable_cores", lambda: 2)
    paths = written(tmp_path, [(100, 90), (64, 64), (100, 90), (61, 131)])
    model = load_model(runtime=runtime)  # type: ignore[arg-type]
    for path, result in zip(paths, all_predicted(model.predict_many(paths)), strict=True):
        single = model.predict(path)
        np.testing.assert_allclose(result.probability, single.probability, rtol=0, atol=1e-6)
        assert len(result.cracks) == len(single.cracks)
    split = model.predictor.one_thread()  # type: ignore[attr-defined]
    assert split is model.predictor.one_thread()  # type: ignore[attr-defined]
    assert split is split.one_thread()
    assert bytes_per_px_of(split) >= bytes_per_px_of(model.predictor)
