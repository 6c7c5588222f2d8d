"""Networks by configuration: a match, no registry."""

from __future__ import annotations

import difflib
import math
import warnings
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from crackseg.errors import ConfigError, ModelError
from crackseg.nn.train_config import NetworkConfig

CRACK_PRIOR = 0.05
"""Share of crack pixels the output starts from, so that the first steps are not spent on unlearning one half."""

# Mean and standard deviation of ImageNet, which pretrained encoders expect, in units of 8-bit pixels.
_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


class SegmentationNetwork(nn.Module):
    """A network for images of any height and width.

    Args:
        network: Maps ``(N, 3, H, W)`` to ``(N, 1, H, W)`` logits where H and W are multiples of ``stride``.
        stride: Its total downsampling, in pixels.
    """

    def __init__(self, network: nn.Module, stride: int) -> None:
        super().__init__()
        self.network = network
        self.stride = stride

    def forward(self, images: Tensor) -> Tensor:
        """Return the ``(N, 1, H, W)`` logits of normalised ``(N, 3, H, W)`` images."""
        height, width = images.shape[-2:]
        below, right = -height % self.stride, -width % self.stride
        if below or right:
            images = functional.pad(images, (0, right, 0, below), mode="replicate")
        logits: Tensor = self.network(images)
        return logits[..., :height, :width]


def normalise(pixels: Tensor) -> Tensor:
    """Return ``(N, H, W, 3)`` RGB pixels in [0, 255] as ``(N, 3, H, W)`` float32 of zero mean and unit variance."""
    mean = torch.tensor(_MEAN, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(_STD, device=pixels.device).view(1, 3, 1, 1)
    return (pixels.permute(0, 3, 1, 2).float() - mean) / std


def build_network(config: NetworkConfig) -> SegmentationNetwork:
    """Build a network; its output starts at the prior probability of a crack pixel.

    Raises:
        ConfigError: If the encoder or its weights are unknown.
        ModelError: If pretrained weights cannot be fetched.
    """
    match config.arch:
        case "unet":
            network = _build_unet(config)
        case _:
            assert_never(config.arch)
    _drop_unused(network)
    _start_at_prior(network.segmentation_head)
    return SegmentationNetwork(network, config.stride)


def _build_unet(config: NetworkConfig) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import segmentation_models_pytorch as smp
    known = list(smp.encoders.get_encoder_names())
    if config.encoder not in known and not config.encoder.startswith("tu-"):
        close = difflib.get_close_matches(config.encoder, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else None
        raise ConfigError(
            f"expected an encoder of segmentation-models-pytorch, got '{config.encoder}'",
            where="network.encoder",
            hint=hint,
        )
    try:
        network: nn.Module = smp.Unet(
            config.encoder,
            encoder_depth=len(config.decoder_channels),
            encoder_weights=config.encoder_weights,
            decoder_channels=config.decoder_channels,
        )
    except (KeyError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ConfigError(str(error).strip("'\""), where="network") from error
    except OSError as error:
        raise ModelError(
            f"the weights '{config.encoder_weights}' of {config.encoder} cannot be fetched",
            hint="give a file with --init and set network.encoder_weights=null",
        ) from error
    return network


class _Unused(nn.Module):
    """Stands where a layer was whose result nobody looks at; lets its first argument through."""

    def forward(self, images: Tensor, *_: object) -> Tensor:
        return images


def _drop_unused(network: nn.Module) -> None:
    """Take out the layers that no gradient reaches: an encoder's deep stages, where the decoder has fewer steps."""
    network.eval()(torch.zeros(1, 3, 96, 96)).sum().backward()
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            parameters = list(child.parameters())
            if parameters and all(parameter.grad is None for parameter in parameters):
                setattr(parent, name, _Unused())
    network.zero_grad(set_to_none=True)
    network.train()


def _start_at_prior(head: nn.Module | Tensor) -> None:
    for layer in head.modules() if isinstance(head, nn.Module) else ():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.constant_(layer.bias, math.log(CRACK_PRIOR / (1 - CRACK_PRIOR)))
