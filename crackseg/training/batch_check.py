"""Check that a network can be trained with the batch size of a configuration."""

from __future__ import annotations

import torch

from crackseg.errors import ConfigError
from crackseg.networks.factory import build_network
from crackseg.training.config import TrainConfig

_ONE_VALUE = "more than 1 value per channel"
"""Text of the error of PyTorch for a normalisation over a single value."""


def needs_two_patches(error: Exception) -> bool:
    """Return whether an error asks for more than one patch."""
    return isinstance(error, ValueError) and _ONE_VALUE in str(error)


def check_batch_size(config: TrainConfig) -> None:
    """Check that the network can be trained with the batch size.

    A network that pools the whole image normalises one value per patch, which takes two patches. A batch of one is
    tried on a network of random weights.

    Args:
        config: Configuration of the training.

    Raises:
        ConfigError: If the network needs more than one patch.
    """
    if config.data.batch_size > 1:
        return
    network = build_network(config.network.model_copy(update={"encoder_weights": None})).train()
    side = config.data.patch_px
    try:
        with torch.no_grad():
            network(torch.zeros(1, config.network.channels, side, side), deep=True)
    except ValueError as error:
        if not needs_two_patches(error):
            raise
        raise ConfigError(
            f"expected 2 or more for network.arch={config.network.arch}, which normalises over the patches of a batch;"
            " got 1",
            where="data.batch_size",
            hint="set data.batch_size=2 and lower data.patch_px if memory is short, or choose another network.arch",
        ) from error
