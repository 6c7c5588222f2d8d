"""Train a network on the probabilities of a larger one, its teacher.

Source:
    Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", NIPS workshop 2014, section 2, at a
    temperature of 1, since probabilities along the edge of a crack are soft anyway.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from crackseg.errors import ConfigError
from crackseg.networks.checkpoint import load_network
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import SegmentationNetwork
from crackseg.prediction.loading import find_weights
from crackseg.training.config import TeacherConfig


class Teacher:
    """A trained network that predicts the training patches of another one.

    Args:
        network: The trained network; it is set to evaluation mode and frozen.
        device: Device to compute on.
        bfloat16: Compute in bfloat16.
    """

    def __init__(self, network: SegmentationNetwork, *, device: torch.device, bfloat16: bool) -> None:
        self._network = network.eval().requires_grad_(requires_grad=False).to(device)
        self._network.to(memory_format=torch.channels_last)
        self._device = device
        self._bfloat16 = bfloat16

    def __call__(self, images: Tensor) -> Tensor:
        """Predict the probabilities of a batch.

        Args:
            images: ``(N, 3, H, W)`` normalised float32 images.

        Returns:
            ``(N, K, H, W)`` float32 probabilities in [0, 1].
        """
        with torch.no_grad(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            logits = self._network(images).float()
        return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)


def load_teacher(
    config: TeacherConfig, network: NetworkConfig, *, device: torch.device, bfloat16: bool
) -> Teacher | None:
    """Load the configured teacher, if any.

    Args:
        config: Configuration of the teacher.
        network: Configuration of the network to train.
        device: Device to compute on.
        bfloat16: Compute in bfloat16.

    Raises:
        UsageError: If there is no such model.
        ModelError: If the file is no model of crackseg, or damaged.
        ConfigError: If teacher and network have different numbers of classes.
    """
    if config.model is None or not config.weight:
        return None
    trained, card = load_network(find_weights(config.model))
    if card.classes != network.classes:
        raise ConfigError(
            f"expected a teacher for classes={network.classes}, got classes={card.classes}",
            where="teacher.model",
            hint=f"set network.classes={card.classes} or choose another teacher",
        )
    return Teacher(trained, device=device, bfloat16=bfloat16)


def teacher_loss(logits: tuple[Tensor, ...], probability: Tensor) -> Tensor:
    """Return the mean cross-entropy between teacher and network, a scalar.

    Args:
        logits: ``(N, K, H, W)`` outputs of the network. The loss is the mean over the outputs.
        probability: ``(N, K, H, W)`` probabilities of the teacher.
    """
    return torch.stack([_cross_entropy(output.float(), probability) for output in logits]).mean()


def _cross_entropy(logits: Tensor, probability: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits, probability)
    return functional.cross_entropy(logits, probability)
