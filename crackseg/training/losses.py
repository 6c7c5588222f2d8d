"""Losses on logits.

All losses take logits ``(N, K, H, W)`` and a target ``(N, 1, H, W)``. With K = 1 the target is 1 for crack and 0 for
background, or between, and the probability is the sigmoid. With K > 1 the target is the class number, 0 for the
background, and the probability is the softmax. Losses on regions are then means over the classes 1 to K - 1.

Every loss is a scalar and finite for empty and full masks. Logits below float32 are converted to float32 first.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def pixel_cross_entropy(logits: Tensor, target: Tensor, *, class_weights: Tensor | None = None) -> Tensor:
    """Return the cross-entropy of every pixel.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        class_weights: ``(max(K, 2),)`` factors on the pixels of each class, background first; 1 if None.

    Returns:
        ``(N, 1, H, W)`` cross-entropy: of the sigmoid for one class, of the softmax for several.
    """
    logits = to_float32(logits)
    if logits.shape[1] > 1:
        return functional.cross_entropy(logits, target[:, 0].long(), weight=class_weights, reduction="none")[:, None]
    true = target.to(logits.dtype)
    if class_weights is None:
        return functional.binary_cross_entropy_with_logits(logits, true, reduction="none")
    log_crack, log_background = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    return -class_weights[1] * true * log_crack - class_weights[0] * (1 - true) * log_background


def weighted_bce(logits: Tensor, target: Tensor, *, positive_weight: float) -> Tensor:
    """Return the mean cross-entropy with a factor on crack pixels.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        positive_weight: Factor on the pixels of every class except the background.
    """
    logits = to_float32(logits)
    if logits.shape[1] == 1:
        weight = torch.tensor(positive_weight, device=logits.device)
        return functional.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), pos_weight=weight)
    weights = logits.new_full((logits.shape[1],), positive_weight)
    weights[0] = 1
    return pixel_cross_entropy(logits, target, class_weights=weights).mean()


def balanced_bce(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy with balanced classes.

    The weight of a pixel is the share of the batch that is of other classes. Rare cracks and common background then
    have the same total weight. A batch without cracks has a loss of 0.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.

    Source:
        Xie, Tu, "Holistically-nested edge detection", ICCV 2015, eq. 2.
    """
    shares = _class_shares(logits, target)
    return pixel_cross_entropy(logits, target, class_weights=1 - shares).mean()


def border_loss(logits: Tensor, target: Tensor, border: Tensor, *, balance: bool = False) -> Tensor:
    """Return the mean cross-entropy with border weights.

    The weight of a pixel is ``w(x) = w_c(x) + w0 exp(-(d1 + d2)^2 / (2 sigma^2))``.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        border: ``(N, 1, H, W)`` second term of the weight, from `crackseg.training.weight_map.border_weights`.
        balance: Balance the classes of the batch with ``w_c``, whose mean is then 1. Otherwise ``w_c`` is 1.

    Source:
        Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, eq. 1 and 2, as a mean where the paper has a sum.
    """
    entropy = pixel_cross_entropy(logits, target)
    classes: Tensor | float = 1.0
    if balance:
        shares = _class_shares(logits, target)
        present = shares > 0
        weights = torch.where(present, 1 / (present.sum() * shares.clamp_min(1e-12)), torch.ones_like(shares))
        classes = _weight_by_class(weights, target)
    return ((classes + border.to(entropy.dtype)) * entropy).mean()


def ohem_loss(logits: Tensor, target: Tensor, *, share: float) -> Tensor:
    """Return the mean cross-entropy of the hardest pixels (online hard example mining).

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        share: Share of the pixels of the batch that count as the hardest; at least one pixel does.

    Source:
        Shrivastava, Gupta, Girshick, "Training region-based object detectors with OHEM", CVPR 2016, applied to pixels.
    """
    entropy = pixel_cross_entropy(logits, target).flatten()
    return entropy.topk(max(1, round(share * entropy.numel())), sorted=False).values.mean()


def focal_loss(logits: Tensor, target: Tensor, *, gamma: float, alpha: float) -> Tensor:
    """Return the focal loss, the mean of ``-alpha_t (1 - p_t)^gamma log p_t``.

    ``p_t`` is the probability of the true class.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        gamma: Exponent that reduces the loss of pixels that are already right; 0 is the cross-entropy.
        alpha: ``alpha_t`` of every class except the background, which has 1 - alpha.

    Source:
        Lin et al., "Focal loss for dense object detection", ICCV 2017, eq. 5.
    """
    logits = to_float32(logits)
    if logits.shape[1] == 1:
        true = target.to(logits.dtype)
        log_crack, log_background = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        # Powers of the probability have no finite gradient at 0, but the exponential of their logarithm has.
        missed = torch.exp(gamma * log_background) * log_crack
        false = torch.exp(gamma * log_crack) * log_background
        return -(alpha * true * missed + (1 - alpha) * (1 - true) * false).mean()
    log_share = functional.log_softmax(logits, dim=1).gather(1, target.long())
    factor = torch.where(target.long() > 0, alpha, 1 - alpha)
    # 1 - p rounds to 0 for a confident pixel, and a power below 1 has no finite gradient there.
    return -(factor * (-torch.expm1(log_share)).clamp_min(1e-7) ** gamma * log_share).mean()


def dice_loss(logits: Tensor, target: Tensor, *, smooth: float = 1.0) -> Tensor:
    """Return one minus the Dice coefficient over the whole batch.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        smooth: Pixels added to numerator and denominator, so that an empty batch predicted as empty has a loss of 0.

    Source:
        Milletari, Navab, Ahmadi, "V-Net", 3DV 2016, section 3, without the squares.

    Example:
        >>> target = torch.tensor([[[[0.0, 1.0]]]])
        >>> round(float(dice_loss(torch.tensor([[[[-20.0, 20.0]]]]), target)), 4)
        0.0
    """

    def loss(probability: Tensor, true: Tensor) -> Tensor:
        overlap = (probability * true).sum()
        return 1 - (2 * overlap + smooth) / (probability.sum() + true.sum() + smooth)

    return _class_mean(logits, target, loss)


def patch_dice_loss(logits: Tensor, target: Tensor, *, smooth: float) -> Tensor:
    """Return one minus the mean Dice coefficient of the patches.

    Every patch has the same weight. Over a whole batch, a wide crack would outweigh a fine one, and false alarms in a
    patch without cracks would hardly count.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        smooth: Pixels added to numerator and denominator. In a patch without cracks, S false alarms have a loss of
            S / (S + smooth). With a small value, many false alarms cost hardly more than a few.
    """

    def loss(probability: Tensor, true: Tensor) -> Tensor:
        overlap, both = (probability * true).sum((1, 2)), (probability + true).sum((1, 2))
        return (1 - (2 * overlap + smooth) / (both + smooth)).mean()

    return _class_mean(logits, target, loss)


def jaccard_loss(logits: Tensor, target: Tensor, *, smooth: float = 1.0) -> Tensor:
    """Return one minus the Jaccard index (IoU) over the whole batch.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        smooth: Pixels added to numerator and denominator.

    Source:
        Rahman, Wang, "Optimizing intersection-over-union in deep neural networks", ISVC 2016, eq. 2 to 4.
    """
    return tversky_loss(logits, target, alpha=1, beta=1, smooth=smooth)


def tversky_loss(
    logits: Tensor, target: Tensor, *, alpha: float, beta: float, gamma: float = 1.0, smooth: float = 1.0
) -> Tensor:
    """Return ``(1 - TI)^(1 / gamma)`` of the Tversky index TI over the batch.

    ``TI = TP / (TP + alpha FP + beta FN)``.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        alpha: Weight of false alarms.
        beta: Weight of missed cracks.
        gamma: Inverse of the exponent: 1 for the Tversky loss, above 1 for the focal Tversky loss.
        smooth: Pixels added to numerator and denominator.

    Source:
        Salehi, Erdogmus, Gholipour, "Tversky loss function", MLMI 2017, eq. 3; for gamma Abraham, Khan, "A novel focal
        Tversky loss function", ISBI 2019, eq. 4.
    """

    def loss(probability: Tensor, true: Tensor) -> Tensor:
        hit = (probability * true).sum()
        false, missed = probability.sum() - hit, true.sum() - hit
        rest = 1 - (hit + smooth) / (hit + alpha * false + beta * missed + smooth)
        # A power below 1 has no finite gradient at a perfect overlap.
        return rest if gamma == 1 else rest.clamp_min(1e-6) ** (1 / gamma)

    return _class_mean(logits, target, loss)


def lovasz_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the Lovasz extension of the Jaccard loss over the batch.

    It extends the hinge loss for one class, and the softmax for several. Of several classes only those in the batch
    count; without any, the loss is 0.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.

    Source:
        Berman, Triki, Blaschko, "The Lovasz-softmax loss", CVPR 2018, algorithm 1, sections 3.1 and 3.2.
    """
    logits = to_float32(logits)
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
    """Return the growth of the Jaccard loss with each additional error.

    Args:
        true: ``(n,)`` true pixels, 0 or 1, sorted from the largest error to the smallest.

    Returns:
        ``(n,)`` increments.
    """
    overlap = true.sum() - true.cumsum(0)
    union = true.sum() + (1 - true).cumsum(0)
    jaccard = 1 - overlap / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])


def boundary_loss(logits: Tensor, target: Tensor, distance: Tensor) -> Tensor:
    """Return the mean of probability times signed distance to the true boundary.

    The loss is in pixels, and negative for correct pixels. Add it to a loss on regions, since empty and full masks have
    no boundary.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``; not used.
        distance: ``(N, max(K - 1, 1), H, W)`` distances in pixels, of each class except the background, from
            `crackseg.training.weight_map.signed_distance`.

    Source:
        Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019, eq. 5.
    """
    planes = [probability for probability, _ in _class_planes(to_float32(logits), target)]
    return (torch.stack(planes, dim=1) * distance.to(planes[0].dtype)).mean()


def cldice_loss(logits: Tensor, target: Tensor, *, iterations: int, smooth: float = 1.0) -> Tensor:
    """Return one minus the centreline Dice coefficient (clDice).

    It measures how much of each skeleton lies inside the other mask.

    Args:
        logits: ``(N, K, H, W)``.
        target: ``(N, 1, H, W)``.
        iterations: Number of erosions of the soft skeleton; at least half the width of the widest crack, in pixels.
        smooth: Pixels added to numerator and denominator.

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
    """Return a differentiable skeleton of a soft mask.

    It collects the parts that an opening removes from the mask and from its repeated erosions.

    Args:
        mask: ``(N, H, W)`` values in [0, 1].
        iterations: Number of erosions.

    Returns:
        ``(N, H, W)`` values in [0, 1].

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
    """Return the minimum of each pixel and its four neighbours, ``(N, H, W)``."""
    down = -functional.max_pool2d(-mask, (3, 1), stride=1, padding=(1, 0))
    across = -functional.max_pool2d(-mask, (1, 3), stride=1, padding=(0, 1))
    return torch.minimum(down, across)


def _dilate(mask: Tensor) -> Tensor:
    return functional.max_pool2d(mask, 3, stride=1, padding=1)


def to_float32(logits: Tensor) -> Tensor:
    """Return logits, of any shape, in float32; float64 stays."""
    return logits if logits.dtype == torch.float64 else logits.float()


def _class_planes(logits: Tensor, target: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return ``(N, H, W)`` probability and true mask of each class except the background."""
    if logits.shape[1] == 1:
        return [(torch.sigmoid(logits)[:, 0], target[:, 0].to(logits.dtype))]
    probability = torch.softmax(logits, dim=1)
    return [(probability[:, number], (target[:, 0] == number).to(logits.dtype)) for number in range(1, logits.shape[1])]


def _class_mean(logits: Tensor, target: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    losses = [loss(probability, true) for probability, true in _class_planes(to_float32(logits), target)]
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()


def _class_shares(logits: Tensor, target: Tensor) -> Tensor:
    """Return the ``(max(K, 2),)`` shares of the classes in the batch."""
    dtype = to_float32(logits).dtype
    if logits.shape[1] == 1:
        crack = target.to(dtype).mean()
        return torch.stack([1 - crack, crack])
    counts = torch.bincount(target.long().flatten(), minlength=logits.shape[1])
    return counts.to(dtype) / target.numel()


def _weight_by_class(weights: Tensor, target: Tensor) -> Tensor:
    """Return the class weight of each pixel, ``(N, 1, H, W)``, interpolated for soft targets."""
    if len(weights) == 2:
        return weights[0] + (weights[1] - weights[0]) * target.to(weights.dtype)
    return weights[target.long()]
