"""The network: architecture, encoder, widths and classes. Importing this needs no torch."""

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
"""Architectures that pool or enlarge by a factor that depends on the image, which ONNX of any size cannot express."""
FcnVariant = Literal["32s", "16s", "8s"]


class NetworkConfig(Section):
    """The network.

    Attributes:
        arch: Architecture: ``unet``; ``unet-classic``, that of 2015 with its own encoder and valid convolutions;
            ``unetplusplus``; ``fcn``; or another decoder of segmentation-models-pytorch by its name there.
        encoder: Encoder, by its name in segmentation-models-pytorch; ``tu-NAME`` takes one of timm, and
            ``shufflenet_v2_x1_0`` one of torchvision. ``unet-classic`` has none to choose.
        encoder_weights: ``imagenet`` or another set segmentation-models-pytorch can fetch; null starts from random.
        decoder_channels: Widths of the decoder of ``unet``, ``unetplusplus`` and ``manet``, coarse to fine; as many as
            the image is halved.
        channels: Channels of the input. Photographs have 3; 1 takes their grey value.
        classes: Channels of the output: 1 is crack or not (sigmoid), K classes of which 0 is the background (softmax).
        variant: Finest score of ``fcn``: at stride 32, 16 or 8.
        width: Factor on the widths of ``unet-classic``: 1 has 31 million parameters, 0.5 has 7.8 and 0.25 has 1.9.
        deep_supervision: Whether ``unetplusplus`` learns from an output at every depth, so that it can be pruned.
        pruned_to: Depth that ``unetplusplus`` is cut to, 1 being the fastest; null keeps all.
        dropout: Probability that a training step does without a channel of what the output is made from.
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
    def _fits(self) -> NetworkConfig:
        if self.pruned_to is not None:
            if self.arch != "unetplusplus":
                raise ValueError("pruned_to is for arch unetplusplus")
            if self.pruned_to >= len(self.decoder_channels):
                raise ValueError(
                    f"expected pruned_to of at most {len(self.decoder_channels) - 1}, one less than decoder_channels"
                )
            if not self.deep_supervision and self.pruned_to < len(self.decoder_channels) - 1:
                raise ValueError("pruned_to needs deep_supervision: without it no other depth has an output")
        return self

    @property
    def stride(self) -> int:
        """Total downsampling, in pixels: images are filled up to a multiple of it, and tiles begin on one."""
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
