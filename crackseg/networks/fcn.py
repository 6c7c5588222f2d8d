"""Build fully convolutional networks (FCN) on any encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from crackseg.networks.config import FcnVariant


class BilinearUpsampling(nn.Module):
    """A trainable transposed convolution that starts as bilinear interpolation.

    Its kernel is twice as wide as its stride, so that every output pixel depends on 2x2 input pixels. It is computed as
    a convolution with one 2x2 kernel per position between input pixels, followed by a rearrangement. The transposed
    convolution of PyTorch takes hundreds of times as long on a CPU, for a factor of 32 in bfloat16.

    Args:
        classes: Number of channels; each has its own kernel.
        factor: Even factor by which the output is larger.
    """

    def __init__(self, classes: int, factor: int) -> None:
        super().__init__()
        # One input pixel is repeated on each side, and the padding removes it after the convolution.
        self.layer = nn.ConvTranspose2d(
            classes, classes, 2 * factor, stride=factor, padding=3 * factor // 2, groups=classes, bias=False
        )
        offset = (torch.arange(2 * factor) - factor + 0.5).abs() / factor
        with torch.no_grad():
            self.layer.weight.copy_((1 - offset)[:, None] * (1 - offset)[None, :])

    def forward(self, scores: Tensor) -> Tensor:
        """Enlarge ``(N, K, h, w)`` scores to ``(N, K, factor * h, factor * w)``."""
        kernels, classes, factor = self.layer.weight, self.layer.groups, self.layer.stride[0]
        taps = kernels.reshape(classes, 2, factor, 2, factor).flip(1, 3).permute(0, 2, 4, 1, 3)
        taps = taps.reshape(classes * factor**2, 1, 2, 2)
        around = functional.pad(scores, (1, 1, 1, 1), mode="replicate")
        blocks = functional.pixel_shuffle(functional.conv2d(around, taps, groups=classes), factor)
        cut = factor // 2
        enlarged: Tensor = blocks[..., cut:-cut, cut:-cut]
        return enlarged


class Fcn(nn.Module):
    """FCN-32s, -16s or -8s.

    Every score is a 1x1 convolution of features of the encoder. All except the coarsest start at 0. Unlike in the paper
    the last enlargement is trained too. There is no convolution between encoder and score; those of the paper are the
    classifier of VGG.

    Args:
        encoder: Encoder with features at strides 1, 2, 4, 8, 16 and 32.
        widths: Channels of the features.
        classes: Channels of the output.
        variant: Finest score.

    Source:
        Long, Shelhamer, Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015, section 4.2,
        fig. 3.
    """

    def __init__(self, encoder: nn.Module, widths: Sequence[int], *, classes: int, variant: FcnVariant) -> None:
        super().__init__()
        strides = {"32s": (32,), "16s": (32, 16), "8s": (32, 16, 8)}[variant]
        self.encoder = encoder
        self.scores = nn.ModuleList(nn.Conv2d(widths[stride.bit_length() - 1], classes, 1) for stride in strides)
        factors = [2] * (len(strides) - 1) + [strides[-1]]
        self.enlargements = nn.ModuleList(BilinearUpsampling(classes, factor) for factor in factors)
        for score in list(self.scores)[1:]:
            for parameter in score.parameters():
                nn.init.zeros_(parameter)

    @property
    def heads(self) -> list[nn.Module]:
        """Layers whose bias is the bias of the output."""
        return [self.scores[0]]

    def forward(self, images: Tensor) -> Tensor:
        """Return logits.

        Args:
            images: ``(N, C, H, W)`` images with sides that are multiples of 32.

        Returns:
            ``(N, K, H, W)`` logits.
        """
        features = self.encoder(images)[:2:-1]
        total = self.scores[0](features[0])
        for score, feature, enlarge in zip(list(self.scores)[1:], features[1:], self.enlargements, strict=False):
            total = enlarge(total) + score(feature)
        logits: Tensor = self.enlargements[-1](total)
        return logits
