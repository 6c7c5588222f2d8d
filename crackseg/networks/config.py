"""Declare the configuration of a network; importing it does not load PyTorch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from crackseg.config import Section

Precision = Literal["auto", "fp32", "bf16"]
Architecture = Literal[
    "unet", "unet-classic", "unetplusplus", "fcn",
    "manet", "linknet", "fpn", "pspnet", "deeplabv3", "deeplabv3plus", "pan", "upernet", "segformer", "dpt",
]  # fmt: skip
NOT_IN_ONNX: frozenset[str] = frozenset({"dpt", "pspnet", "upernet"})
"""Architectures that ONNX cannot express for any image size, since they resize by factors of the image size."""
FcnVariant = Literal["32s", "16s", "8s"]


class NetworkConfig(Section):
    """Architecture, encoder, widths and classes of a network.

    Attributes:
        arch: Architecture. ``unet``; ``unet-classic``, the U-Net of 2015 with its own encoder and valid convolutions;
            ``unetplusplus``; ``fcn``; or the name of another decoder of segmentation-models-pytorch.
        encoder: Name of an encoder of segmentation-models-pytorch, ``tu-NAME`` for one of timm, or
            ``shufflenet_v2_x1_0`` and its other widths. ``unet-classic`` ignores it.
        encoder_weights: ``imagenet`` or another set that segmentation-models-pytorch can download; null starts from
            random weights.
        decoder_channels: Widths of the decoder of ``unet``, ``unetplusplus`` and ``manet``, coarse to fine. Their
            number is the number of times that the image is halved.
        channels: Channels of the input: 3 for colour, 1 for grey values computed from the colours.
        classes: Channels of the output. 1 separates crack from background (sigmoid). K separates K classes, of which
            class 0 is the background (softmax).
        variant: Finest score of ``fcn``: at stride 32, 16 or 8.
        width: Factor on the widths of ``unet-classic``: 1 has 31 million parameters, 0.5 has 7.8 and 0.25 has 1.9.
        deep_supervision: true trains ``unetplusplus`` with an output at every depth, so that it can be pruned.
        pruned_to: Depth that ``unetplusplus`` is pruned to, 1 being the fastest; null keeps all depths.
        dropout: Probability that a training step drops a channel of the input of the output layer.

    Example:
        >>> NetworkConfig(decoder_channels=(64, 32, 16)).stride
        8
    """

    arch: Architecture = "unet"
    encoder: str = "mobilenet_v2"
    encoder_weights: str | None = None
    decoder_channels: tuple[Annotated[int, Field(ge=1)], ...] = Field((128, 64, 32, 16, 16), min_length=3, max_length=5)
    channels: int = Field(3, ge=1)
    classes: int = Field(1, ge=1, le=255)
    variant: FcnVariant = "8s"
    width: float = Field(1.0, gt=0, le=4)
    deep_supervision: bool = True
    pruned_to: int | None = Field(None, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _check_pruning(self) -> NetworkConfig:
        if self.pruned_to is not None:
            if self.arch != "unetplusplus":
                raise ValueError("expected pruned_to only with arch unetplusplus")
            if self.pruned_to >= len(self.decoder_channels):
                raise ValueError(
                    f"expected pruned_to of at most {len(self.decoder_channels) - 1}, one less than decoder_channels"
                )
            if not self.deep_supervision and self.pruned_to < len(self.decoder_channels) - 1:
                raise ValueError(
                    "expected deep_supervision with pruned_to, since no other depth has an output without it"
                )
        return self

    @property
    def stride(self) -> int:
        """Total downsampling, in pixels; images are padded to a multiple of it."""
        match self.arch:
            case "unetplusplus" if self.pruned_to is not None:
                return int(2 ** (self.pruned_to + 1))
            case "unet" | "unetplusplus" | "manet":
                return int(2 ** len(self.decoder_channels))
            case "unet-classic":
                return 16
            case "pspnet":
                return 8
            case "pan":
                return 128
            case _:
                return 32
