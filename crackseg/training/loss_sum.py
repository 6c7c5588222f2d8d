"""Compute the configured weighted sum of losses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from crackseg.imaging.samples import VOID
from crackseg.training.loss_config import LossConfig
from crackseg.training.losses import (
    balanced_bce,
    border_loss,
    boundary_loss,
    cldice_loss,
    dice_loss,
    focal_loss,
    jaccard_loss,
    lovasz_loss,
    ohem_loss,
    patch_dice_loss,
    to_float32,
    tversky_loss,
    weighted_bce,
)
from crackseg.training.target_planes import add_planes, needed_planes

_SURE_LOGIT = 30.0
"""Logit whose probability is 0 or 1 in float32, for pixels that are not trained."""


def total_loss(logits: Tensor | tuple[Tensor, ...], target: Tensor, config: LossConfig) -> Tensor:
    """Return the configured weighted sum of losses, a scalar.

    Args:
        logits: ``(N, K, H, W)``, or several of them with deep supervision. The loss is then the mean over the outputs.
        target: ``(N, 1, H, W)``, or ``(N, 1 + P, H, W)`` with the planes of `crackseg.training.target_planes`. Missing
            planes are computed here. Pixels of the value 255 are void and have no loss.
        config: Weights and settings of the losses.

    Example:
        >>> logits, target = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
        >>> round(float(total_loss(logits, target, LossConfig(bce=1, dice=0, positive_weight=1))), 4)
        0.6931
    """
    outputs = logits if isinstance(logits, tuple) else (logits,)
    classes = int(outputs[0].shape[1])
    if target.shape[1] == 1 and needed_planes(config, classes):
        target = add_planes(target, config, classes)
    losses = [_sum_of_losses(*_ignore_void(output, target), config) for output in outputs]
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()


def _ignore_void(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Replace void pixels by sure background, which has no gradient."""
    void = target[:, :1] == VOID
    if not bool(void.any()):
        return logits, target
    sure = torch.full((1, logits.shape[1], 1, 1), -_SURE_LOGIT, dtype=logits.dtype, device=logits.device)
    if logits.shape[1] > 1:
        sure[:, 0] = _SURE_LOGIT
    known = torch.cat([target[:, :1].masked_fill(void, 0), target[:, 1:]], dim=1)
    return torch.where(void, sure, logits), known


def _sum_of_losses(logits: Tensor, target: Tensor, config: LossConfig) -> Tensor:
    target, planes = target[:, :1], target[:, 1:]
    border, distance = (planes[:, :1], planes[:, 1:]) if config.border.weight else (planes[:, :0], planes)
    tversky, focal_tversky = config.tversky, config.focal_tversky
    terms: tuple[tuple[float, Callable[[], Tensor]], ...] = (
        (config.bce, lambda: weighted_bce(logits, target, positive_weight=config.positive_weight)),
        (config.dice, lambda: dice_loss(logits, target)),
        (config.patch_dice.weight, lambda: patch_dice_loss(logits, target, smooth=config.patch_dice.smooth)),
        (config.balanced_bce, lambda: balanced_bce(logits, target)),
        (config.jaccard, lambda: jaccard_loss(logits, target)),
        (config.lovasz, lambda: lovasz_loss(logits, target)),
        (config.boundary, lambda: boundary_loss(logits, target, distance)),
        (config.border.weight, lambda: border_loss(logits, target, border, balance=config.border.balance)),
        (config.focal.weight, lambda: focal_loss(logits, target, gamma=config.focal.gamma, alpha=config.focal.alpha)),
        (tversky.weight, lambda: tversky_loss(logits, target, alpha=tversky.alpha, beta=tversky.beta)),
        (
            focal_tversky.weight,
            lambda: tversky_loss(
                logits, target, alpha=focal_tversky.alpha, beta=focal_tversky.beta, gamma=focal_tversky.gamma
            ),
        ),
        (config.cldice.weight, lambda: cldice_loss(logits, target, iterations=config.cldice.iterations)),
        (config.ohem.weight, lambda: ohem_loss(logits, target, share=config.ohem.share)),
    )
    loss = to_float32(logits).new_zeros(())
    for weight, term in terms:
        if weight:
            loss = loss + weight * term()
    return loss
