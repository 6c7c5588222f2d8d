"""Build networks from their configuration."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from crackseg.errors import ConfigError
from crackseg.networks.config import NetworkConfig
from crackseg.networks.encoders import build_encoder, check_features, encoder_errors, library
from crackseg.networks.fcn import Fcn
from crackseg.networks.unet_classic import ClassicUnet
from crackseg.networks.unetplusplus import UnetPlusPlus

CRACK_PRIOR = 0.05
"""Initial probability of a crack pixel; a half would waste the first steps of a training."""

# Mean and standard deviation of ImageNet in 8-bit pixels, which pretrained encoders expect.
_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)

_GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the grey value (ITU-R BT.601)."""


class SegmentationNetwork(nn.Module):
    """A network for images of any height and width.

    Args:
        network: Maps ``(N, C, H, W)`` images to ``(N, K, H, W)`` logits, for H and W that are multiples of ``stride``.
        stride: Total downsampling of the network, in pixels.
        channels: Channels C of its input. With 1, images of three channels are converted to grey.
    """

    def __init__(self, network: nn.Module, stride: int, *, channels: int = 3) -> None:
        super().__init__()
        self.network = network
        self.stride = stride
        self.channels = channels
        if channels != 3:
            network.register_forward_pre_hook(lambda _, images: (_fit_channels(images[0], channels),))

    def forward(self, images: Tensor, *, deep: bool = False) -> Tensor | tuple[Tensor, ...]:
        """Return the logits of normalised images.

        Args:
            images: ``(N, C, H, W)`` normalised images.
            deep: Return a tuple of the logits of every output, if the network has several.

        Returns:
            ``(N, K, H, W)`` logits, or a tuple of them.

        Raises:
            ConfigError: If the images have another number of channels.
        """
        images = _fit_channels(images, self.channels)
        height, width = images.shape[-2:]
        if isinstance(self.network, ClassicUnet):
            whole: Tensor = self.network(images)
            return whole
        below, right = -height % self.stride, -width % self.stride
        if below or right:
            images = functional.pad(images, (0, right, 0, below), mode="replicate")
        if deep and isinstance(self.network, UnetPlusPlus) and len(self.network.depths) > 1:
            return tuple(logits[..., :height, :width] for logits in self.network.all_outputs(images))
        logits: Tensor = self.network(images)
        return logits[..., :height, :width]


def _fit_channels(images: Tensor, channels: int) -> Tensor:
    if images.shape[1] == channels:
        return images
    if channels == 1 and images.shape[1] == 3:
        shares = images.new_tensor(_GREY).view(1, 3, 1, 1)
        return (images * shares).sum(dim=1, keepdim=True)
    raise ConfigError(
        f"expected images of {channels} channels, got {int(images.shape[1])}",
        where="network.channels",
        hint="set 3 for colour images or 1 for grey values",
    )


def normalise(pixels: Tensor) -> Tensor:
    """Normalise pixels to zero mean and unit variance (of ImageNet).

    Args:
        pixels: ``(N, H, W, 3)`` RGB pixels in [0, 255].

    Returns:
        ``(N, 3, H, W)`` float32 images.
    """
    mean = torch.tensor(_MEAN, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(_STD, device=pixels.device).view(1, 3, 1, 1)
    return (pixels.permute(0, 3, 1, 2).float() - mean) / std


def crack_probability(logits: Tensor) -> Tensor:
    """Return the crack probability of logits.

    With several classes it is the probability of any class except the background.

    Args:
        logits: ``(N, K, H, W)``.

    Returns:
        ``(N, H, W)`` probability in [0, 1].
    """
    if logits.shape[1] == 1:
        return torch.sigmoid(logits)[:, 0]
    return 1 - torch.softmax(logits, dim=1)[:, 0]


def defect_class(logits: Tensor) -> Tensor:
    """Return the likeliest defect class of each pixel.

    Args:
        logits: ``(N, K, H, W)``.

    Returns:
        ``(N, H, W)`` uint8 class numbers from 1; the background is left out.
    """
    if logits.shape[1] <= 2:
        return torch.ones_like(logits[:, 0], dtype=torch.uint8)
    return (logits[:, 1:].argmax(dim=1) + 1).to(torch.uint8)


def build_network(config: NetworkConfig) -> SegmentationNetwork:
    """Build a network whose output starts at `CRACK_PRIOR`.

    Raises:
        ConfigError: If the encoder or its weights are unknown, or the architecture cannot use the encoder.
        ModelError: If pretrained weights cannot be downloaded.

    Example:
        >>> network = build_network(NetworkConfig(decoder_channels=(16, 8, 8)))
        >>> tuple(network(torch.zeros(1, 3, 50, 70)).shape)
        (1, 1, 50, 70)
    """
    network: nn.Module
    match config.arch:
        case "unet-classic":
            network = ClassicUnet(config.channels, config.classes, width=config.width)
        case "fcn":
            network = _build_fcn(config)
        case "unetplusplus":
            network = _build_unetplusplus(config)
        case "unet" | "manet":
            widths = config.decoder_channels
            network = _build_of_library(config, {"encoder_depth": len(widths), "decoder_channels": widths})
        case "dpt":
            network = _build_of_library(config, {"dynamic_img_size": True})
        case "linknet" | "fpn" | "pspnet" | "deeplabv3" | "deeplabv3plus" | "pan" | "upernet" | "segformer":
            network = _build_of_library(config)
        case _:
            assert_never(config.arch)
    side = -(-96 // config.stride) * config.stride
    with encoder_errors(config):
        check_features(getattr(network, "encoder", None), channels=config.channels, side=side)
        _drop_unused(network, torch.zeros(1, config.channels, side, side))
    for head in _heads(network):
        if config.dropout:
            head.register_forward_pre_hook(functools.partial(_drop_channels, share=config.dropout))
    built = SegmentationNetwork(network, config.stride, channels=config.channels)
    start_at_prior(built, CRACK_PRIOR)
    return built


def prune(network: SegmentationNetwork, config: NetworkConfig, depth: int) -> tuple[SegmentationNetwork, NetworkConfig]:
    """Prune a trained U-Net++ to one of its depths.

    Args:
        network: A U-Net++ with an output at every depth.
        config: Configuration of the network.
        depth: Depth from 1, the fastest, to one less than the number of decoder widths, the whole network.

    Returns:
        The smaller network with the same weights, in evaluation mode on the CPU, and its configuration.

    Raises:
        ConfigError: If the network is no U-Net++, or has no output at this depth.

    Source:
        Zhou et al., "UNet++", DLMIA 2018, section 3.3, fig. 3.
    """
    inner = network.network
    hint = "train arch=unetplusplus with deep_supervision=true"
    if not isinstance(inner, UnetPlusPlus):
        raise ConfigError("expected arch unetplusplus to prune", where="network", hint=hint)
    if depth not in inner.depths:
        depths = ", ".join(map(str, inner.depths))
        raise ConfigError(f"expected an output at depth {depth}, got outputs at {depths}", where="network", hint=hint)
    smaller_config = NetworkConfig.model_validate({**config.model_dump(), "encoder_weights": None, "pruned_to": depth})
    smaller = build_network(smaller_config).eval()
    state = network.state_dict()
    smaller.load_state_dict({name: state[name] for name in smaller.state_dict()})
    return smaller, smaller_config


def _build_fcn(config: NetworkConfig) -> Fcn:
    encoder, widths = build_encoder(config, 5)
    return Fcn(encoder, widths, classes=config.classes, variant=config.variant)


def _build_unetplusplus(config: NetworkConfig) -> UnetPlusPlus:
    deepest = config.pruned_to or len(config.decoder_channels) - 1
    encoder, widths = build_encoder(config, deepest + 1)
    depths = (deepest,) if config.pruned_to or not config.deep_supervision else range(1, deepest + 1)
    return UnetPlusPlus(encoder, widths[1:], config.decoder_channels, classes=config.classes, depths=depths)


def _build_of_library(config: NetworkConfig, settings: dict[str, Any] | None = None) -> nn.Module:
    smp = library()
    with encoder_errors(config):
        network: nn.Module = smp.create_model(
            config.arch,
            config.encoder,
            encoder_weights=config.encoder_weights,
            in_channels=config.channels,
            classes=config.classes,
            **(settings or {}),
        )
    for layer in network.modules():
        if isinstance(layer, nn.Upsample) and layer.mode == "bilinear":
            # With aligned corners every pixel depends on the size of the image, and seams between tiles are visible.
            layer.align_corners = False
    return network


class _Unused(nn.Module):
    """Placeholder for an unused layer; returns its first argument."""

    def forward(self, images: Tensor, *_: object) -> Tensor:
        return images


def _drop_unused(network: nn.Module, images: Tensor) -> None:
    """Remove the layers that no gradient reaches.

    These are deep stages of an encoder, under a decoder with fewer steps.

    Args:
        network: Network; changed in place.
        images: ``(N, C, H, W)`` images to run it on.
    """
    run: Callable[[Tensor], Any] = network.all_outputs if isinstance(network, UnetPlusPlus) else network
    network.eval()
    output = run(images)
    outputs: Sequence[Tensor] = output if isinstance(output, tuple) else (output,)
    torch.stack([logits.sum() for logits in outputs]).sum().backward()  # type: ignore[no-untyped-call]
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            parameters = list(child.parameters())
            if parameters and all(parameter.grad is None for parameter in parameters):
                setattr(parent, name, _Unused())
    network.zero_grad(set_to_none=True)
    network.train()


def _heads(network: nn.Module) -> Sequence[nn.Module]:
    """Return the layers whose bias is that of the output."""
    if isinstance(network, (ClassicUnet, Fcn, UnetPlusPlus)):
        return network.heads
    head = network.segmentation_head
    return [head] if isinstance(head, nn.Module) else []


def _drop_channels(head: nn.Module, inputs: tuple[Tensor, ...], *, share: float) -> tuple[Tensor, ...]:
    """Set random channels of what a head sees to 0 in training.

    Source:
        Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015, section 3.2.
    """
    return (functional.dropout2d(inputs[0], share, head.training), *inputs[1:])


def start_at_prior(network: SegmentationNetwork, share: float) -> None:
    """Set the output bias of a new network to a crack probability.

    Args:
        network: An untrained network.
        share: Share of crack pixels, clipped to [0.001, 0.5]. Several classes get equal parts of it.

    Source:
        Lin et al., "Focal loss for dense object detection", ICCV 2017, section 3.3.
    """
    share = min(max(share, 0.001), 0.5)
    for head in _heads(network.network):
        biases = [layer.bias for layer in head.modules() if isinstance(layer, nn.Conv2d) and layer.bias is not None]
        for bias in biases[-1:]:
            if len(bias) == 1:
                nn.init.constant_(bias, math.log(share / (1 - share)))
            else:
                nn.init.constant_(bias, math.log(share / (len(bias) - 1)))
                nn.init.constant_(bias[:1], math.log(1 - share))
