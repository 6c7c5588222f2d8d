"""Runtimes: weights that are not finite, metadata, and memory that runs out."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from crackseg.errors import ModelError
from crackseg.imaging.codec import ArrayImage
from crackseg.modelcard.card import ModelCard
from crackseg.prediction.loading import find_model
from crackseg.prediction.tiled import predict_probability
from crackseg.runtimes.onnx import OnnxPredictor, _options, read_onnx_card, with_card
from crackseg.runtimes.onnx_file import find_non_finite, with_metadata
from crackseg.runtimes.predictor import TileMemoryError

Pixels = NDArray[np.uint8]


def file_of(values: NDArray[np.generic], *, raw: bool = True) -> bytes:
    """An ONNX file with two weights, the second of them given."""
    if raw:
        weight = numpy_helper.from_array(values, "the.weight")
    else:
        weight = helper.make_tensor("the.weight", TensorProto.FLOAT, values.shape, values.tolist())
    first = numpy_helper.from_array(np.arange(5, dtype=np.int64), "counts")
    graph = helper.make_graph([], "g", [], [], initializer=[first, weight])
    return bytes(helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_finite_is_named(kind: type[np.floating], value: float) -> None:
    values = np.linspace(-9, 9, 77).astype(kind)
    assert find_non_finite(file_of(values)) is None
    values[40] = value
    assert find_non_finite(file_of(values)) == "the.weight"


def test_a_weight_stored_number_by_number_is_checked_too() -> None:
    values = np.array([1.0, np.nan, 3.0], np.float32)
    assert find_non_finite(file_of(values, raw=False)) == "the.weight"


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_bytes_that_are_no_file_name_no_weight(data: bytes) -> None:
    assert find_non_finite(data) is None


def test_the_shipped_model_is_finite_and_a_copy_with_one_nan_does_not_load() -> None:
    data = find_model().read()
    assert find_non_finite(data) is None
    model = onnx.load_from_string(data)
    kernel = max(model.graph.initializer, key=lambda item: len(item.raw_data))
    values = np.array(numpy_helper.to_array(kernel))
    values.flat[values.size // 2] = np.nan
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    with pytest.raises(ModelError, match="NaN or infinity"):
        OnnxPredictor(model.SerializeToString(), name="flawed.onnx")


@settings(max_examples=30)
@given(old=st.dictionaries(st.sampled_from(["a", "b", "card"]), st.text(max_size=300)), value=st.text(max_size=40000))
def test_one_entry_of_the_metadata_is_replaced_and_the_rest_stays(old: dict[str, str], value: str) -> None:
    """Oracle: the package onnx."""
    model = onnx.load_from_string(file_of(np.ones(3, np.float32)))
    helper.set_model_props(model, old)
    edited = onnx.load_from_string(with_metadata(model.SerializeToString(), "card", value))
    assert {entry.key: entry.value for entry in edited.metadata_props} == {**old, "card": value}
    assert len(edited.metadata_props) == len({*old, "card"})
    assert edited.graph == model.graph


@pytest.mark.train
def test_a_gpu_without_memory_gets_smaller_tiles_and_gives_the_same() -> None:
    """Without a GPU, the network raises the allocation error of PyTorch."""
    import torch
    from torch import Tensor, nn

    from crackseg.networks.factory import SegmentationNetwork
    from crackseg.runtimes.torch import TorchPredictor

    class Cramped(nn.Module):
        def __init__(self, room_px: int) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 1, 9, padding=4)
            self.room_px, self.refused = room_px, 0

        def forward(self, images: Tensor) -> Tensor:
            if images.shape[2] * images.shape[3] > self.room_px:
                self.refused += 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
            answer: Tensor = self.layer(images)
            return answer

    torch.manual_seed(0)
    card = ModelCard(name="cramped", network={}, stride=8, context_px=8)
    cramped = Cramped(20_000)
    predictor = TorchPredictor(SegmentationNetwork(cramped, 8), card, device=torch.device("cpu"))
    image = ArrayImage(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    tiled = predict_probability(image, predictor)
    assert cramped.refused >= 2
    cramped.room_px = 10**9
    np.testing.assert_allclose(tiled, predict_probability(image, predictor), atol=1e-6)
    cramped.room_px = 1
    with pytest.raises(TileMemoryError, match="no memory for a tile"):
        predict_probability(image, predictor)


def test_changed_weights_do_not_load_and_a_changed_card_does() -> None:
    data = find_model().read()
    card = OnnxPredictor(data, name="shipped", threads=1).card
    sealed = with_card(data, dataclasses.replace(card, name="other"))
    assert (
        OnnxPredictor(sealed, name="other.onnx", threads=1).card.name == read_onnx_card(sealed, name="").name == "other"
    )
    changed = onnx.load_from_string(sealed)
    kernel = max(changed.graph.initializer, key=lambda item: len(item.raw_data))
    kernel.raw_data = bytes([kernel.raw_data[0] ^ 1, *kernel.raw_data[1:]])
    with pytest.raises(ModelError, match=r"sha256.*export it again"):
        OnnxPredictor(changed.SerializeToString(), name="changed.onnx")
    with pytest.raises(ModelError, match="sha256"):
        read_onnx_card(changed.SerializeToString(), name="changed.onnx")


@pytest.mark.parametrize(("threads", "spinning"), [(1, False), (2, False), (3, True), (16, True)])
def test_few_threads_sleep_while_they_wait(threads: int, *, spinning: bool) -> None:
    options = _options(threads)
    key = "session.intra_op.allow_spinning"
    if spinning:
        with pytest.raises(RuntimeError):
            options.get_session_config_entry(key)
    else:
        assert options.get_session_config_entry(key) == "0"
    assert options.intra_op_num_threads == threads
