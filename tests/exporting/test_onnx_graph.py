"""Rearranged graphs have the same weights and output, with less arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from crackseg.exporting.from_torch import export_onnx
from crackseg.exporting.onnx_graph import optimise_graph
from crackseg.modelcard.card import ModelCard
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import build_network

pytestmark = pytest.mark.train

NETWORKS = [
    pytest.param({"decoder_channels": (16, 8, 8)}, 3, id="unet"),
    pytest.param({"encoder": "resnet18", "decoder_channels": (16, 8, 8)}, 3, id="unet, another encoder"),
    pytest.param({"arch": "unetplusplus", "encoder": "resnet18", "decoder_channels": (8, 8, 4)}, 4, id="unetplusplus"),
    pytest.param({"decoder_channels": (16, 8, 8), "classes": 3}, 2, id="three classes"),
    pytest.param({"arch": "fcn", "encoder": "resnet18"}, 0, id="fcn"),
    pytest.param({"arch": "fpn", "encoder": "resnet18"}, 0, id="fpn"),
]


def answers(model: onnx.ModelProto, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["probability"], {"pixels": pixels})[0])


def weights(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(("settings", "rearranged"), NETWORKS)
def test_a_rearranged_network_has_the_same_output_and_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], rearranged: int
) -> None:
    torch.manual_seed(0)
    config = NetworkConfig.model_validate(settings)
    network = build_network(config).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.running_mean, layer.running_var, layer.weight, layer.bias):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.5, 1.5)
    card = ModelCard(name="m", network=config.model_dump(mode="json"), stride=config.stride, context_px=1)
    with monkeypatch.context() as patch:
        patch.setattr("crackseg.exporting.from_torch.optimise_graph", lambda *_: None)
        export_onnx(network, tmp_path / "model.onnx", card)
    plain, quick = (onnx.load(tmp_path / "model.onnx") for _ in range(2))
    optimise_graph(quick, config.stride)
    onnx.checker.check_model(quick)
    assert kinds(quick).count("DepthToSpace") == kinds(plain).count("DepthToSpace") + rearranged
    assert weights(quick).keys() == weights(plain).keys()
    for name, values in weights(plain).items():
        np.testing.assert_array_equal(weights(quick)[name], values)
    for rows, cols in ((2, 3), (4, 1)):
        shape = (2, rows * config.stride, cols * config.stride, 3)
        pixels = np.random.default_rng(rows).integers(0, 256, shape, dtype=np.uint8)
        expected = answers(plain, pixels)
        np.testing.assert_allclose(answers(quick, pixels), expected, atol=2e-5)
        assert np.ptp(expected) > 1e-4, "an answer that does not depend on the image would prove nothing"
    again = onnx.ModelProto()
    again.CopyFrom(quick)
    optimise_graph(again, config.stride)
    assert kinds(again) == kinds(quick)


def small_graph(*, channels: int, others: int, width: int, norm: bool, bias: bool, seed: int) -> onnx.ModelProto:
    """Build one step of a U-Net decoder, and a head."""
    random = np.random.default_rng(seed)
    values = {
        "below": random.normal(size=(channels, 3, 3, 3)),
        "lateral": random.normal(size=(others, 3, 1, 1)),
        "kernel": random.normal(size=(width, channels + others, 3, 3)) / 20,
        "shift": random.normal(size=width),
        "gain": random.uniform(-2, 2, width),
        "offset": random.normal(size=width),
        "mean": random.normal(size=width),
        "variance": random.uniform(0.1, 3, width),
        "head": random.normal(size=(1, width, 3, 3)),
        "head.bias": random.normal(size=1),
        "sizes": np.array([1.0, 1.0, 2.0, 2.0]),
        "scale": np.array(1 / 255),
    }
    node = helper.make_node
    nodes = [
        node("Transpose", ["pixels"], ["turned"], perm=[0, 3, 1, 2]),
        node("Cast", ["turned"], ["float"], to=TensorProto.FLOAT),
        node("Mul", ["float", "scale"], ["image"]),
        node("Conv", ["image", "below"], ["small"], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
        node("Conv", ["image", "lateral"], ["skip"], kernel_shape=[1, 1]),
        node(
            "Resize", ["small", "", "sizes"], ["large"],
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        ),
        node("Concat", ["large", "skip"], ["joined"], axis=1),
        node("Conv", ["joined", "kernel", *["shift"] * bias], ["convolved"], kernel_shape=[3, 3], pads=[1] * 4),
    ]  # fmt: skip
    if norm:
        inputs = ["convolved", "gain", "offset", "mean", "variance"]
        nodes.append(node("BatchNormalization", inputs, ["normalised"], epsilon=0.01))
    nodes += [
        node("Relu", ["normalised" if norm else "convolved"], ["active"]),
        node("Conv", ["active", "head", "head.bias"], ["logits"], kernel_shape=[3, 3], pads=[1] * 4),
        node("Sigmoid", ["logits"], ["all"]),
        node("Squeeze", ["all", "axis"], ["probability"]),
    ]
    initializers = [onnx.numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in values.items()]
    initializers.append(onnx.numpy_helper.from_array(np.array([1]), "axis"))
    used = {name for item in nodes for name in item.input}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", "h", "w"])],
        initializer=[item for item in initializers if item.name in used],
    )
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model


@settings(max_examples=15)
@given(
    channels=st.integers(1, 6),
    others=st.integers(1, 4),
    width=st.integers(1, 5),
    norm=st.booleans(),
    bias=st.booleans(),
    seed=st.integers(0, 99),
    last=st.booleans(),
)
def test_convolving_before_enlarging_equals_convolving_after_it(
    channels: int,
    others: int,
    width: int,
    norm: bool,  # noqa: FBT001
    bias: bool,  # noqa: FBT001
    seed: int,
    last: bool,  # noqa: FBT001
) -> None:
    plain, quick = (
        small_graph(channels=channels, others=others, width=width, norm=norm, bias=bias, seed=seed) for _ in range(2)
    )
    for model in (plain, quick):
        (join,) = [node for node in model.graph.node if node.op_type == "Concat"]
        join.input[:] = ["skip", "large"] if last else ["large", "skip"]
    optimise_graph(quick, 4)
    assert "Resize" not in kinds(quick)
    assert "Concat" not in kinds(quick)
    pixels = np.random.default_rng(seed).integers(0, 256, (2, 12, 20, 3), dtype=np.uint8)
    np.testing.assert_allclose(answers(quick, pixels), answers(plain, pixels), atol=1e-5)


def test_features_with_another_user_are_not_rearranged() -> None:
    model = small_graph(channels=2, others=2, width=3, norm=True, bias=False, seed=0)
    model.graph.output.append(helper.make_tensor_value_info("joined", TensorProto.FLOAT, None))
    optimise_graph(model, 4)
    assert "Resize" in kinds(model)
    assert "BatchNormalization" in kinds(model)


def test_features_enlarged_bilinearly_are_not_rearranged() -> None:
    model = small_graph(channels=2, others=2, width=3, norm=True, bias=False, seed=0)
    (resize,) = [node for node in model.graph.node if node.op_type == "Resize"]
    next(item for item in resize.attribute if item.name == "mode").s = b"linear"
    optimise_graph(model, 2)
    assert kinds(model).count("Resize") == 1
    assert "DepthToSpace" not in kinds(model), "a stride of 2 makes no blocks of 4x4"
