"""Read and write the weights and cards of networks."""

from __future__ import annotations

import io
import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import safetensors
import safetensors.torch
import torch
from google.protobuf.message import DecodeError
from pydantic import ValidationError
from torch import Tensor, nn

from crackseg.errors import ModelError, TrainingError, UsageError, display_text
from crackseg.files import write_bytes
from crackseg.imaging.codec import read_file
from crackseg.modelcard.card import ModelCard
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import SegmentationNetwork, build_network

CARD_KEY = "crackseg_card"
_HALF_FROM = 1024
"""Number of weights from which a convolution kernel is stored as float16."""
_NOT_WEIGHTS = (
    safetensors.SafetensorError, pickle.UnpicklingError, DecodeError,
    AttributeError, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def to_storage_type(tensor: Tensor) -> Tensor:
    """Convert large convolution kernels to float16 for storage.

    Args:
        tensor: Tensor of any shape.

    Returns:
        The tensor as float16 if it is a large ``(K, C, h, w)`` kernel; else unchanged.
    """
    large_kernel = tensor.ndim == 4 and tensor.numel() >= _HALF_FROM and tensor.dtype == torch.float32
    return tensor.half() if large_kernel else tensor


def save_weights(path: Path, network: nn.Module, card: ModelCard) -> None:
    """Write the weights and the card of a network to a file.

    Raises:
        TrainingError: If a weight is not finite; an existing file stays unchanged.
        OutputError: If the file cannot be written.
    """
    stored = {
        name: to_storage_type(tensor.detach().cpu()).contiguous() for name, tensor in network.state_dict().items()
    }
    broken = [name for name, tensor in stored.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise TrainingError(
            f"weights are NaN or too large in {len(broken)} tensors, first in {broken[0]}; nothing was saved",
            where=path,
            hint="lower optimiser.learning_rate or set precision=fp32",
        )
    write_bytes(path, safetensors.torch.save(stored, {CARD_KEY: card.to_json(indent=None)}), durable=True)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the weights of a checkpoint, an ONNX model or an encoder.

    Args:
        path: ``.safetensors``, ``.onnx`` of crackseg, or a pickled state of tensors only (``.pth``, ``.pt``).

    Returns:
        Tensors by name, of any shape; floating point ones as float32.

    Raises:
        UsageError: If there is no such file.
        ModelError: If the file holds no weights, or a weight is not finite.
    """
    data = read_file(path)
    try:
        if path.suffix == ".onnx":
            state = _onnx_weights(data)
        elif path.suffix in (".pth", ".pt"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                state = dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
        else:
            state = safetensors.torch.load(data)
        tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    except _NOT_WEIGHTS as error:
        raise ModelError(
            "the file holds no weights", where=path, hint="give a .safetensors, .onnx or .pth file, or a run folder"
        ) from error
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ModelError(
            f"weights are NaN or infinite in {len(broken)} of {len(tensors)} tensors, first in {broken[0]}",
            where=path,
            hint="use the weights of another epoch or run",
        )
    return tensors


def read_card(path: Path) -> ModelCard:
    """Read the card of a checkpoint or an ONNX model.

    Raises:
        UsageError: If there is no such file.
        ModelError: If the file holds no card.
    """
    data = read_file(path)
    try:
        if path.suffix == ".onnx":
            model = onnx.load_model_from_string(data)
            text = {entry.key: entry.value for entry in model.metadata_props}.get(CARD_KEY, "")
        else:
            length = int.from_bytes(data[:8], "little")
            text = json.loads(data[8 : 8 + length])["__metadata__"][CARD_KEY]
    except (DecodeError, ValueError, KeyError, TypeError) as error:
        raise ModelError("not a model of crackseg", where=path, hint="give a run folder or its model.onnx") from error
    return ModelCard.from_json(text, where=display_text(path))


def _onnx_weights(data: bytes) -> dict[str, Tensor]:
    """Return the weights of an ONNX model, of any shape, by name."""
    graph = onnx.load_model_from_string(data).graph
    arrays = {item.name.removesuffix(".half"): onnx.numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items() if name.startswith("network.")}


def initialise(network: nn.Module, path: Path) -> tuple[int, int]:
    """Initialise a network with weights that match in name and shape.

    Names of the whole network are tried first, then those of its encoder. The state of an ImageNet classifier therefore
    initialises the encoder.

    Args:
        network: Network to initialise, in place.
        path: File with weights; see `read_weights`.

    Returns:
        The number of tensors that were set, and the number of tensors of the network or of its encoder.

    Raises:
        UsageError: If there is no such file.
        ModelError: If fewer than half of the tensors match.
    """
    state = read_weights(path)
    own = network.state_dict()
    for prefix in ("", "network.", "network.encoder."):
        names = [name for name in own if name.startswith(prefix) and not name.endswith("num_batches_tracked")]
        matching = {
            name: state[name.removeprefix(prefix)]
            for name in names
            if name.removeprefix(prefix) in state and state[name.removeprefix(prefix)].shape == own[name].shape
        }
        if len(matching) >= len(names) / 2:
            network.load_state_dict(matching, strict=False)
            return len(matching), len(names)
    raise ModelError("the weights do not fit this network", where=path, hint="check network.arch and network.encoder")


def load_network(path: Path) -> tuple[SegmentationNetwork, ModelCard]:
    """Build the network of a model, with its weights, on the CPU.

    Args:
        path: A checkpoint or an ONNX model of crackseg.

    Returns:
        The network in training mode, and its card.

    Raises:
        UsageError: If there is no such file, or the model is int8.
        ModelError: If the file is no model of crackseg, or damaged.
    """
    card = read_card(path)
    if card.precision == "int8":
        raise UsageError(
            "int8 models do not run in PyTorch", where=path,
            hint="use --runtime onnx or openvino, or give the model it was exported from",
        )  # fmt: skip
    try:
        network = build_network(NetworkConfig.model_validate({**card.network, "encoder_weights": None}))
        load_state(network, read_weights(path))
    except (ValidationError, RuntimeError) as error:
        raise ModelError("card and weights do not match", where=path, hint="use another copy of the file") from error
    return network, card


def load_state(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a state with exactly the tensors of a network.

    Batch counters may be missing, since ONNX does not keep them.

    Args:
        network: Network; changed in place.
        state: Tensors by name, of any shape.

    Raises:
        RuntimeError: If a tensor is missing, superfluous or of another shape.
    """
    counters = {name: tensor for name, tensor in network.state_dict().items() if name.endswith("num_batches_tracked")}
    network.load_state_dict({**counters, **state})
