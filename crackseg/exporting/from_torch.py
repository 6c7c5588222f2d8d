"""Export PyTorch networks to ONNX files with 8-bit pixels in, probability out and the card inside."""

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
"""Largest accepted difference in probability between the exported model and PyTorch."""


class _PixelsToProbability(nn.Module):
    """A network with its input normalisation and its sigmoid or softmax."""

    def __init__(self, network: nn.Module, *, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.outputs = outputs

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return the network's outputs in the order of ``outputs``.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB pixels.

        Returns:
            ``(N, H, W)`` float32 probability in [0, 1]; ``(N, H, W)`` uint8 defect class, if it is an output.
        """
        logits = self.network(normalise(pixels))
        return tuple((crack_probability if name == PROBABILITY else defect_class)(logits) for name in self.outputs)


def export_onnx(network: SegmentationNetwork, path: Path, card: ModelCard) -> None:
    """Write a network as ONNX after comparing onnxruntime with PyTorch.

    Large convolution kernels are stored as float16 and computed with as float32. Tensors keep their names in the
    network, so PyTorch can load the file again.

    Args:
        network: Network to export; it is not changed.
        path: File to write.
        card: Model card for the metadata of the file.

    Raises:
        TrainingError: If the two differ by more than `MAX_DIFFERENCE`, or ONNX cannot express the network. Nothing is
            written.
        OutputError: If the file cannot be written.
    """
    if card.network.get("arch") in NOT_IN_ONNX:
        # The exporter prints the whole graph before it fails.
        raise _export_error(str(card.network["arch"]))
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
        ModelError: If the file is no checkpoint of crackseg, or damaged.
        TrainingError: If ONNX cannot express the network, or onnxruntime and PyTorch differ.
        OutputError: If the file cannot be written.
    """
    network, card = load_network(checkpoint)
    export_onnx(network, path, card)


def _trace(module: _PixelsToProbability, stride: int) -> bytes:
    """Return a module as ONNX with free batch, height and width.

    Batch normalisation stays, so that all tensors keep their names.
    """
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
            raise _export_error(str(error).partition("\n")[0][:200]) from error
    return buffer.getvalue()


def _export_error(reason: str) -> TrainingError:
    return TrainingError(
        f"the network cannot be written as ONNX ({reason})", hint="predict with its checkpoint and --runtime torch"
    )


def _store_kernels_as_half(graph: onnx.GraphProto) -> None:
    """Store large kernels as float16, each followed by a foldable cast."""
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
            f"the exported model differs from PyTorch by {difference:.2g} in probability; it was not written",
            hint="predict with the checkpoint and --runtime torch",
        )
