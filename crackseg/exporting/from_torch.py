"""Export to ONNX: 8-bit pixels in, probability out, any height and width, the card inside."""

from __future__ import annotations

import copy
import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import torch
from torch import Tensor, nn

from crackseg.errors import TrainingError
from crackseg.exporting.onnx_graph import optimise_graph
from crackseg.files import write_bytes
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import load_network, to_storage_type
from crackseg.networks.config import NOT_IN_ONNX
from crackseg.networks.factory import SegmentationNetwork, crack_probability, defect_class, normalise
from crackseg.runtimes.onnx import OnnxPredictor, with_card
from crackseg.runtimes.predictor import DEFECT_CLASS, PROBABILITY

MAX_DIFFERENCE = 1e-3
"""Largest difference in probability between the exported model and PyTorch that is let through."""


class _PixelsToProbability(nn.Module):
    """A network with its normalisation, and its sigmoid or softmax, inside."""

    def __init__(self, network: nn.Module, *, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.outputs = outputs

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return the ``(N, H, W)`` probability of ``(N, H, W, 3)`` uint8 pixels, and the class of defect if told to."""
        logits = self.network(normalise(pixels))
        return tuple((crack_probability if name == PROBABILITY else defect_class)(logits) for name in self.outputs)


def export_onnx(network: SegmentationNetwork, path: Path, card: ModelCard) -> None:
    """Write a network as ONNX, after checking that onnxruntime computes what PyTorch computes.

    Large convolution kernels are stored as float16 and computed with as float32. Tensors keep the names they have in
    the network, so the file can be loaded back into PyTorch.

    Args:
        network: The network.
        path: The file to write.
        card: Goes into the file's metadata.

    Raises:
        TrainingError: If the two disagree by more than `MAX_DIFFERENCE`, or the network computes what ONNX cannot
            express; nothing is written.
        OutputError: If the file cannot be written.
    """
    if card.network.get("arch") in NOT_IN_ONNX:
        # The exporter would print the whole graph before it fails.
        raise _not_exported(str(card.network["arch"]))
    network = copy.deepcopy(network).cpu().eval()
    network.load_state_dict(
        {name: to_storage_type(tensor).to(tensor.dtype) for name, tensor in network.state_dict().items()}
    )
    module = _PixelsToProbability(
        network.network, outputs=(PROBABILITY, DEFECT_CLASS) if card.classes > 2 else (PROBABILITY,)
    )
    model = onnx.load_model_from_string(_trace(module, card.stride))
    optimise_graph(model, card.stride)
    _store_kernels_as_half(model.graph)
    model.producer_name = "crackseg"
    data = with_card(model.SerializeToString(), card)
    _check_parity(module, data, card)
    write_bytes(path, data, durable=True)


def export_checkpoint(checkpoint: Path, path: Path) -> None:
    """Write a checkpoint as ONNX; see `export_onnx`.

    Raises:
        ModelError: If it is no checkpoint of crackseg, or damaged.
        TrainingError: If it cannot be written as ONNX, or computes something else there.
    """
    network, card = load_network(checkpoint)
    export_onnx(network, path, card)


def _trace(module: _PixelsToProbability, stride: int) -> bytes:
    """Return the module as ONNX with free batch, height and width; batch normalisation kept, to keep the names."""
    example = torch.zeros((2, 2 * stride, 3 * stride, 3), dtype=torch.uint8)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module,
                (example,),
                buffer,  # type: ignore[arg-type]
                dynamo=False,
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=False,
                input_names=["pixels"],
                output_names=list(module.outputs),
                dynamic_axes={key: {0: "n", 1: "h", 2: "w"} for key in ("pixels", *module.outputs)},
                opset_version=18,
            )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            raise _not_exported(str(error).partition("\n")[0][:200]) from error
    return buffer.getvalue()


def _not_exported(reason: str) -> TrainingError:
    return TrainingError(
        f"the network cannot be written as ONNX ({reason})", hint="predict from its checkpoint with --runtime torch"
    )


def _store_kernels_as_half(graph: onnx.GraphProto) -> None:
    """Store large kernels as float16, each with a cast back to float32 that runtimes fold away when they load."""
    casts, stored = [], []
    for item in graph.initializer:
        array = onnx.numpy_helper.to_array(item)
        half = to_storage_type(torch.from_numpy(np.array(array))).numpy() if array.ndim == 4 else array
        if half.dtype == array.dtype:
            stored.append(item)
            continue
        name = f"{item.name}.half"
        stored.append(onnx.numpy_helper.from_array(half, name))
        casts.append(onnx.helper.make_node("Cast", [name], [item.name], to=onnx.TensorProto.FLOAT, name=f"{name}.cast"))
    nodes = [*casts, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(stored)
    graph.node.extend(nodes)


def _check_parity(module: _PixelsToProbability, data: bytes, card: ModelCard) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 4 * card.stride, 5 * card.stride, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = module(torch.from_numpy(pixels))[0].numpy()
    difference = float(np.abs(OnnxPredictor(data, name="the exported model")(pixels) - expected).max())
    if not difference <= MAX_DIFFERENCE:
        raise TrainingError(
            f"the exported model differs from PyTorch by {difference:.2g} in probability; it was not written"
        )
