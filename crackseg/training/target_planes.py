"""Add the planes that losses need to the true mask of a target."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crackseg.datasets.class_masks import split_void
from crackseg.training.loss_config import LossConfig
from crackseg.training.weight_map import border_weights, signed_distance


def needed_planes(config: LossConfig, classes: int) -> int:
    """Return the number of planes that the losses need after the mask.

    Args:
        config: Weights and settings of the losses.
        classes: Channels of the network's output.
    """
    return int(config.border.weight > 0) + (max(classes - 1, 1) if config.boundary else 0)


def target_planes(
    mask: NDArray[np.uint8], config: LossConfig, classes: int = 1, *, border: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return a mask followed by the planes that the losses need.

    Args:
        mask: ``(H, W)`` uint8 class numbers; 1 for crack with one class. Void pixels count as background in the planes.
        config: Weights and settings of the losses.
        classes: Channels of the network's output.
        border: ``(H, W)`` float32 border weights of the mask; computed if None.

    Returns:
        ``(1 + P, H, W)`` float32. The first plane is the mask. The border weights follow if ``border`` is among the
        losses, and the signed distance to each class except the background, in pixels, if ``boundary`` is.
    """
    planes = [mask.astype(np.float32)]
    mask, _ = split_void(mask)
    if config.border.weight:
        if border is None:
            border = border_weights(mask > 0, w0=config.border.w0, sigma=config.border.sigma)
        planes.append(border)
    if config.boundary:
        planes.extend(signed_distance(mask == number) for number in range(1, max(classes, 2)))
    return np.stack(planes)


def add_planes(target: Tensor, config: LossConfig, classes: int) -> Tensor:
    """Add the planes that the losses need to a target.

    Args:
        target: ``(N, 1, H, W)`` class numbers.
        config: Weights and settings of the losses.
        classes: Channels of the network's output.

    Returns:
        ``(N, 1 + P, H, W)`` float32 target, on the device of the argument.
    """
    first = target.detach().cpu().float()
    masks = first[:, 0].round().to(torch.uint8).numpy()
    planes = np.stack([target_planes(mask, config, classes) for mask in masks])[:, 1:]
    return torch.cat([first, torch.from_numpy(planes)], dim=1).to(target.device)
