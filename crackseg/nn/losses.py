"""Losses on logits; each finite for empty and for full masks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from crackseg.nn.train_config import LossConfig


def weighted_bce(logits: Tensor, target: Tensor, *, positive_weight: float) -> Tensor:
    """Return the mean binary cross-entropy, that of crack pixels multiplied by ``positive_weight``.

    Args:
        logits: ``(N, 1, H, W)``.
        target: ``(N, 1, H, W)`` in [0, 1].
        positive_weight: Factor on crack pixels.
    """
    weight = torch.tensor(positive_weight, device=logits.device)
    return functional.binary_cross_entropy_with_logits(logits.float(), target.float(), pos_weight=weight)


def dice_loss(logits: Tensor, target: Tensor, *, smooth: float = 1.0) -> Tensor:
    """Return one minus the Dice coefficient of probability and target over the whole batch.

    Args:
        logits: ``(N, 1, H, W)``.
        target: ``(N, 1, H, W)`` in [0, 1].
        smooth: Pixels added to both sides of the fraction, so that an empty batch called empty costs nothing.

    Source:
        Milletari, Navab, Ahmadi, "V-Net", 3DV 2016, section 3, without the squares.
    """
    probability, target = torch.sigmoid(logits.float()), target.float()
    overlap = (probability * target).sum()
    return 1 - (2 * overlap + smooth) / (probability.sum() + target.sum() + smooth)


def total_loss(logits: Tensor, target: Tensor, config: LossConfig) -> Tensor:
    """Return the weighted sum of losses that a configuration asks for, a scalar."""
    loss = logits.new_zeros((), dtype=torch.float32)
    if config.bce:
        loss = loss + config.bce * weighted_bce(logits, target, positive_weight=config.positive_weight)
    if config.dice:
        loss = loss + config.dice * dice_loss(logits, target)
    return loss
