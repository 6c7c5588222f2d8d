"""What a loss needs to know of a true mask beside the mask: planes that stand behind it in the target."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crackseg.training.loss_config import LossConfig
from crackseg.training.weight_map import border_weights, signed_distance


def needed_planes(config: LossConfig, classes: int) -> int:
    """Return how many planes the losses of a configuration need behind the mask.

    Args:
        config: The losses.
        classes: Channels of the network's output.
    """
    return int(config.border.weight > 0) + (max(classes - 1, 1) if config.boundary else 0)


def target_planes(
    mask: NDArray[np.uint8], config: LossConfig, classes: int = 1, *, border: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return a mask with the planes that the losses need behind it.

    Args:
        mask: ``(H, W)``: 1 where crack is, or the number of the class.
        config: The losses.
        classes: Channels of the network's output.
        border: ``(H, W)`` border weights that were carried along with the mask; computed from it if None.

    Returns:
        ``(1 + P, H, W)``: the mask; the border weights, if ``border`` is among the losses; the signed distance to each
        class but the background, in pixels, if ``boundary`` is.
    """
    planes = [mask.astype(np.float32)]
    if config.border.weight:
        if border is None:
            border = border_weights(mask > 0, w0=config.border.w0, sigma=config.border.sigma)
        planes.append(border)
    if config.boundary:
        planes.extend(signed_distance(mask == number) for number in range(1, max(classes, 2)))
    return np.stack(planes)


def add_planes(target: Tensor, config: LossConfig, classes: int) -> Tensor:
    """Return a ``(N, 1, H, W)`` target with the planes that the losses need, ``(N, 1 + P, H, W)``."""
    given = target.detach().cpu().float()
    masks = given[:, 0].round().to(torch.uint8).numpy()
    planes = np.stack([target_planes(mask, config, classes) for mask in masks])[:, 1:]
    return torch.cat([given, torch.from_numpy(planes)], dim=1).to(target.device)
