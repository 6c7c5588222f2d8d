"""Losses on logits; each finite for empty and for full masks, and computed in float32 where the logits are less.

All take logits ``(N, K, H, W)`` and a target ``(N, 1, H, W)``. With K = 1 the target is crack or not, in [0, 1], and
the probability is the sigmoid. With K > 1 the target is the number of the class, 0 being the background, and the
probability is the softmax; losses on regions are then means over the classes 1 to K - 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from crackseg.training.loss_config import LossConfig
from crackseg.training.target_planes import add_planes, needed_planes


def pixel_cross_entropy(logits: Tensor, target: Tensor, *, class_weights: Tensor | None = None) -> Tensor:
    """Return the cross-entropy of every pixel, ``(N, 1, H, W)``: sigmoid for one class, softmax for several.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        class_weights: ``(max(K, 2),)`` factors on the pixels of each class, background first; 1 if None.
    """
    logits = _wide(logits)
    if logits.shape[1] > 1:
        return functional.cross_entropy(logits, target[:, 0].long(), weight=class_weights, reduction="none")[:, None]
    true = target.to(logits.dtype)
    if class_weights is None:
        return functional.binary_cross_entropy_with_logits(logits, true, reduction="none")
    log_crack, log_background = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    return -class_weights[1] * true * log_crack - class_weights[0] * (1 - true) * log_background


def weighted_bce(logits: Tensor, target: Tensor, *, positive_weight: float) -> Tensor:
    """Return the mean cross-entropy, that of crack pixels multiplied by ``positive_weight``.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        positive_weight: Factor on the pixels of every class but the background.
    """
    logits = _wide(logits)
    if logits.shape[1] == 1:
        weight = torch.tensor(positive_weight, device=logits.device)
        return functional.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), pos_weight=weight)
    weights = logits.new_full((logits.shape[1],), positive_weight)
    weights[0] = 1
    return pixel_cross_entropy(logits, target, class_weights=weights).mean()


def balanced_bce(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy, every pixel weighted by the share of the batch that is not of its class.

    So rare cracks and common background weigh the same in sum. A batch without any crack costs nothing.

    Source:
        Xie, Tu, "Holistically-nested edge detection", ICCV 2015, eq. 2.
    """
    shares = _class_shares(logits, target)
    return pixel_cross_entropy(logits, target, class_weights=1 - shares).mean()


def border_loss(logits: Tensor, target: Tensor, border: Tensor, *, balance: bool = False) -> Tensor:
    """Return the mean of ``w(x)`` times the cross-entropy, ``w(x) = w_c(x) + w0 exp(-(d1 + d2)^2 / (2 sigma^2))``.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        border: ``(N, 1, H, W)``, the second term of the sum, by `crackseg.training.weight_map.border_weights`.
        balance: Whether ``w_c`` balances the classes of the batch, with a mean of 1; else it is 1.

    Source:
        Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, eq. 1 and 2, as a mean where the paper has a sum.
    """
    entropy = pixel_cross_entropy(logits, target)
    classes: Tensor | float = 1.0
    if balance:
        shares = _class_shares(logits, target)
        present = shares > 0
        weights = torch.where(present, 1 / (present.sum() * shares.clamp_min(1e-12)), torch.ones_like(shares))
        classes = _of_class(weights, target)
    return ((classes + border.to(entropy.dtype)) * entropy).mean()


def ohem_loss(logits: Tensor, target: Tensor, *, share: float) -> Tensor:
    """Return the mean cross-entropy of the pixels that have the highest, one at least: online hard example mining.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        share: Their share of all pixels of the batch.

    Source:
        Shrivastava, Gupta, Girshick, "Training region-based object detectors with OHEM", CVPR 2016, applied to pixels.
    """
    entropy = pixel_cross_entropy(logits, target).flatten()
    return entropy.topk(max(1, round(share * entropy.numel())), sorted=False).values.mean()


def focal_loss(logits: Tensor, target: Tensor, *, gamma: float, alpha: float) -> Tensor:
    """Return the mean of ``-alpha_t (1 - p_t)^gamma log p_t``, p_t being the probability of the true class.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        gamma: How much less what is already right counts; 0 is a cross-entropy.
        alpha: ``alpha_t`` of every class but the background, which has 1 - alpha.

    Source:
        Lin et al., "Focal loss for dense object detection", ICCV 2017, eq. 5.
    """
    logits = _wide(logits)
    if logits.shape[1] == 1:
        true = target.to(logits.dtype)
        log_crack, log_background = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        # The power is taken in the exponent, where it has a finite slope at a probability of 0 too.
        missed = torch.exp(gamma * log_background) * log_crack
        false = torch.exp(gamma * log_crack) * log_background
        return -(alpha * true * missed + (1 - alpha) * (1 - true) * false).mean()
    log_share = functional.log_softmax(logits, dim=1).gather(1, target.long())
    factor = torch.where(target.long() > 0, alpha, 1 - alpha)
    # 1 - p of a sure pixel rounds to 0, where a power below 1 has no finite slope.
    return -(factor * (-torch.expm1(log_share)).clamp_min(1e-7) ** gamma * log_share).mean()


def dice_loss(logits: Tensor, target: Tensor, *, smooth: float = 1.0) -> Tensor:
    """Return one minus the Dice coefficient of probability and target over the whole batch.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        smooth: Pixels added to both sides of the fraction, so that an empty batch called empty costs nothing.

    Source:
        Milletari, Navab, Ahmadi, "V-Net", 3DV 2016, section 3, without the squares.
    """

    def loss(probability: Tensor, true: Tensor) -> Tensor:
        overlap = (probability * true).sum()
        return 1 - (2 * overlap + smooth) / (probability.sum() + true.sum() + smooth)

    return _class_mean(logits, target, loss)


def patch_dice_loss(logits: Tensor, target: Tensor, *, smooth: float) -> Tensor:
    """Return one minus the Dice coefficient of each patch by itself, the mean of all.

    Over a batch a wide crack outweighs a fine one by its pixels, and what is called in a patch without any crack is
    lost among the pixels of the others; here every patch counts the same.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        smooth: Pixels added to both sides of the fraction. In a patch without crack, S pixels called cost
            S / (S + smooth): many cost hardly more than a few where it is small.
    """

    def loss(probability: Tensor, true: Tensor) -> Tensor:
        overlap, both = (probability * true).sum((1, 2)), (probability + true).sum((1, 2))
        return (1 - (2 * overlap + smooth) / (both + smooth)).mean()

    return _class_mean(logits, target, loss)


def jaccard_loss(logits: Tensor, target: Tensor, *, smooth: float = 1.0) -> Tensor:
    """Return one minus the Jaccard index (IoU) of probability and target over the whole batch.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        smooth: Pixels added to both sides of the fraction.

    Source:
        Rahman, Wang, "Optimizing intersection-over-union in deep neural networks", ISVC 2016, eq. 2 to 4.
    """
    return tversky_loss(logits, target, alpha=1, beta=1, smooth=smooth)


def tversky_loss(
    logits: Tensor, target: Tensor, *, alpha: float, beta: float, gamma: float = 1.0, smooth: float = 1.0
) -> Tensor:
    """Return ``(1 - TI)^(1 / gamma)``, TI being the Tversky index ``TP / (TP + alpha FP + beta FN)`` over the batch.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        alpha: Weight of false alarms.
        beta: Weight of missed cracks.
        gamma: 1 is the Tversky loss; above 1, the focal Tversky loss, a bad overlap counts relatively less.
        smooth: Pixels added to both sides of the fraction.

    Source:
        Salehi, Erdogmus, Gholipour, "Tversky loss function", MLMI 2017, eq. 3; for gamma Abraham, Khan, "A novel focal
        Tversky loss function", ISBI 2019, eq. 4.
    """

    def loss(probability: Tensor, true: Tensor) -> Tensor:
        hit = (probability * true).sum()
        false, missed = probability.sum() - hit, true.sum() - hit
        rest = 1 - (hit + smooth) / (hit + alpha * false + beta * missed + smooth)
        # At a perfect overlap a power below 1 has no finite slope.
        return rest if gamma == 1 else rest.clamp_min(1e-6) ** (1 / gamma)

    return _class_mean(logits, target, loss)


def lovasz_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the Lovasz extension of the Jaccard loss over the batch: of the hinge for one class, else of the softmax.

    Of several classes those count that are in the batch; where none is, the loss is 0.

    Source:
        Berman, Triki, Blaschko, "The Lovasz-softmax loss", CVPR 2018, algorithm 1, sections 3.1 and 3.2.
    """
    logits = _wide(logits)
    if logits.shape[1] == 1:
        true = target.to(logits.dtype).flatten()
        errors, order = (1 - logits.flatten() * (2 * true - 1)).sort(descending=True)
        return (torch.relu(errors) * _jaccard_steps(true[order])).sum()
    losses = []
    for probability, true in _class_planes(logits, target):
        if true.any():
            errors, order = (true - probability).abs().flatten().sort(descending=True)
            losses.append((errors * _jaccard_steps(true.flatten()[order])).sum())
    return torch.stack(losses).mean() if losses else 0 * logits.sum()


def _jaccard_steps(true: Tensor) -> Tensor:
    """Return by how much the Jaccard loss grows with each error more, for ``(n,)`` true pixels, worst error first."""
    overlap = true.sum() - true.cumsum(0)
    union = true.sum() + (1 - true).cumsum(0)
    jaccard = 1 - overlap / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])


def boundary_loss(logits: Tensor, target: Tensor, distance: Tensor) -> Tensor:
    """Return the mean of probability times signed distance to the true boundary, in pixels; below 0 where it is right.

    To be added to a loss on regions: an empty or a full mask has no boundary and says nothing.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``; only ``distance`` counts.
        distance: ``(N, max(K - 1, 1), H, W)``, by `crackseg.training.weight_map.signed_distance`, of each class but the
            background.

    Source:
        Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019, eq. 5.
    """
    planes = [probability for probability, _ in _class_planes(_wide(logits), target)]
    return (torch.stack(planes, dim=1) * distance.to(planes[0].dtype)).mean()


def cldice_loss(logits: Tensor, target: Tensor, *, iterations: int, smooth: float = 1.0) -> Tensor:
    """Return one minus the centreline Dice: do the skeletons lie inside the other's cracks?

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        iterations: Erosions of the soft skeleton; at least half the width of the widest crack, in pixels.
        smooth: Pixels added to both sides of the fractions.

    Source:
        Shit et al., "clDice, a novel topology-preserving loss function for tubular structure segmentation", CVPR 2021,
        algorithms 1 and 2.
    """

    def loss(probability: Tensor, true: Tensor) -> Tensor:
        skeleton, true_skeleton = soft_skeleton(probability, iterations), soft_skeleton(true, iterations)
        precision = ((skeleton * true).sum() + smooth) / (skeleton.sum() + smooth)
        recall = ((true_skeleton * probability).sum() + smooth) / (true_skeleton.sum() + smooth)
        return 1 - 2 * precision * recall / (precision + recall)

    return _class_mean(logits, target, loss)


def soft_skeleton(mask: Tensor, iterations: int) -> Tensor:
    """Return what openings of ever more eroded ``(N, H, W)`` values in [0, 1] take away: a skeleton with a gradient.

    Source:
        Shit et al., "clDice", CVPR 2021, algorithm 1.
    """
    eroded = mask
    skeleton = torch.relu(eroded - _dilate(_erode(eroded)))
    for _ in range(iterations):
        eroded = _erode(eroded)
        lost = torch.relu(eroded - _dilate(_erode(eroded)))
        skeleton = skeleton + torch.relu(lost - skeleton * lost)
    return skeleton


def _erode(mask: Tensor) -> Tensor:
    """Return the least value of each pixel and its four neighbours."""
    down = -functional.max_pool2d(-mask, (3, 1), stride=1, padding=(1, 0))
    across = -functional.max_pool2d(-mask, (1, 3), stride=1, padding=(0, 1))
    return torch.minimum(down, across)


def _dilate(mask: Tensor) -> Tensor:
    return functional.max_pool2d(mask, 3, stride=1, padding=1)


def total_loss(logits: Tensor | tuple[Tensor, ...], target: Tensor, config: LossConfig) -> Tensor:
    """Return the weighted sum of losses that a configuration asks for, a scalar.

    Args:
        logits: ``(N, K, H, W)``; of several outputs, as deep supervision has them, the mean of their losses is taken.
        target: ``(N, 1, H, W)``, or with the planes that `crackseg.training.target_planes` adds; where the
            configuration needs them and they are not given, they are computed here.
        config: The losses.
    """
    outputs = logits if isinstance(logits, tuple) else (logits,)
    classes = int(outputs[0].shape[1])
    if target.shape[1] == 1 and needed_planes(config, classes):
        target = add_planes(target, config, classes)
    losses = [_sum_of_losses(output, target, config) for output in outputs]
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()


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
    loss = _wide(logits).new_zeros(())
    for weight, term in terms:
        if weight:
            loss = loss + weight * term()
    return loss


def _wide(logits: Tensor) -> Tensor:
    """Return logits in float32, or in float64 where they are."""
    return logits if logits.dtype == torch.float64 else logits.float()


def _class_planes(logits: Tensor, target: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return ``(N, H, W)`` probability and truth of each class but the background; of the one class if K = 1."""
    if logits.shape[1] == 1:
        return [(torch.sigmoid(logits)[:, 0], target[:, 0].to(logits.dtype))]
    probability = torch.softmax(logits, dim=1)
    return [(probability[:, number], (target[:, 0] == number).to(logits.dtype)) for number in range(1, logits.shape[1])]


def _class_mean(logits: Tensor, target: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    losses = [loss(probability, true) for probability, true in _class_planes(_wide(logits), target)]
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()


def _class_shares(logits: Tensor, target: Tensor) -> Tensor:
    """Return the ``(max(K, 2),)`` shares of the batch's pixels that are of each class."""
    dtype = _wide(logits).dtype
    if logits.shape[1] == 1:
        crack = target.to(dtype).mean()
        return torch.stack([1 - crack, crack])
    counts = torch.bincount(target.long().flatten(), minlength=logits.shape[1])
    return counts.to(dtype) / target.numel()


def _of_class(weights: Tensor, target: Tensor) -> Tensor:
    """Return each pixel's class weight, ``(N, 1, H, W)``; between two where the target of one class is."""
    if len(weights) == 2:
        return weights[0] + (weights[1] - weights[0]) * target.to(weights.dtype)
    return weights[target.long()]
