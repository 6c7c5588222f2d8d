"""Weights on disk: safetensors only, whole or not at all, never with a NaN inside."""

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
"""Convolution kernels of at least this many numbers are stored as float16."""
_NOT_WEIGHTS = (
    safetensors.SafetensorError, pickle.UnpicklingError, DecodeError,
    AttributeError, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def to_storage_type(tensor: Tensor) -> Tensor:
    """Return a tensor as it is stored: large convolution kernels as float16, everything else as it is."""
    large_kernel = tensor.ndim == 4 and tensor.numel() >= _HALF_FROM and tensor.dtype == torch.float32
    return tensor.half() if large_kernel else tensor


def save_weights(path: Path, network: nn.Module, card: ModelCard) -> None:
    """Write the weights of a network and its card to a safetensors file, durably.

    Raises:
        TrainingError: If a weight is not finite; the file on disk is left as it was.
        OutputError: If it cannot be written.
    """
    stored = {
        name: to_storage_type(tensor.detach().cpu()).contiguous() for name, tensor in network.state_dict().items()
    }
    broken = [name for name, tensor in stored.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise TrainingError(
            f"{len(broken)} tensors of weights are NaN or too large, {broken[0]} first; nothing was saved",
            hint="lower optimiser.learning_rate, or set precision=fp32",
        )
    write_bytes(path, safetensors.torch.save(stored, {CARD_KEY: card.to_json(indent=None)}), durable=True)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the weights in a checkpoint, an ONNX model of crackseg or an encoder's state, real ones as float32.

    Args:
        path: ``.safetensors``, ``.onnx``, or a pickled state that holds nothing but tensors (``.pth``, ``.pt``).

    Raises:
        UsageError: If there is no such file.
        ModelError: If it is no such file, or a weight is not finite.
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
            "holds no weights", where=path, hint="give a .safetensors, .onnx or .pth file, or a run folder"
        ) from error
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ModelError(f"{len(broken)} tensors of weights are NaN or infinite, {broken[0]} first", where=path)
    return tensors


def read_card(path: Path) -> ModelCard:
    """Read the card inside a checkpoint or an ONNX model.

    Raises:
        ModelError: If there is none.
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
        raise ModelError("is no model of crackseg", where=path, hint="give a run folder or its model.onnx") from error
    return ModelCard.from_json(text, where=display_text(path))


def _onnx_weights(data: bytes) -> dict[str, Tensor]:
    """Return the initialisers of an ONNX model of crackseg under the names they have in the network."""
    graph = onnx.load_model_from_string(data).graph
    arrays = {item.name.removesuffix(".half"): onnx.numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items() if name.startswith("network.")}


def initialise(network: nn.Module, path: Path) -> tuple[int, int]:
    """Start a network from weights that fit it by name and shape, wherever they came from.

    A network's own names are tried first, then its encoder's: the state of an ImageNet classifier starts the encoder.

    Returns:
        How many tensors of the network, or of its encoder, were set, and how many it has.

    Raises:
        UsageError: If there is no such file.
        ModelError: If nothing in it fits.
    """
    state = read_weights(path)
    own = network.state_dict()
    for prefix in ("", "network.", "network.encoder."):
        wanted = [name for name in own if name.startswith(prefix) and not name.endswith("num_batches_tracked")]
        fitting = {
            name: state[name.removeprefix(prefix)]
            for name in wanted
            if name.removeprefix(prefix) in state and state[name.removeprefix(prefix)].shape == own[name].shape
        }
        if len(fitting) >= len(wanted) / 2:
            network.load_state_dict(fitting, strict=False)
            return len(fitting), len(wanted)
    raise ModelError("its weights do not fit this network", where=path, hint="check network.encoder")


def load_network(path: Path) -> tuple[SegmentationNetwork, ModelCard]:
    """Build the network that a card describes, with its weights; on the CPU, and ready to train.

    Args:
        path: A checkpoint or an ONNX model of crackseg.

    Raises:
        UsageError: If the file holds 8-bit kernels.
        ModelError: If the file is no model of crackseg, or damaged.
    """
    card = read_card(path)
    if card.precision == "int8":
        raise UsageError(
            "PyTorch does not compute int8 models here", where=path,
            hint="give the model it was made of; --runtime onnx or openvino predicts with it",
        )  # fmt: skip
    try:
        network = build_network(NetworkConfig.model_validate({**card.network, "encoder_weights": None}))
        load_state(network, read_weights(path))
    except (ValidationError, RuntimeError) as error:
        raise ModelError("its card and its weights do not fit together", where=path) from error
    return network, card


def load_state(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a state that must fit a network name by name; counters of batches, which ONNX does not keep, may be missing.

    Raises:
        RuntimeError: If a tensor is missing, left over or of another shape.
    """
    counters = {name: tensor for name, tensor in network.state_dict().items() if name.endswith("num_batches_tracked")}
    network.load_state_dict({**counters, **state})
