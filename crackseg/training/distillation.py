"""A teacher: a trained network whose probabilities another one learns, so that a small one comes nearer to a large one.

Source:
    Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", NIPS workshop 2014, section 2, at a
    temperature of 1: in segmentation the probabilities along a rim are soft as they are.
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
    """What a trained network makes of the patches that another one learns from.

    Args:
        network: The trained network; it is switched to evaluation and does not learn.
        device: Where to compute.
        bfloat16: Whether to compute in bfloat16.
    """

    def __init__(self, network: SegmentationNetwork, *, device: torch.device, bfloat16: bool) -> None:
        self._network = network.eval().requires_grad_(requires_grad=False).to(device)
        self._network.to(memory_format=torch.channels_last)
        self._device = device
        self._bfloat16 = bfloat16

    def __call__(self, images: Tensor) -> Tensor:
        """Return the ``(N, K, H, W) float32`` probabilities of ``(N, 3, H, W)`` normalised images, of K classes."""
        with torch.no_grad(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            logits = self._network(images).float()
        return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)


def load_teacher(
    config: TeacherConfig, network: NetworkConfig, *, device: torch.device, bfloat16: bool
) -> Teacher | None:
    """Return the teacher that a configuration asks for, or None.

    Raises:
        UsageError: If there is no such model.
        ModelError: If it is no model of crackseg, or damaged.
        ConfigError: If it tells other classes apart than the network is to learn.
    """
    if config.model is None or not config.weight:
        return None
    trained, card = load_network(find_weights(config.model))
    if card.classes != network.classes:
        raise ConfigError(
            f"the teacher answers with {card.classes} classes and the network with {network.classes}",
            where="teacher.model",
            hint=f"set network.classes={card.classes}, or take another teacher",
        )
    return Teacher(trained, device=device, bfloat16=bfloat16)


def teacher_loss(logits: tuple[Tensor, ...], taught: Tensor) -> Tensor:
    """Return the mean cross-entropy between a teacher's probabilities and the network's, a scalar.

    Args:
        logits: Outputs ``(N, K, H, W)``, of which the mean is taken.
        taught: ``(N, K, H, W)``, what the teacher said.
    """
    return torch.stack([_cross_entropy(output.float(), taught) for output in logits]).mean()


def _cross_entropy(logits: Tensor, taught: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits, taught)
    return functional.cross_entropy(logits, taught)
