"""Run a network with PyTorch, for checkpoints and GPUs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from crackseg.errors import UsageError
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import load_network
from crackseg.networks.factory import SegmentationNetwork, crack_probability, defect_class, normalise
from crackseg.runtimes.predictor import TileMemoryError, WithCard


class TorchPredictor(WithCard):
    """A `Predictor` over a network in PyTorch.

    Args:
        network: The network; it is switched to evaluation mode and moved to the device.
        card: Its model card.
        device: Device to compute on.
        bfloat16: Compute in bfloat16 where autocast allows it, or else in float32.
        room: Returns the free memory of the device, in bytes; if None, CUDA reports it, and it is 0 on a CPU.

    Attributes:
        note: Message for the user about an option that could not be met; empty if there is none.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        card: ModelCard,
        *,
        device: torch.device,
        bfloat16: bool = False,
        room: Callable[[], int] | None = None,
    ) -> None:
        self.card = card
        self.note = ""
        self.process_bytes = 2**30
        self._network: Callable[[torch.Tensor], torch.Tensor] = (
            network.eval().to(device).to(memory_format=torch.channels_last)
        )
        self._device = device
        self._bfloat16 = bfloat16
        self._room = room

    def room_bytes(self) -> int:
        """Return the free memory of the GPU, in bytes, or 0."""
        if self._room is not None:
            return self._room()
        if self._device.type != "cuda":
            return 0
        free_bytes, _ = torch.cuda.mem_get_info(self._device)
        kept = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return free_bytes + kept

    def compile(self, *, backend: str | Callable[..., Callable[..., object]] = "inductor") -> None:
        """Compile the network for this machine, which takes a minute or more.

        If that fails, the network computes as before, and `note` gives the reason.

        Args:
            backend: Compiler; see ``torch.compile``.
        """
        whole = self._network
        self._network = torch.compile(whole, backend=backend)
        side = 4 * self.stride
        try:
            self(np.zeros((1, side, side, 3), dtype=np.uint8))
        except (torch._dynamo.exc.TorchDynamoException, OSError, RuntimeError) as error:
            self._network = whole
            reason = str(getattr(error, "inner_exception", error)).strip().partition("\n")[0][:200]
            self.note = f"the network could not be compiled and runs uncompiled ({reason})"

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Return the crack probability of images of one size.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB pixels.

        Returns:
            ``(N, H, W)`` float32 crack probability, in [0, 1].

        Raises:
            TileMemoryError: If there is no memory for an input of this size.
        """
        return np.asarray(self._run(pixels, crack_probability), dtype=np.float32)

    def classes(self, pixels: NDArray[np.uint8], /) -> NDArray[np.uint8]:
        """Return the likeliest defect class of each pixel.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB pixels.

        Returns:
            ``(N, H, W)`` uint8 class numbers, from 1.

        Raises:
            TileMemoryError: If there is no memory for an input of this size.
        """
        return np.asarray(self._run(pixels, defect_class), dtype=np.uint8)

    def _run(self, pixels: NDArray[np.uint8], read: Callable[[torch.Tensor], torch.Tensor]) -> NDArray[np.generic]:
        try:
            return self._compute(pixels, read)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise TileMemoryError(f"no memory for a tile of {pixels.shape[1]}x{pixels.shape[2]} px") from error
        except RuntimeError as error:
            if "can't allocate memory" not in str(error):
                raise
            raise TileMemoryError(f"no memory for a tile of {pixels.shape[1]}x{pixels.shape[2]} px") from error

    def _compute(self, pixels: NDArray[np.uint8], read: Callable[[torch.Tensor], torch.Tensor]) -> NDArray[np.generic]:
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16),
        ):
            images = normalise(torch.tensor(pixels, device=self._device))
            logits = self._network(images.contiguous(memory_format=torch.channels_last))
            values = read(logits.float())
        return np.asarray(values.cpu().numpy())


def load_torch_predictor(
    path: Path, *, device: str = "auto", bfloat16: bool = False, compiled: bool = False
) -> TorchPredictor:
    """Build the network that a card describes and load its weights.

    Args:
        path: A checkpoint or an ONNX model of crackseg.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        bfloat16: Compute in bfloat16 where autocast allows it, or else in float32.
        compiled: Compile the network first, which takes a minute or more.

    Raises:
        UsageError: If there is no such device, or the file holds an int8 model.
        ModelError: If the file is not a model of crackseg, or is damaged.
    """
    chosen = pick_device(device)
    network, card = load_network(path)
    predictor = TorchPredictor(network, card, device=chosen, bfloat16=bfloat16)
    if compiled:
        predictor.compile()
    return predictor


def pick_device(name: str) -> torch.device:
    """Return the device with a name.

    Args:
        name: ``cpu``, ``cuda`` or ``cuda:N``, or ``auto`` for the first GPU, or else the CPU.

    Raises:
        UsageError: If there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"expected auto, cpu, cuda or cuda:N, got '{name}'", where="--device") from error
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UsageError(
            f"expected a device of this machine, which has {torch.cuda.device_count()} GPUs, got '{name}'",
            where="--device",
            hint="use --device cpu",
        )
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"expected auto, cpu, cuda or cuda:N, got '{name}'", where="--device")
    return device
